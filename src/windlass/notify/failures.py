"""Failed jobs are told where they failed: in the worker, which is where the program's own code may run."""

from __future__ import annotations

import logging

from windlass.clock import monotonic
from windlass.context import Resources
from windlass.errors import StoreError
from windlass.events import JobFailed
from windlass.notify.notifier import Notifier
from windlass.outcome import AnyOutcome, Completed, Failed
from windlass.store.protocol import Claim

log = logging.getLogger("windlass.notify")

_REFRESH_S = 5.0
_MOST = 10_000


class FailureTelling:
    """Tells ``JobFailed`` when an attempt is the last one, once per job key, until a job of it completes.

    Used only where a callback wants to hear of it: others pay nothing. A job that was killed, for its timeout
    or with its process, had nobody to tell it: the dispatcher logs that.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._told: set[str] = set()
        self._refresh_at = 0.0

    def begin(self, claim: Claim, resources: Resources) -> None:
        """Nothing to tell yet."""

    def end(self, begun: None, claim: Claim, outcome: AnyOutcome, error: BaseException | None) -> None:
        """Tells where it was the last one."""
        del begun, error
        self._note(claim, outcome)

    def close(self, patience_s: float) -> None:
        """Nothing is kept back."""

    def _note(self, claim: Claim, outcome: AnyOutcome) -> None:
        subject = f"job:{claim.key}"
        try:
            if isinstance(outcome, Failed):
                self._told.add(subject)
                event = JobFailed(claim.job_id, claim.key, outcome.error.partition("\n")[0])
                self._notifier.tell(event, subject=subject)
            elif isinstance(outcome, Completed):
                self._refresh()
                if subject in self._told:
                    self._told.discard(subject)
                    self._notifier.clear(subject)
        except StoreError as error:
            # The job's own outcome matters more: it is settled, whoever could not be told.
            log.warning("job %d (%s): nobody could be told: %s", claim.job_id, claim.key, error)

    def _refresh(self) -> None:
        """What other processes told, now and then: they may have failed what succeeds here."""
        now = monotonic()
        if now >= self._refresh_at:
            self._refresh_at = now + _REFRESH_S
            self._told = {notice.subject for notice in self._notifier.told(_MOST)}

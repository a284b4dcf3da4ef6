"""Failed jobs are told where they failed: in the worker, which is where the program's own code may run."""

from __future__ import annotations

import logging
from typing import Any

from windlass.clock import monotonic
from windlass.errors import StoreError
from windlass.events import JobFailed
from windlass.notify.notifier import Notifier
from windlass.outcome import AnyOutcome, Completed, Failed
from windlass.store.protocol import Claim
from windlass.worker.executor import Performer

log = logging.getLogger("windlass.notify")

_REFRESH_S = 5.0
_MOST = 10_000


class TellingPerformer(Performer):
    """Tells ``JobFailed`` when an attempt is the last one, once per job key, until a job of it completes.

    Used only where a callback wants to hear of it: others pay nothing. A job that was killed, for its timeout
    or with its process, had nobody to tell it: the dispatcher logs that.
    """

    def __init__(self, notifier: Notifier, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._notifier = notifier
        self._told: set[str] = set()
        self._refresh_at = 0.0

    def perform(self, claim: Claim) -> AnyOutcome:
        outcome = super().perform(claim)
        self._note(claim, outcome)
        return outcome

    async def aperform(self, claim: Claim) -> AnyOutcome:
        outcome = await super().aperform(claim)
        self._note(claim, outcome)
        return outcome

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

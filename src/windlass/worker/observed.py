"""What stands around attempts: traces, figures of a program's own, and whoever else wants to see them all.

An observer is told when an attempt begins and how it ended, in the thread or task that runs it, so what it
puts into context variables is there while the handler runs. Where there is none, nothing is paid.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from windlass.clock import Clock
from windlass.context import Resources
from windlass.handlers import Registry
from windlass.outcome import AnyOutcome, Failed, Retried
from windlass.redact import describe
from windlass.store.protocol import Claim
from windlass.worker.executor import Performer
from windlass.worker.hooks import Hooks

log = logging.getLogger("windlass.worker")


class Observer(Protocol):
    """Sees attempts. Called by many threads at once; what it raises is logged, and changes nothing."""

    def begin(self, claim: Claim, resources: Resources) -> Any:
        """An attempt is about to run. What this returns is given back to ``end``."""
        ...

    def end(self, begun: Any, claim: Claim, outcome: AnyOutcome, error: BaseException | None) -> None:
        """It is over; ``error`` is what it failed with."""
        ...

    def close(self, patience_s: float) -> None:
        """The process may end after this: what is still to be passed on goes now, so long at most."""
        ...


class ObservedPerformer(Performer):
    """A performer with observers."""

    def __init__(
        self, observers: Sequence[Observer], registry: Registry, resources: Resources, clock: Clock | None,
        hooks: Hooks | None,
    ) -> None:  # fmt: skip
        super().__init__(registry, resources, clock, hooks)
        self._observers = observers
        self._errors: dict[tuple[int, int], BaseException] = {}

    def perform(self, claim: Claim) -> AnyOutcome:
        # What is async passes through aperform, which sees it; and the other way round.
        if self.is_async(claim.key):
            return super().perform(claim)
        begun = self._begin(claim)
        outcome = super().perform(claim)
        self._end(begun, claim, outcome)
        return outcome

    async def aperform(self, claim: Claim) -> AnyOutcome:
        if not self.is_async(claim.key):
            return await super().aperform(claim)
        begun = self._begin(claim)
        outcome = await super().aperform(claim)
        self._end(begun, claim, outcome)
        return outcome

    def close(self, patience_s: float) -> None:
        super().close(patience_s)
        for observer in self._observers:
            try:
                observer.close(patience_s)
            except Exception as error:  # noqa: BLE001 - it is other people's code, and we are leaving
                log.warning("an observer could not be closed: %s", describe(error))

    def _failed(self, claim: Claim, outcome: Failed | Retried, error: BaseException) -> None:
        self._errors[claim.job_id, claim.token] = error
        super()._failed(claim, outcome, error)

    def _begin(self, claim: Claim) -> list[tuple[Observer, Any]]:
        begun: list[tuple[Observer, Any]] = []
        for observer in self._observers:
            try:
                begun.append((observer, observer.begin(claim, self._resources)))
            except Exception as error:  # noqa: BLE001 - the job runs, whoever cannot see it
                log.warning("an observer of job %d failed: %s", claim.job_id, describe(error))
        return begun

    def _end(self, begun: list[tuple[Observer, Any]], claim: Claim, outcome: AnyOutcome) -> None:
        error = self._errors.pop((claim.job_id, claim.token), None)
        for observer, what in reversed(begun):
            try:
                observer.end(what, claim, outcome, error)
            except Exception as trouble:  # noqa: BLE001 - likewise: its outcome is settled as it is
                log.warning("an observer of job %d failed: %s", claim.job_id, describe(trouble))


def make_performer(
    registry: Registry, resources: Resources, clock: Clock | None, observers: Sequence[Observer]
) -> Performer:
    """A performer, with those observers and the error hooks of the program and of installed packages."""
    hooks = Hooks(registry.error_hooks, lambda: resources.store)
    if observers:
        return ObservedPerformer(observers, registry, resources, clock, hooks)
    return Performer(registry, resources, clock, hooks)

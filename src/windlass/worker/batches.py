"""Which jobs go to an executor together: those that were measured to be short.

The way to an executor and back takes a thousand times longer than a short job. So up to 5 ms of measured work
travels as one, and as much again waits behind it; a job whose length is not known travels alone, when a
worker is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future

from windlass.store.protocol import Claim
from windlass.worker.estimate import AHEAD_US, Estimates
from windlass.worker.reference import Came

JOBS_MOST = 64
"""In one batch."""


class Batch:
    """Jobs that an executor has as one piece of work."""

    __slots__ = ("began_ns", "claims", "deadlines", "executor", "future", "within_reach")

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.claims = claims
        self.began_ns = 0
        self.future: Future[Came] | None = None
        self.executor: Executor | None = None
        self.deadlines: dict[int, float] = {}
        """When jobs that can be reached have run for too long (``clock.monotonic``)."""
        self.within_reach = False


class Placing:
    """What is placed in one turn: how many pieces of work it will be."""

    def __init__(self, estimates: Estimates) -> None:
        self._estimates = estimates
        self._single: list[Claim] = []
        self._short: list[Claim] = []
        self._short_us = 0.0

    def __len__(self) -> int:
        return len(self._single) + len(self._short)

    def add(self, claim: Claim) -> None:
        """One more; ``fits`` has said yes."""
        took_us = self._took_us(claim)
        if took_us is None:
            self._single.append(claim)
        else:
            self._short.append(claim)
            self._short_us += took_us

    def fits(self, claim: Claim, *, slots: int, given: int) -> bool:
        """Whether there is room for it in an executor of so many slots, which has so many pieces already."""
        took_us = self._took_us(claim)
        if took_us is None:
            return given + len(self._single) + self._pieces(self._short_us, len(self._short)) < slots
        pieces = self._pieces(self._short_us + took_us, len(self._short) + 1)
        return given + len(self._single) + pieces <= 2 * slots

    def room(self, key: str, *, slots: int, given: int) -> int:
        """At most how many of a key fit."""
        took_us = self._estimates.of(key)
        if took_us is None:
            return max(slots - given, 0)
        return max(2 * slots - given, 0) * max(min(JOBS_MOST, int(AHEAD_US / took_us)), 1)

    def batches(self, *, slots: int, given: int) -> list[Batch]:
        """The pieces of work: over as many workers as are free, and no more of them than it takes."""
        pieces = [Batch([claim]) for claim in self._single]
        if self._short:
            free = slots - given - len(pieces)
            count = min(max(free, self._pieces(self._short_us, len(self._short))), len(self._short))
            pieces += [Batch(self._short[place::count]) for place in range(count)]
        self.clear()
        return pieces

    def clear(self) -> list[Claim]:
        """Forgets what was placed; gives it back."""
        claims = [*self._single, *self._short]
        self._single, self._short, self._short_us = [], [], 0.0
        return claims

    def _took_us(self, claim: Claim) -> float | None:
        # What must start at once, and what must run alone, waits behind nobody.
        if claim.alone or claim.start_by_us is not None:
            return None
        return self._estimates.of(claim.key)

    @staticmethod
    def _pieces(us: float, count: int) -> int:
        return max(-int(-us // AHEAD_US), -(-count // JOBS_MOST))

"""Jobs under a rate: when the next one may start, and how much time it has to do so.

A claim is counted as a start, so its job must start at once. One whose process comes to it too late does not
start: it goes back unspent, and its slot is lost. Where two in a row were late, the next ones get more time,
at the price of fewer slots, until starts come in time again. So a machine that is busy beyond measure starts
fewer, but never too many, and hardly ever none.
"""

from __future__ import annotations

from windlass.clock import Clock, monotonic
from windlass.outcome import AnyOutcome, Released
from windlass.rate import EXTRA_MOST_US
from windlass.store.protocol import Claim, Store

LATE = Released("its slot under the rate was over before it could start")
"""What becomes of a job that comes too late."""
_EXTRA_LEAST_US = 20_000
_NEVER = float("inf")
_YIELD_S = 0.1
"""It comes in far sooner, or went elsewhere."""


def is_late(claim: Claim, clock: Clock) -> bool:
    """True where the job must not start any more."""
    return claim.start_by_us is not None and clock.boot_us() > claim.start_by_us


class Yields:
    """Keeps a pool from putting jobs behind others for a moment, where one under a rate found nobody free.

    Workers that always have the next job already would never be.
    """

    def __init__(self) -> None:
        self._until = 0.0

    def told(self, *, came_in: bool) -> None:
        """A job under a rate came in, or was turned away."""
        self._until = 0.0 if came_in else monotonic() + _YIELD_S

    def __bool__(self) -> bool:
        return self._until > 0.0 and monotonic() < self._until


class Slots:
    """What a dispatcher knows of it."""

    def __init__(self) -> None:
        self.next_at = _NEVER
        """When a job that waits for its slot may start (``clock.monotonic``)."""
        self.extra_us = 0
        self.gives_places = False
        """Others may wait for the place that a job of ours gives back when it ends."""
        self._knows = False
        self._was_late = False

    def heard(self) -> None:
        """Somebody rang: limits may have been set."""
        self._knows = False

    def look(self, store: Store) -> None:
        """Reads what there is of limits, unless nobody has rung."""
        if not self._knows:
            self.gives_places = any(limit.concurrency is not None for limit in store.limits())
            self._knows = True

    def told(self, slot_in_us: int | None, now: float) -> None:
        """A claim has said how long until the next slot."""
        self.next_at = _NEVER if slot_in_us is None else now + slot_in_us / 1_000_000

    def has_come(self, now: float) -> bool:
        """True once, when the slot has come."""
        if now < self.next_at:
            return False
        self.next_at = _NEVER
        return True

    def ended(self, claim: Claim, outcome: AnyOutcome) -> None:
        """An attempt is over."""
        if claim.start_by_us is None:
            return
        again, self._was_late = self._was_late, outcome == LATE
        if not self._was_late:
            self.extra_us -= self.extra_us // 16
        elif again:
            self.extra_us = min(max(2 * self.extra_us, _EXTRA_LEAST_US), EXTRA_MOST_US)

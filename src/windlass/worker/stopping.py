"""How a stop goes: running jobs are told, near the end of their grace the patient ones are interrupted, then
all is over."""

from __future__ import annotations

_CLEANUP_S = 1.0
"""Async handlers are interrupted so long before the end (a quarter of the grace at most), to clean up."""


class Stopping:
    """The moments of one stop. Times are ``clock.monotonic`` seconds."""

    def __init__(self) -> None:
        self.announced = False
        """It will be asked: set on any thread, and in signal handlers, at the moment the order is given."""
        self.asked = False
        self._deadline = float("inf")
        self._interrupt_at = float("inf")

    def ask(self, now: float, grace_s: float) -> bool:
        """Begins, or shortens the grace of a stop that goes on; True where it begins."""
        first = not self.asked
        self.announced = self.asked = True
        deadline = now + max(grace_s, 0.0)
        if deadline < self._deadline:
            self._deadline = deadline
            if self._interrupt_at > now:
                self._interrupt_at = deadline - min(_CLEANUP_S, max(grace_s, 0.0) / 4)
        return first

    def must_interrupt(self, now: float) -> bool:
        """True once, when waiting has had its time."""
        due = now >= self._interrupt_at
        if due:
            self._interrupt_at = float("inf")
        return due

    def is_up(self, now: float) -> bool:
        """The grace is over."""
        return now >= self._deadline

    @property
    def next_moment(self) -> float | None:
        """When something is to be done next."""
        return min(self._deadline, self._interrupt_at) if self.asked else None

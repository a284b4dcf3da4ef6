"""How a pool that cannot tell its jobs apart when it breaks gives a suspect the whole of itself."""

from __future__ import annotations

from windlass.clock import monotonic
from windlass.store.protocol import Claim, Lane

ALONE_MOST_S = 30.0
"""A suspect that has run for this long without harm keeps nobody else waiting."""
_NO_SHOW_S = 0.2


class Alone:
    """Lets the pool run empty for a suspect, for ``patience_s`` seconds at most; then nobody joins it."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._suspect: Claim | None = None
        self._waits = False
        self._waits_no_longer = False
        self._until = 0.0

    def cap(self, lane: Lane, *, held: int, room: int) -> int:
        """How many jobs of the lane may come into a pool that holds so many and has room for so many more."""
        if self._suspect is not None:
            return 0
        if not lane.alone:
            return 0 if self._waits else room
        if not held or self._waits_no_longer:
            return min(room, 1)
        if not self._waits:
            self._waits, self._until = True, monotonic() + self._patience_s
        return 0

    def admits(self, claim: Claim, *, held: int) -> bool:
        """The last word, as several lanes may have been promised the same room."""
        return self._suspect is None and not (claim.alone and held and not self._waits_no_longer)

    def placed(self, claim: Claim) -> None:
        """A job has come in."""
        if claim.alone:
            self._suspect, self._until = claim, monotonic() + ALONE_MOST_S
            self._waits = self._waits_no_longer = False

    def gone(self, claim: Claim) -> None:
        """A job is out again."""
        if self._suspect is claim:
            self._suspect = None

    def tick(self, now: float, *, held: int) -> tuple[bool, float | None]:
        """Has time alone changed what ``cap`` answers; and when will it next?"""
        if self._suspect is None and not self._waits:
            return False, None
        if self._waits and not held:
            # The suspect may have gone elsewhere, or was cancelled.
            self._until = min(self._until, now + _NO_SHOW_S)
        if now < self._until:
            return False, None if self._until == float("inf") else self._until
        self._waits_no_longer = self._waits and bool(held)
        self._suspect, self._waits = None, False
        return True, None

"""When to look: the bell, the log that stirs before its commit is visible, and the slow poll below both."""

from __future__ import annotations

import select
from typing import Literal

from windlass.clock import next_minute
from windlass.store.protocol import Store

_STIR_S = (0.001, 0.5)


class Ear:
    """Turns hints into one question: might there be something new?"""

    def __init__(self, store: Store, poll_s: float, *, kind: Literal["work", "watch"] = "work") -> None:
        self._store = store
        self._bell = store.bell(kind)
        self._poll_s = poll_s
        self._seen = store.version()
        self._stir_s: float | None = None
        self._poll_at = 0.0
        self._poller = select.poll()
        self._poller.register(self._bell.fileno(), select.POLLIN)

    @property
    def next_look(self) -> float:
        """The moment (``clock.monotonic``) of the next look at the version."""
        return self._poll_at

    def fileno(self) -> int:
        """Readable on a ring, or when the log stirs."""
        return self._bell.fileno()

    def heard(self, now: float) -> bool:
        """True where someone rang or the database has changed since the last call."""
        rung = stirred = False
        if self._poller.poll(0):
            rung = self._bell.drain()
            stirred = not rung
        if stirred:
            # The hint comes before the commit can be seen: look soon, then ever later.
            self._stir_s = _STIR_S[0]
            self._poll_at = min(self._poll_at, now + _STIR_S[0])
        if rung:
            # The version is left for the next look: at worst that one finds nothing new.
            self._poll_at = min(self._poll_at, now + _STIR_S[1])
            return True
        if now < self._poll_at and not stirred:
            return False
        version = self._store.version()
        moved = version != self._seen
        self._seen = version
        if moved:
            self._stir_s = None
        self._plan(now)
        return moved

    def note(self) -> None:
        """Takes what is there now for known: before a look that is sure to see it."""
        self._seen = self._store.version()

    def close(self) -> None:
        """Stops listening."""
        self._bell.close()

    def _plan(self, now: float) -> None:
        if self._stir_s is None or self._stir_s > _STIR_S[1]:
            self._stir_s = None
            # Where strangers are heard too, the slow poll only nets what a lost notice would hide.
            self._poll_at = next_minute(now) if self._bell.hears_strangers else now + self._poll_s
        else:
            self._poll_at = now + self._stir_s
            self._stir_s *= 2

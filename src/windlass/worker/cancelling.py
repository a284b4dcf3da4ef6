"""Who of the running jobs is to stop, as the table says: looked at when somebody has written."""

from __future__ import annotations

from windlass.store.protocol import Store
from windlass.worker.pool import Pool

_LOOK_S = 0.05
_NEVER = float("inf")


class Cancelling:
    """Tells the pool what is to stop. Used on the dispatcher's thread alone."""

    def __init__(self, store: Store, pool: Pool) -> None:
        self._store = store
        self._pool = pool
        self._is_due = False
        self._not_before = 0.0

    def heard(self) -> None:
        """Somebody has written: it may have been a cancellation."""
        self._is_due = True

    @property
    def next_look(self) -> float:
        """The moment (``clock.monotonic``) of the next look."""
        return self._not_before if self._is_due else _NEVER

    def look(self, owner: int, now: float) -> None:
        """Asks, where that is due."""
        if now < self.next_look:
            return
        asked = self._store.cancellations(owner) if self._pool.held() else {}
        for job_id, reason in asked.items():
            self._pool.cancel(job_id, reason)
        self._is_due = False
        self._not_before = now + _LOOK_S

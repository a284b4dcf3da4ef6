"""How often a handler's progress leaves its process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from windlass.clock import monotonic
from windlass.store.protocol import Claim

_EVERY_S = 0.02


class ProgressGate:
    """Lets at most fifty notes a second of a job through; the latest always does, if a little late."""

    def __init__(self, send: Callable[[list[Any]], None]) -> None:
        self._send = send
        self._sent: dict[int, float] = {}
        self._kept: dict[int, list[Any]] = {}
        self._lock = threading.Lock()

    def note(self, claim: Claim, progress: str) -> None:
        """One more note."""
        job_id = claim.job_id
        message = ["progress", job_id, claim.token, progress]
        now = monotonic()
        with self._lock:
            if now - self._sent.get(job_id, 0.0) >= _EVERY_S:
                self._sent[job_id] = now
                self._kept.pop(job_id, None)
                self._send(message)
                return
            late = threading.Timer(_EVERY_S, self._release, [job_id]) if job_id not in self._kept else None
            self._kept[job_id] = message
        if late is not None:
            late.daemon = True
            late.start()

    def flush(self, job_id: int) -> None:
        """The job is over: its last note goes out before its result."""
        if job_id in self._sent:
            self._release(job_id)
            del self._sent[job_id]

    def _release(self, job_id: int) -> None:
        with self._lock:
            kept = self._kept.pop(job_id, None)
            if kept is not None:
                self._send(kept)

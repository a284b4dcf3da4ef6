"""What a handler says to people while it runs: on its way to whoever shows it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from windlass.clock import monotonic
from windlass.store.protocol import Claim

NOTICE = "windlass.notice"
"""The message by which it travels: job id, lease token, content, title or None, job key."""
_EVERY_S = 0.05


class Saying:
    """Lets at most twenty messages a second of one attempt through; the latest always does, if a little late,
    and before the attempt's end."""

    def __init__(self, send: Callable[[str, Any], None], claim: Claim) -> None:
        self._send = send
        self._claim = claim
        self._sent_at = 0.0
        self._kept: tuple[str, str | None] | None = None
        self._ended = False
        self._lock = threading.Lock()

    def say(self, content: str, title: str | None) -> None:
        """One more message."""
        with self._lock:
            if self._ended:
                return
            now = monotonic()
            if now - self._sent_at >= _EVERY_S:
                self._kept, self._sent_at = (content, title), now
                self._release()
                return
            is_first, self._kept = self._kept is None, (content, title)
        if is_first:
            late = threading.Timer(_EVERY_S, self._late)
            late.daemon = True
            late.start()

    def end(self) -> None:
        """The attempt is over: its last message goes out now, and no other does."""
        with self._lock:
            self._ended = True
            self._release()

    def _late(self) -> None:
        with self._lock:
            self._sent_at = monotonic()
            self._release()

    def _release(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            claim = self._claim
            self._send(NOTICE, [claim.job_id, claim.token, *kept, claim.key])

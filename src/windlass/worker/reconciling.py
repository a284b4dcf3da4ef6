"""When to compare the jobs that a dispatcher has by its table with those that it holds.

They differ where a commit of unknown outcome gave it some, or where a server that crashed has forgotten what
it was told last: then they run nowhere, and nobody else takes them back while this dispatcher lives.
"""

from __future__ import annotations

from windlass.clock import monotonic

_FORGETS_S = 5.0
"""What a server was told so long ago is on its disk."""


class Reconciling:
    """Times are ``clock.monotonic`` seconds."""

    def __init__(self) -> None:
        self.due = False
        self._done_at = 0.0

    def is_open(self, last_turn: float) -> bool:
        """The last turn may be forgotten after they were compared: a crash need not be seen here."""
        return self._done_at < last_turn + _FORGETS_S

    def ask(self, needed: bool) -> None:
        """They may differ."""
        self.due = self.due or needed

    def done(self) -> None:
        """They were compared."""
        self.due, self._done_at = False, monotonic()

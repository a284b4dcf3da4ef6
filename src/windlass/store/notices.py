"""What was told and is not over: the rows by which one thing is told once. A part of the store's contract."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A subject that was told."""

    subject: str
    event: str
    """The kind of event."""
    fields: str
    """What it says, as JSON."""
    told_at_us: int
    times: int
    """How often it came, the first included; only the first was told."""


class Notices(Protocol):
    """The verbs. All are thread-safe."""

    def open_notice(self, subject: str, event: str, fields: str) -> bool:
        """Opens a notice of the subject; False where there is one, which then counts one more."""
        ...

    def close_notice(self, subject: str) -> bool:
        """Closes it; False where there was none, which costs no write."""
        ...

    def notices(self, limit: int = 50) -> list[Notice]:
        """The open ones, newest first."""
        ...

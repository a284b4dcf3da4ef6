"""The audit log: who did what through the dashboard. A part of the store's contract."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec

AUDITS_KEPT = 100_000
"""The newest ones; what is older goes."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One action, whether or not it succeeded."""

    id: int
    at: datetime
    who: str
    action: str
    """Such as ``jobs.retry``."""
    subject: str | None
    """What it was done to, such as ``7`` or a queue's name."""
    details: dict[str, Any] | None
    outcome: str
    """``ok``, or the code of the error."""


class Audits(Protocol):
    """The verbs. All are thread-safe."""

    def audit(self, who: str, action: str, subject: str | None, details: str | None, outcome: str) -> int:
        """Writes an entry, durably; ``details`` is a JSON object without secrets. The entry's id."""
        ...

    def audits(
        self, *, before: int | None = None, action: str | None = None, who: str | None = None, limit: int = 50
    ) -> list[AuditEntry]:
        """The newest entries with ids below ``before``, newest first."""
        ...

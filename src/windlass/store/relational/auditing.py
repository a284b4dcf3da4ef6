"""The audit log: who did what through the dashboard."""

from __future__ import annotations

from windlass.clock import from_us
from windlass.store.audits import AUDITS_KEPT, AuditEntry
from windlass.store.relational.base import Role
from windlass.store.relational.rows import object_of
from windlass.store.relational.statements import SQL

_LAST_ID = 2**63 - 1


class Auditing(Role):
    """The verbs of ``windlass.store.audits``."""

    def audit(self, who: str, action: str, subject: str | None, details: str | None, outcome: str) -> int:
        with self.database.write(full=True) as connection:
            cursor = connection.execute(
                SQL["audit"], (self.clock.wall_us(), who, action, subject, details, outcome)
            )
            entry = cursor.lastrowid or 0
            connection.execute(SQL["forget_audits"], (entry - AUDITS_KEPT,))
        self.ring("watch")
        return entry

    def audits(
        self, *, before: int | None = None, action: str | None = None, who: str | None = None, limit: int = 50
    ) -> list[AuditEntry]:
        with self.database.read() as connection:
            rows = connection.execute(
                SQL["audits"], (_LAST_ID if before is None else before, action, who, limit)
            ).fetchall()
        return [
            AuditEntry(
                id=row[0], at=from_us(row[1]), who=row[2], action=row[3], subject=row[4],
                details=object_of(row[5]), outcome=row[6],
            )
            for row in rows
        ]  # fmt: skip

"""Notices in the file: a subject is a primary key, so one process alone can open it."""

from __future__ import annotations

from windlass.store.notices import Notice
from windlass.store.relational.base import Role
from windlass.store.relational.statements import SQL


class Noticing(Role):
    """The notifier's verbs."""

    def open_notice(self, subject: str, event: str, fields: str) -> bool:
        with self.database.write(full=True) as connection:
            row = connection.execute(
                SQL["open_notice"], (subject, event, fields, self.clock.wall_us())
            ).fetchone()
        return row[0] == 1

    def close_notice(self, subject: str) -> bool:
        with self.database.read() as connection:
            if connection.execute(SQL["find_notice"], (subject,)).fetchone() is None:
                return False
        with self.database.write(full=True) as connection:
            return connection.execute(SQL["close_notice"], (subject,)).rowcount == 1

    def notices(self, limit: int = 50) -> list[Notice]:
        with self.database.read() as connection:
            rows = connection.execute(SQL["notices"], (limit,)).fetchall()
        return [
            Notice(subject=row[0], event=row[1], fields=row[2], told_at_us=row[3], times=row[4])
            for row in rows
        ]

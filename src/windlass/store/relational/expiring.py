"""Deadlines: found by an index of their own, soonest first."""

from __future__ import annotations

import json

from windlass.outcome import DEADLINE_MISSED
from windlass.store.protocol import Expiry
from windlass.store.relational import flowing, succession
from windlass.store.relational.base import Role
from windlass.store.relational.statements import SQL


class Expiring(Role):
    """The verb of what has run out of time."""

    def expire(self, limit: int = 500) -> Expiry:
        wait_us = self._next_deadline()
        if wait_us is None or wait_us > 0:
            return Expiry(0, 0, wait_us)
        now_us, now = self.now()
        # As durable as a cancellation: who heard that a job has failed must not see it run after a power cut.
        with self.database.write(full=True) as connection:
            rows = connection.execute(SQL["expired"], (now_us, limit)).fetchall()
            failed = [job_id for job_id, status in rows if status == "PENDING"]
            ids = json.dumps([job_id for job_id, _ in rows])
            connection.execute(SQL["expire"], (DEADLINE_MISSED, now_us, now, ids))
            if flowing.any_flow(connection):
                flowing.lament(connection, failed, now)
            succession.ended(connection, failed, now)
        if len(rows) > len(failed):
            self.ring("work")
        return Expiry(len(failed), len(rows) - len(failed), self._next_deadline())

    def _next_deadline(self) -> int | None:
        with self.database.read() as connection:
            row = connection.execute(SQL["next_deadline"]).fetchone()
        # What is no number is no deadline, and sorts behind all that are.
        return max(row[0] - self.clock.wall_us(), 0) if row and isinstance(row[0], int) else None

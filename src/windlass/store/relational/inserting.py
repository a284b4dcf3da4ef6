"""Inserting jobs: plain ones, those that meet others of their unique key, and those that follow others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from windlass.store.protocol import Inserted, NewJob
from windlass.store.relational import flowing
from windlass.store.relational.base import Role
from windlass.store.relational.engine import Connection
from windlass.store.relational.rows import moment
from windlass.store.relational.statements import SQL
from windlass.store.relational.succession import Meeting, deadline_of
from windlass.store.timetable import Instant

_AT_ONCE = (None, None, None)
PLAIN = (None,) * 7
"""What most jobs have of what is seldom wanted."""


class Inserting(Role):
    """What every way to enqueue ends in."""

    def insert_on(self, connection: Connection, jobs: Sequence[NewJob]) -> list[Inserted]:
        """Inserts them inside the transaction of that connection."""
        instant, now = self.moment()
        inserted: list[Inserted] = []

        def put(statement: str, job: NewJob) -> int | None:
            return self._put(connection, statement, job, instant, now)

        for given in jobs:
            bonds = flowing.bonds_of(connection, given, inserted) if given.after or given.follows else None
            job = given if bonds is None else flowing.bound(given, bonds)
            if job.unique is not None:
                done = Meeting(connection, job, put, instant, now, self.keep_still).enqueue()
            else:
                made = self._put(connection, None, job, instant, now)
                done = _kept(connection, job, now) if made is None else Inserted(made, True, now)
            if bonds is not None and done.created:
                done = done._replace(hold=flowing.bind(connection, done.job_id, bonds, now))
            inserted.append(done)
        return inserted

    def keep_still(self, connection: Connection, unique: str) -> None:
        """Sees to it that nobody changes the jobs of that unique key before this transaction is over."""
        del connection, unique  # inside a transaction that writes, nobody else does

    def _put(
        self, connection: Connection, statement: str | None, job: NewJob, instant: Instant, now: str
    ) -> int | None:
        """Inserts a row, by the named statement or that of its kind; None where another is in the way."""
        row, more = self.row_of(job, instant, now)
        if statement is None and more == PLAIN:
            cursor = connection.execute(SQL["insert"], row)
        else:
            cursor = connection.execute(SQL[statement or "insert_more"], (*row, *more))
        return cursor.lastrowid if cursor.rowcount == 1 else None

    def row_of(self, job: NewJob, instant: Instant, now: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The values that every job has, and those that most have not; in the order of the statements."""
        run_at, run_at_boot, boot_id = _due(job, instant)
        row = (
            job.key, job.payload, job.priority, job.max_attempts, now, now, job.queue,
            run_at, run_at_boot, boot_id, job.timeout_us, job.idempotency_key, job.tags, job.meta,
        )  # fmt: skip
        more = (
            job.unique, job.title, job.constraints, deadline_of(job, instant.wall_us),
            job.hold, job.waits_for, job.unique_next,
        )  # fmt: skip
        return row, more


def _due(job: NewJob, instant: Instant) -> tuple[int | None, int | None, str | None]:
    if job.delay_us and job.waits_for:
        # Counted from its release: until then it is kept where no boot is.
        return None, job.delay_us, None
    if job.delay_us:
        return instant.after(job.delay_us)
    if job.run_at_us is not None and job.run_at_us > instant.wall_us:
        return job.run_at_us, None, None
    return _AT_ONCE


def _kept(connection: Connection, job: NewJob, now: str) -> Inserted:
    """The job that has its idempotency key."""
    row = connection.execute(SQL["find_idempotent"], (job.key, job.idempotency_key)).fetchone()
    return Inserted(row[0], False, row[1] if moment(row[1]) else now, "kept")

"""Enqueue: one statement, which commits by itself where it is all there is to do."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from windlass.errors import InvalidJob
from windlass.store.postgres.database import Database
from windlass.store.postgres.dialect import SQL
from windlass.store.postgres.direct import insert_plain
from windlass.store.postgres.faults import is_lost
from windlass.store.postgres.joining import check_connection, identity_of, joined
from windlass.store.postgres.pipelining import lent
from windlass.store.postgres.statements import Statements, statements_on
from windlass.store.protocol import Durability, Inserted, NewJob
from windlass.store.relational.engine import Connection
from windlass.store.relational.inserting import PLAIN, Inserting
from windlass.store.timetable import Instant

_MANY = 3
"""From so many jobs on they go in by ``COPY`` …"""
_STEP = 1000
"""… of at most so many rows at once."""
_PLAIN = 7
"""What follows in a row is seldom wanted."""
_COLUMNS = (
    *("id", "status", "job_key", "payload", "priority", "max_attempts", "created_at", "updated_at", "queue"),
    *("run_at", "run_at_boot", "boot_id", "timeout_us", "idempotency_key", "tags", "meta"),
    *("unique_key", "title", "constraints", "deadline", "hold", "waits_for", "unique_next"),
)
"""As ``row_of`` gives them, behind the first two."""


class Producing(Inserting):
    """The producers' verbs."""

    database: Database

    def insert(
        self, jobs: Sequence[NewJob], *, durability: Durability = "full", connection: Any = None
    ) -> list[Inserted]:
        """See the protocol."""
        if connection is not None:
            return self._insert_inside(connection, jobs)
        full = durability == "full"
        if any(map(_is_bound, jobs)):
            with self.database.write(full=full) as writer:
                inserted = self.insert_on(writer, jobs)
        elif len(jobs) == 1 and full and self.database.commits_alone:
            inserted = self._insert_at_once(jobs)
        else:
            with self.database.transaction(full=full, turn=None) as writer:
                inserted = self.insert_on(writer, jobs)
        # Other processes were told by the insert itself.
        self.database.bells.ring_here()
        return inserted

    def _insert_at_once(self, jobs: Sequence[NewJob]) -> list[Inserted]:
        self.database.refuse_nesting()
        with self.database.alone() as connection:
            try:
                return self._insert_directly(connection.raw, jobs[0]) or self.insert_on(connection, jobs)
            except psycopg.Error as error:
                # Each statement is a transaction: where it was lost, so was the news of its commit.
                if is_lost(error):
                    raise self.database.unknown(error) from error
                raise

    def _insert_directly(self, raw: psycopg.Connection[Any], job: NewJob) -> list[Inserted]:
        """A plain job, on a connection that nobody else has; empty where it has to go the long way."""
        instant, now = self.moment()
        row, more = self.row_of(job, instant, now)
        if more != PLAIN or row[_PLAIN:] != PLAIN:
            return []
        made = insert_plain(raw, row[:_PLAIN])
        return [] if made is None else [Inserted(made, True, now)]

    @contextmanager
    def transaction(self) -> Generator[psycopg.Connection[Any]]:
        """A connection inside a transaction that commits durably at the end.

        It keeps nobody else from writing: what two of these change at once, PostgreSQL puts in order.
        """
        with self.database.transaction(full=True, turn=None) as connection, self.database.inside():
            raw = connection.raw
            with lent(raw):
                yield raw
        self.database.bells.ring_here()

    def check_same(self, connection: Any) -> psycopg.Connection[Any]:
        """Refuses a connection to any other database.

        Raises:
            InvalidJob: it is no connection, cannot be used, or belongs to another database or schema.
        """
        if self.database.owns(connection):
            return connection
        raw = check_connection(connection)
        if identity_of(raw, self.database.name) != self._identity():
            raise InvalidJob(
                f"the connection belongs to {raw.info.dbname} on {raw.info.host or 'the local server'}, and "
                f"the jobs are kept in {self.database.name}: a job can only be enqueued inside a transaction "
                "of its own database and schema"
            )
        return raw

    _identity_known: tuple[int, str] | None = None

    def _identity(self) -> str:
        epoch = self.database.connections.epoch
        if self._identity_known is None or self._identity_known[0] != epoch:
            raw = self.database.connections.take()
            try:
                self._identity_known = epoch, identity_of(raw, self.database.name) or "none"
            finally:
                self.database.connections.give_back(raw)
        return self._identity_known[1]

    def _insert_inside(self, connection: Any, jobs: Sequence[NewJob]) -> list[Inserted]:
        raw = self.check_same(connection)
        apart = len(jobs) > 1 or any(map(_is_bound, jobs))
        with joined(raw, self.database.name, apart=apart):
            return self.insert_on(Statements(raw), jobs)

    def insert_on(self, connection: Connection, jobs: Sequence[NewJob]) -> list[Inserted]:
        ours = statements_on(connection)
        # Nothing streams through a pipeline that a caller has open.
        apart = len(jobs) < _MANY or ours.raw.pgconn.pipeline_status
        if apart or any(job.idempotency_key is not None or _is_bound(job) for job in jobs):
            return super().insert_on(connection, jobs)
        instant, now = self.moment()
        made: list[Inserted] = []
        for first in range(0, len(jobs), _STEP):
            some = jobs[first : first + _STEP]
            ids = [job_id for (job_id,) in ours.run(SQL["new_ids"], (len(some),))]
            values = (self.row_of(job, instant, now) for job in some)
            rows = ((job_id, "PENDING", *row, *more) for job_id, (row, more) in zip(ids, values, strict=True))
            ours.copy("background_service_jobs", _COLUMNS, rows)
            made += [Inserted(job_id, True, now) for job_id in ids]
        return made

    def _put(
        self, connection: Connection, statement: str | None, job: NewJob, instant: Instant, now: str
    ) -> int | None:
        row, more = self.row_of(job, instant, now)
        if statement is None and more == PLAIN and row[_PLAIN:] == PLAIN:
            return statements_on(connection).run(SQL["insert_plain"], row[:_PLAIN]).fetchall()[0][0]
        return super()._put(connection, statement, job, instant, now)

    def keep_still(self, connection: Connection, unique: str) -> None:
        # A caller's own transaction holds no turn: what it builds on, it locks.
        statements_on(connection).run(SQL["keep_still"], {"unique": unique})


def _is_bound(job: NewJob) -> bool:
    """It depends on other jobs."""
    return job.unique is not None or bool(job.after or job.follows)

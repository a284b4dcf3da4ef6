"""Enqueue: one insert, one commit, one ring; and one commit for all who come at once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from windlass.clock import Clock, iso
from windlass.errors import InvalidJob, OutcomeUnknown
from windlass.store.protocol import Durability, Inserted, NewJob
from windlass.store.sqlite.base import Role
from windlass.store.sqlite.connections import LOG_LIMIT
from windlass.store.sqlite.database import Database
from windlass.store.sqlite.faults import translated
from windlass.store.sqlite.statements import SQL


class Producing(Role):
    """The producers' verbs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._mutex = threading.Lock()
        self._waiting: list[_Ticket] = []
        self._led = False

    def insert(
        self, jobs: Sequence[NewJob], *, durability: Durability = "full", connection: Any = None
    ) -> list[Inserted]:
        """See the protocol. Calls that collide share one commit: the first leads, the others follow."""
        if connection is not None:
            if not isinstance(connection, sqlite3.Connection):
                raise InvalidJob(
                    f"expected connection to be a sqlite3.Connection, got {type(connection).__name__}"
                )
            with translated(self.database.path):
                return self._insert_on(connection, jobs)
        ticket = _Ticket(jobs, full=durability == "full")
        with self._mutex:
            self._waiting.append(ticket)
            leads = not self._led
            self._led = True
            if not leads:
                ticket.turn = threading.Lock()
                ticket.turn.acquire()
        if ticket.turn is not None:
            ticket.turn.acquire()
            leads = ticket.leads
        if leads:
            self._lead()
            self.bells.ring()
            # With no service to do it, or one that is behind, the log is ours to move.
            if self.database.log_bytes_seen > (4 * LOG_LIMIT if self.bells.has_worker else LOG_LIMIT):
                self.database.checkpoint(force=False)
        if ticket.error is not None:
            raise ticket.error
        return ticket.inserted

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """A connection inside a write transaction that commits durably at the end."""
        with self.database.write(full=True) as connection:
            yield connection
        self.bells.ring()

    def _lead(self) -> None:
        with self._mutex:
            tickets, self._waiting = self._waiting, []
        try:
            with self.database.write(full=any(ticket.full for ticket in tickets)) as connection:
                for ticket in tickets:
                    ticket.inserted = self._insert_on(connection, ticket.jobs)
        except Exception as error:
            for ticket in tickets:
                # One instance each: they are raised, with tracebacks of their own, on several threads.
                ticket.error = type(error)(*error.args)
                ticket.error.__cause__ = error
        except BaseException:
            for ticket in tickets:
                ticket.error = OutcomeUnknown(
                    "the thread that committed for others was interrupted: it may be kept"
                )
            raise
        finally:
            self._hand_over(tickets)

    def _hand_over(self, served: list[_Ticket]) -> None:
        with self._mutex:
            successor = self._waiting[0] if self._waiting else None
            self._led = successor is not None
            if successor is not None:
                successor.leads = True
        for ticket in served:
            if ticket.turn is not None and not ticket.leads:
                ticket.turn.release()
        if successor is not None and successor.turn is not None:
            successor.turn.release()

    def _insert_on(self, connection: sqlite3.Connection, jobs: Sequence[NewJob]) -> list[Inserted]:
        now_us, now = self.now()
        inserted: list[Inserted] = []
        statement = SQL["insert"]
        execute = connection.execute
        for job in jobs:
            run_at, run_at_boot, boot_id = self._due(job, now_us)
            cursor = execute(
                statement,
                (job.key, job.payload, job.priority, job.max_attempts, now, now, job.queue,
                 run_at, run_at_boot, boot_id, job.timeout_us, job.idempotency_key, job.tags, job.meta),
            )  # fmt: skip
            if cursor.rowcount == 1:
                inserted.append(Inserted(cursor.lastrowid or 0, True, now))
            else:
                row = execute(SQL["find_idempotent"], (job.key, job.idempotency_key)).fetchone()
                inserted.append(Inserted(row[0], False, row[1] or iso(now_us)))
        return inserted

    def _due(self, job: NewJob, now_us: int) -> tuple[int | None, int | None, str | None]:
        if job.delay_us:
            return now_us + job.delay_us, self.clock.boot_us() + job.delay_us, self.clock.boot_id()
        if job.run_at_us is not None and job.run_at_us > now_us:
            return job.run_at_us, None, None
        return None, None, None


class _Ticket:
    """One caller's jobs on their way into a shared commit."""

    __slots__ = ("error", "full", "inserted", "jobs", "leads", "turn")

    def __init__(self, jobs: Sequence[NewJob], *, full: bool) -> None:
        self.jobs = jobs
        self.full = full
        self.turn: threading.Lock | None = None
        self.leads = False
        self.inserted: list[Inserted] = []
        self.error: Exception | None = None

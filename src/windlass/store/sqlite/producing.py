"""Enqueue: one insert, one commit, one ring; and one commit for all who come at once."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from windlass.clock import Clock, sleep, stopwatch_ns
from windlass.errors import OutcomeUnknown, StoreError
from windlass.store.protocol import Durability, Inserted, NewJob
from windlass.store.relational.engine import Connection
from windlass.store.relational.inserting import Inserting
from windlass.store.sqlite.connections import LOG_LIMIT
from windlass.store.sqlite.database import Database
from windlass.store.sqlite.joining import check_file, joined
from windlass.store.sqlite.sealing import Sealer

log = logging.getLogger("windlass.store")

_COMMIT_BYTES = 12_500
"""What one small enqueue adds to the log: a page of the table, of its sequence, and of the ready index."""
_ROW_BYTES = 300
"""What one more row of a commit adds, beside its payload …"""
_LONG, _LONG_BYTES = 2000, 4500
"""… and one whose payload is this long, because it needs a page of its own."""
_PATIENCE, _PATIENCE_NS = 4, 1_000_000
"""A leader waits for company for this part of a commit's time, and never for longer than a millisecond."""
_COMPANY_NAP_S = 0.00005


class Producing(Inserting):
    """The producers' verbs."""

    database: Database

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._mutex = threading.Lock()
        self._waiting: list[_Ticket] = []
        self._led = False
        self._crowd = 1
        """How many callers came together the last time: those served by one commit, and those who waited for
        the next."""
        self._commit_ns = 0
        """How long the last shared commit took, in nanoseconds."""
        self._sealer = Sealer(database)
        self._written = 0

    def insert(
        self, jobs: Sequence[NewJob], *, durability: Durability = "full", connection: Any = None
    ) -> list[Inserted]:
        """See the protocol. Calls that collide share one commit: the first leads, the others follow."""
        self.database.refuse_fork()
        if connection is not None:
            return self._insert_inside(connection, jobs)
        full = durability == "full"
        with self._mutex:
            company = None
            if self._led or self._crowd > 1:
                company = _Ticket(jobs, full=full, leads=not self._led)
                self._waiting.append(company)
            self._led = True
        if company is not None:
            return self._insert_together(company)
        try:
            with self.database.write(full=full) as writer:
                inserted = self.insert_on(writer, jobs)
        finally:
            self._hand_over()
        self._after_commit(full=full)
        return inserted

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """A connection inside a write transaction that commits durably at the end."""
        with self.database.write(full=True) as connection:
            try:
                yield connection
            finally:
                # The connection is the store's own: what the block set on it ends with it.
                connection.row_factory, connection.text_factory = None, str
        self.database.bells.ring()

    def _insert_inside(self, connection: Any, jobs: Sequence[NewJob]) -> list[Inserted]:
        if not self.database.owns(connection):
            check_file(connection, self.database.path)
        apart = len(jobs) > 1 or bool(jobs[0].after or jobs[0].unique)
        with joined(connection, self.database.path, apart=apart):
            return self.insert_on(connection, jobs)

    def _insert_together(self, ticket: _Ticket) -> list[Inserted]:
        self._wait_for_turn(ticket)
        if ticket.leads:
            self._lead(ticket)
            self._after_commit(full=ticket.full)
        if ticket.error is not None:
            raise ticket.error
        return ticket.inserted

    def _wait_for_turn(self, ticket: _Ticket) -> None:
        """Waits until another thread has committed for this one, or has left it to lead the next ones."""
        if self.database.is_writing_here():
            # The leader waits for this very thread's transaction: neither would ever go on.
            self._withdraw(ticket)
            self.database.refuse_nesting()
        try:
            ticket.turn.acquire()
        except BaseException:
            self._withdraw(ticket)
            raise

    def _withdraw(self, ticket: _Ticket) -> None:
        self._forget(ticket)
        if ticket.leads:
            self._hand_over()

    def _forget(self, ticket: _Ticket) -> None:
        with self._mutex:
            if ticket in self._waiting:
                self._waiting.remove(ticket)

    def _lead(self, own: _Ticket) -> None:
        tickets = [own]
        try:
            self._wait_for_company()
            with self._mutex:
                tickets, self._waiting = self._waiting, []
            begun_ns = stopwatch_ns()
            self._commit(tickets)
            self._commit_ns = stopwatch_ns() - begun_ns
        except BaseException:
            self._forget(own)
            for ticket in tickets:
                ticket.error = ticket.error or OutcomeUnknown(
                    "the thread that committed for others was interrupted: the jobs may or may not be kept; "
                    "retry with the same idempotency key"
                )
            raise
        finally:
            self._hand_over(tickets)

    def _wait_for_company(self) -> None:
        """Whoever was served by the last commit is likely to be back at once: better one commit for all than
        two for half of them each. Waits for a fraction of what a commit takes."""
        patience_ns = min(self._commit_ns // _PATIENCE, _PATIENCE_NS)
        begun_ns = stopwatch_ns()
        while len(self._waiting) < self._crowd and stopwatch_ns() - begun_ns < patience_ns:
            sleep(_COMPANY_NAP_S)

    def _commit(self, tickets: Sequence[_Ticket]) -> None:
        try:
            with self.database.write(full=any(ticket.full for ticket in tickets)) as connection:
                results = [self.insert_on(connection, ticket.jobs) for ticket in tickets]
        except StoreError as error:
            for ticket in tickets:
                # One instance each: they are raised, with tracebacks of their own, on several threads.
                ticket.error = type(error)(*error.args)
                ticket.error.__cause__ = error
            return
        except Exception as error:  # noqa: BLE001 - raised on the thread of the caller it belongs to
            if len(tickets) == 1:
                tickets[0].error = error
                return
            for ticket in tickets:
                # One of them holds what the database refuses: each alone, so that only that one fails.
                self._commit([ticket])
            return
        for ticket, inserted in zip(tickets, results, strict=True):
            ticket.inserted = inserted

    def _hand_over(self, served: Sequence[_Ticket] = ()) -> None:
        with self._mutex:
            successor = self._waiting[0] if self._waiting else None
            self._crowd = max(len(served), 1) + len(self._waiting)
            self._led = successor is not None
            if successor is not None:
                successor.leads = True
        for ticket in served:
            if not ticket.leads:
                ticket.turn.release()
        if successor is not None:
            successor.turn.release()

    def _after_commit(self, *, full: bool) -> None:
        self.database.bells.ring()
        if not full:
            self._sealer.soon()
        # With no service to do it, or one that is behind, the log is ours to move: just before it would grow,
        # because a commit that extends the file takes twice as long as one that writes in it.
        self._written += _COMMIT_BYTES
        limit = 4 * LOG_LIMIT if self.database.bells.has_worker else LOG_LIMIT
        if self._written > limit or self.database.log_bytes_seen > limit:
            self._written = 0
            try:
                self.database.checkpoint(force=not self.database.bells.has_worker)
            except StoreError as error:
                # The jobs are committed: their caller must not be told otherwise.
                log.warning("the log could not be copied into the database: %s", error)

    def insert_on(self, connection: Connection, jobs: Sequence[NewJob]) -> list[Inserted]:
        for job in jobs:
            size = len(job.payload or "")
            self._written += _ROW_BYTES + (size if size < _LONG else size + _LONG_BYTES)
        return super().insert_on(connection, jobs)


class _Ticket:
    """One caller's jobs on their way into a shared commit."""

    __slots__ = ("error", "full", "inserted", "jobs", "leads", "turn")

    def __init__(self, jobs: Sequence[NewJob], *, full: bool, leads: bool) -> None:
        self.jobs = jobs
        self.full = full
        self.turn = threading.Lock()
        if not leads:
            self.turn.acquire()
        self.leads = leads
        self.inserted: list[Inserted] = []
        self.error: Exception | None = None

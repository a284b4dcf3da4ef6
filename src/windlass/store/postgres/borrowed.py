"""The store on a psycopg connection that a program already has: as ``store/sqlite/borrowed.py``.

It reads what that connection sees, and writes inside its transaction where one is open. Who only looks on
does so on connections of its own.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from windlass.clock import Clock
from windlass.store.postgres.connections import Connections
from windlass.store.postgres.database import Database, Turn
from windlass.store.postgres.doorbell import Bells
from windlass.store.postgres.faults import translated
from windlass.store.postgres.joining import check_connection, joined, kept
from windlass.store.postgres.listener import channel
from windlass.store.postgres.location import Location
from windlass.store.postgres.statements import Statements
from windlass.store.postgres.store import PostgresStore
from windlass.store.postgres.timing import clock_on, machine_of


class BorrowedPostgresStore(PostgresStore):
    """Jobs through a caller's connection: what the job manager asks, and ``insert``."""

    def __init__(self, connection: Any, clock: Clock | None = None) -> None:
        raw = check_connection(connection)
        # Not the constructor in between, which makes a database with connections of its own.
        database = BorrowedDatabase(raw)
        super(PostgresStore, self).__init__(database, clock_on(database.connections, clock))
        self._apart: PostgresStore | None = None

    @property
    def borrowed(self) -> bool:
        """True: it works on the caller's connection, on the caller's thread."""
        return True

    def apart(self) -> PostgresStore:
        if self._apart is None:
            self._apart = PostgresStore(self.database.location, machine_of(self.clock))
        return self._apart

    def close(self) -> None:
        """Closes what was opened beside the caller's connection, which stays open."""
        super().close()
        if self._apart is not None:
            self._apart.close()


class BorrowedBells(Bells):
    """Rings by the caller's connection: inside a transaction that is when it commits."""

    def __init__(self, connections: Connections, raw: psycopg.Connection[Any]) -> None:
        super().__init__(connections)
        self._raw = raw

    def tell(self, word: str) -> None:
        raw = self._raw
        idle = raw.pgconn.transaction_status == TransactionStatus.IDLE
        with translated(self._connections.name):
            raw.execute("SELECT pg_notify(%s, %s)", (channel(self._connections), word))
            if idle and not raw.autocommit:
                raw.commit()

    def start_telling(self) -> None:
        """At once: the connection may be bound to this thread."""
        while self.tell_all():
            pass


class BorrowedDatabase(Database):
    """The caller's connection in the place of ours. What it opens beside it has the same login."""

    is_own = False

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        info = raw.info
        conninfo = make_conninfo(info.dsn, password=info.password or None)
        super().__init__(Location(conninfo, info.dsn))
        self._raw = raw
        with kept(raw, self.name):
            self.connections.learn(raw)
            self.connections.timing.measure(raw)
        self.bells = BorrowedBells(self.connections, raw)

    def owns(self, connection: object) -> bool:
        return connection is self._raw or super().owns(connection)

    @property
    def commits_alone(self) -> bool:
        """Not known: the caller's own settings decide."""
        return False

    def _keep_time(self) -> None:
        if self.connections.timing.is_old:
            self.connections.timing.measure(self._raw)

    @contextmanager
    def read(self) -> Generator[Statements]:
        """A connection on which each statement sees what its transaction sees."""
        with kept(self._raw, self.name):
            self._keep_time()
            yield Statements(self._raw)

    @contextmanager
    def transaction(self, *, full: bool, turn: Turn | None) -> Generator[Statements]:
        """Joins the caller's transaction, or makes one; in the caller's, its own settings decide."""
        raw = self._raw
        if raw.pgconn.transaction_status != TransactionStatus.IDLE:
            with joined(raw, self.name, apart=True):
                self._keep_time()
                yield Statements(raw)
            return
        try:
            with kept(raw, self.name):
                self.begin_on(raw, full=full, turn=turn)
                self._keep_time()
                yield Statements(raw)
                self.check_open(raw)
                self.commit(raw)
        except BaseException:
            self.undo(raw)
            raise

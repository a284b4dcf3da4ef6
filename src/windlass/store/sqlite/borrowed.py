"""The store on a connection that a program already has: reads what that connection sees, writes inside its
transaction where one is open.

Everything happens on the caller's thread, since the connection may be bound to it. Who only looks on, such as
``watch``, does so on connections of its own: a program's open transaction would show it nothing new.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from windlass.clock import Clock, SystemClock
from windlass.errors import ConfigError, StoreUnavailable
from windlass.store.protocol import WalState
from windlass.store.sqlite.database import Database
from windlass.store.sqlite.faults import translated
from windlass.store.sqlite.joining import file_of, joined, plain
from windlass.store.sqlite.migrate import vet
from windlass.store.sqlite.producing import Producing
from windlass.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from windlass.store.ledger import Ledger


class BorrowedStore(SqliteStore):
    """Jobs through a caller's connection: what the job manager asks, and ``insert``."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock | None = None) -> None:
        path = file_of(connection)
        if not path:
            raise ConfigError("expected a connection to a database file: jobs in memory would not survive")
        # Not the constructor in between, which makes a database with connections of its own.
        Producing.__init__(self, BorrowedDatabase(path, connection), clock or SystemClock())
        self._apart: SqliteStore | None = None

    @property
    def borrowed(self) -> bool:
        """True: it works on the caller's connection, on the caller's thread."""
        return True

    def apart(self) -> SqliteStore:
        if self._apart is None:
            self._apart = SqliteStore(self.path, self.clock)
        return self._apart

    @property
    def ledger(self) -> Ledger:
        """The ledger of that file, on connections of its own."""
        return self.apart().ledger

    def close(self) -> None:
        """Closes what was opened beside the caller's connection, which stays open."""
        super().close()
        if self._apart is not None:
            self._apart.close()


class BorrowedDatabase(Database):
    """The caller's connection in the place of ours."""

    def __init__(self, path: str, connection: sqlite3.Connection) -> None:
        super().__init__(path)
        self._connection = connection
        with plain(connection), translated(path):
            # The first read opens the log, so that there is one to identify.
            vet(connection)
        self._identity = self._identify()
        self._inode_in_use = self._identity[2] if self._identity else 0

    def owns(self, connection: sqlite3.Connection) -> bool:
        return connection is self._connection or super().owns(connection)

    @contextmanager
    def read(self) -> Generator[sqlite3.Connection]:
        self.refuse_fork()
        with plain(self._connection), translated(self.path):
            yield self._connection

    @contextmanager
    def write(self, *, full: bool) -> Generator[sqlite3.Connection]:
        """Joins the caller's transaction, or makes one; either way the caller's ``synchronous`` decides."""
        del full
        self.refuse_fork()
        if self._connection.in_transaction:
            with joined(self._connection, self.path, apart=True):
                yield self._connection
            return
        with plain(self._connection):
            self.begin(self._connection)
            try:
                with translated(self.path):
                    yield self._connection
            except BaseException:
                self._undo(self._connection)
                raise
            self.commit(self._connection)

    def checkpoint(self, *, force: bool) -> WalState:
        """Refuses when forced: that takes connections of its own."""
        if force:
            raise StoreUnavailable(f"{self.path}: a log cannot be copied through a borrowed connection")
        return WalState(0, blocked=False)

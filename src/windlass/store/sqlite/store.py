"""The store in one SQLite file: its roles put together."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from windlass.clock import Clock, SystemClock
from windlass.errors import StoreUnavailable, UnsafeDatabase
from windlass.store.place import Place
from windlass.store.protocol import Settlement
from windlass.store.relational.auditing import Auditing
from windlass.store.relational.dispatching import Dispatching
from windlass.store.relational.expiring import Expiring
from windlass.store.relational.flowing import Flowing
from windlass.store.relational.keeping import Keeping
from windlass.store.relational.limiting import Limiting
from windlass.store.relational.listing import Listing
from windlass.store.relational.managing import Managing
from windlass.store.relational.noticing import Noticing
from windlass.store.relational.scheduling import Scheduling
from windlass.store.relational.suggesting import Suggesting
from windlass.store.relational.tallying import Tallying
from windlass.store.sqlite import migrate
from windlass.store.sqlite.database import Database
from windlass.store.sqlite.doorbell import FifoBell
from windlass.store.sqlite.faults import translated
from windlass.store.sqlite.inspecting import waiting_migrations
from windlass.store.sqlite.joining import check_file, joined
from windlass.store.sqlite.mending import Mending
from windlass.store.sqlite.producing import Producing

if TYPE_CHECKING:
    from windlass.store.ledger import Ledger
    from windlass.store.migration import Migration
    from windlass.store.relational.sides import Side

QUICK_CHECK_BYTES = 256 * 1024 * 1024
"""Up to this size a starting service checks the whole file; beyond it, ``windlass doctor`` does."""
_OPCODES_BETWEEN_LOOKS = 10_000


class SqliteStore(
    Mending,
    Producing,
    Scheduling,
    Dispatching,
    Keeping,
    Expiring,
    Managing,
    Tallying,
    Flowing,
    Limiting,
    Noticing,
    Auditing,
    Listing,
    Suggesting,
):
    """Jobs in one SQLite file. Thread-safe. Opened at the first use; see the protocol for the verbs."""

    def __init__(
        self, path: str | os.PathLike[str], clock: Clock | None = None, *, busy_timeout_s: float = 10.0
    ) -> None:
        database = Database(path, busy_timeout_s=busy_timeout_s, vet=migrate.vet)
        super().__init__(database, clock or SystemClock())

    @property
    def path(self) -> str:
        """The database file, absolute."""
        return self.database.path

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.path, self.path, True)

    @property
    def borrowed(self) -> bool:
        """False: it works on connections of its own, on any thread."""
        return False

    def apart(self) -> SqliteStore:
        return self

    @property
    def ledger(self) -> Ledger:
        """Sync's ledger of this file, on this store's connections."""
        ledger = self._ledger
        if ledger is None:
            from windlass.store.relational.ledger.ledger import RelationalLedger
            from windlass.store.sqlite.ledger.ground import SqliteGround

            ledger = self._ledger = RelationalLedger(
                SqliteGround(self.database), self.clock, self.database.bells
            )
        return ledger

    _ledger: Ledger | None = None

    def side(self) -> Side:
        """What a move to another database asks of it."""
        from windlass.store.relational.sides import Side
        from windlass.store.sqlite.moving import SqliteMovable

        return Side(self.database, SqliteMovable(), self.path, self.instant)

    def version(self) -> int:
        return self.database.version()

    def bell(self, kind: Literal["work", "watch"]) -> FifoBell:
        return self.database.bells.listen(kind, self.path + "-wal", self.database.version)

    def connect(self) -> sqlite3.Connection:
        return self.database.connect()

    def disconnect(self, connection: sqlite3.Connection) -> None:
        """Closes a connection that ``connect`` gave."""
        self.database.release(connection)

    def begin(self, connection: sqlite3.Connection) -> None:
        """Takes the write lock on a connection that ``connect`` gave."""
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            self.database.begin(connection)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(self.database.busy_timeout_s * 1000)}")

    def commit(self, connection: sqlite3.Connection) -> None:
        """Commits it durably, and says so only if the log is the one that others read; then rings."""
        self.database.commit(connection)
        self.database.bells.ring()

    def is_inside(self, connection: sqlite3.Connection) -> bool:
        """A transaction is open on it."""
        return connection.in_transaction

    def heed(self, connection: sqlite3.Connection, over: Callable[[], bool] | None) -> None:
        # Rather than interrupt(): that would also hit the roll-back for as long as a cursor is open.
        connection.set_progress_handler(over, _OPCODES_BETWEEN_LOOKS if over else 0)

    def stop(self, connection: sqlite3.Connection) -> None:
        # Were it rolled back first, the handler's next statement would commit by itself, without the others.
        connection.execute("PRAGMA query_only = ON")
        connection.rollback()

    def complete_on(self, connection: sqlite3.Connection, settlement: Settlement) -> bool:
        if self.database.owns(connection):
            return super().complete_on(connection, settlement)
        check_file(connection, self.path)
        with joined(connection, self.path, apart=True):
            return super().complete_on(connection, settlement)

    def migrate(self) -> list[str]:
        return migrate.migrate(self.database)

    def waiting_migrations(self) -> list[Migration]:
        """Those that the file still lacks: all where there is no file. Creates and changes nothing."""
        return waiting_migrations(self.path)

    def quick_check(self) -> None:
        """Reads the whole file.

        Raises:
            UnsafeDatabase: it is damaged.
        """
        with self.database.read() as connection:
            found: list[tuple[str]] = connection.execute("PRAGMA quick_check(3)").fetchall()
        if found != [("ok",)]:
            told = "; ".join(row[0] for row in found)
            raise UnsafeDatabase(
                f"{self.path} is damaged ({told}): nothing was changed; restore a backup with "
                "windlass restore"
            )

    def backup(self, target: str) -> None:
        """Writes a consistent copy to a new file, readable by its owner alone, while everything runs."""
        if os.path.exists(target):
            raise StoreUnavailable(f"{target} exists: name a new file")
        # A name of its own: what a killed backup left must not stand in the way of the next.
        partial = f"{target}.{secrets.token_hex(4)}.part"
        try:
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with self.database.read() as connection, translated(target):
                connection.execute("VACUUM INTO ?", (partial,))
            _sync(partial, os.O_RDWR)
            os.rename(partial, target)
            if os.name == "posix":
                _sync(os.path.dirname(os.path.abspath(target)), os.O_RDONLY)
        except OSError as error:
            raise StoreUnavailable(
                f"{target} cannot be written ({error.strerror}): check the folder and free space"
            ) from error
        finally:
            if os.path.exists(partial):
                os.unlink(partial)

    def close(self) -> None:
        self._sealer.finish()
        self.database.bells.close()
        self.database.reset()


def _sync(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

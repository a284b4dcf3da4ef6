"""The store in a PostgreSQL database: its roles put together."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import psycopg
from psycopg.pq import TransactionStatus

from windlass.clock import Clock
from windlass.errors import StoreError, StoreUnavailable
from windlass.store.migration import Migration
from windlass.store.place import Place
from windlass.store.postgres import migrate
from windlass.store.postgres.database import Database
from windlass.store.postgres.dispatching import Dispatching
from windlass.store.postgres.doorbell import PipeBell
from windlass.store.postgres.faults import translated
from windlass.store.postgres.joining import joined
from windlass.store.postgres.location import Location, locate
from windlass.store.postgres.producing import Producing
from windlass.store.postgres.pulsing import Pulsing
from windlass.store.postgres.retrying import tried_again
from windlass.store.postgres.statements import statements_on
from windlass.store.postgres.timing import ServerClock, clock_on, machine_of
from windlass.store.protocol import ProgressNote, Settlement
from windlass.store.relational.auditing import Auditing
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
from windlass.store.timetable import Instant

if TYPE_CHECKING:
    from windlass.store.ledger import Ledger
    from windlass.store.relational.sides import Side


@tried_again
class PostgresStore(
    Pulsing,
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
    """Jobs in one schema of a PostgreSQL database. Thread-safe. Connects at the first use."""

    def __init__(
        self, url: str | Location, clock: Clock | None = None, *, lock_timeout_s: float = 10.0
    ) -> None:
        location = url if isinstance(url, Location) else locate(url)
        database = Database(location, lock_timeout_s=lock_timeout_s)
        super().__init__(database, clock_on(database.connections, clock))

    @property
    def name(self) -> str:
        """The database, for people: without a password."""
        return self.database.name

    @property
    def path(self) -> str:
        """A place of this user's own for what belongs to this database on this machine. No file."""
        return self.database.location.path

    @property
    def place(self) -> Place:
        """Where the database is, and the folder of this machine that goes with it."""
        return Place(self.name, self.path, is_file=False)

    @property
    def borrowed(self) -> bool:
        """False: it works on connections of its own, on any thread."""
        return False

    def apart(self) -> PostgresStore:
        return self

    @property
    def ledger(self) -> Ledger:
        """Sync's ledger of this schema, on this store's connections."""
        ledger = self._ledger
        if ledger is None:
            from windlass.store.postgres.ledger.ground import PostgresGround
            from windlass.store.postgres.ledger.ledger import PostgresLedger

            ledger = self._ledger = PostgresLedger(
                PostgresGround(self.database, self.check_same), self.clock, self.database.bells
            )
        return ledger

    _ledger: Ledger | None = None

    def side(self) -> Side:
        """What a move to or from another database asks of it."""
        from windlass.store.postgres.moving import PostgresMovable
        from windlass.store.relational.sides import Side

        return Side(self.database, PostgresMovable(), self.name, self.instant)

    def version(self) -> int:
        return self.database.version()

    def bell(self, kind: Literal["work", "watch"]) -> PipeBell:
        return self.database.bells.listen(kind)

    # ── time ───────────────────────────────────────────────────────────────────────────────────
    def instant(self) -> Instant:
        clock = self.clock
        # A clock that a test moves is one machine's, with its boots.
        return Instant.of_all(clock.wall_us()) if isinstance(clock, ServerClock) else Instant.now(clock)

    def of_rows(self, wall_us: int) -> int:
        return wall_us + self._ahead_us()

    def of_machine(self, wall_us: int) -> int:
        return wall_us - self._ahead_us()

    def _ahead_us(self) -> int:
        """So far the clock that rows go by is ahead of this machine's wall clock."""
        return self.clock.wall_us() - machine_of(self.clock).wall_us()

    # ── connections of a handler's own ─────────────────────────────────────────────────────────
    def connect(self) -> psycopg.Connection[Any]:
        """A new connection for a handler's own reading and writing: it commits when it is told to."""
        return self.database.connections.open(autocommit=False)

    def disconnect(self, connection: psycopg.Connection[Any]) -> None:
        """Closes a connection that ``connect`` gave; what it did not commit is rolled back."""
        connection.close()

    def begin(self, connection: psycopg.Connection[Any]) -> None:
        """Begins a durable transaction. Nobody else is kept from writing by it."""
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            raise StoreError(
                "the connection is inside a transaction: commit it, or roll it back, before this one"
            )
        with translated(self.name):
            self.database.begin_on(connection, full=True)

    def commit(self, connection: psycopg.Connection[Any]) -> None:
        """Commits what ``begin`` began, durably; then rings."""
        self.database.check_open(connection)
        self.database.commit(connection)
        self.database.bells.ring()

    def is_inside(self, connection: psycopg.Connection[Any]) -> bool:
        """A transaction is open on it."""
        return connection.pgconn.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)

    def heed(self, connection: psycopg.Connection[Any], over: Callable[[], bool] | None) -> None:
        """Nothing to do: a statement is ended by ``stop`` itself."""

    def stop(self, connection: psycopg.Connection[Any]) -> None:
        # The server ends the statement, finds nobody there, and rolls back: no COMMIT can reach it.
        try:
            connection.cancel_safe(timeout=1.0)
        finally:
            with socket.socket(fileno=os.dup(connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)

    def progress_on(self, connection: Any, note: ProgressNote) -> None:
        super().progress_on(statements_on(connection), note)

    def complete_on(self, connection: Any, settlement: Settlement) -> bool:
        raw = self.check_same(connection)
        with joined(raw, self.name, apart=True):
            # First the turn, then the row, as everybody does: else two might wait for one another.
            # A host that vanishes before the commit holds up others no longer than one that is in a turn.
            raw.execute(self.database.turn_inside("shared"))  # pyright: ignore[reportArgumentType,reportCallIssue]
            return super().complete_on(statements_on(raw), settlement)

    # ── around ─────────────────────────────────────────────────────────────────────────────────
    def migrate(self) -> list[str]:
        return migrate.migrate(self.database)

    def waiting_migrations(self) -> list[Migration]:
        """Those that the database still lacks. Changes nothing."""
        with self.database.read() as connection:
            return migrate.pending(connection, self.name, migrate.migrations())

    def quick_check(self) -> None:
        """Asks whether the database answers; the server itself watches over its pages.

        Raises:
            StoreUnavailable: it does not.
        """
        with self.database.read() as connection:
            connection.execute("SELECT 1")

    def backup(self, target: str) -> NoReturn:
        """Says how: PostgreSQL has tools of its own for this, which know roles, extensions and archives.

        Raises:
            StoreUnavailable: always.
        """
        raise StoreUnavailable(
            f"{self.name} is backed up by PostgreSQL's own tools, also while everything runs: "
            f'pg_dump --format=custom --file="{target}" "{self.name}"'
        )

    def close(self) -> None:
        self.database.close()

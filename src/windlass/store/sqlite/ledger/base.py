"""What the parts of the ledger share: the file, a clock, the bells, and what is known of a resource."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from windlass.change import Table
from windlass.clock import Clock
from windlass.errors import ConfigError, LostHold
from windlass.store.ledger import Hold, PullState
from windlass.store.sqlite.database import Database
from windlass.store.sqlite.doorbell import Bells
from windlass.store.sqlite.ledger.statements import SQL
from windlass.store.sqlite.ledger.tables import UserTable, user_table


class Resource(NamedTuple):
    """A row of ``windlass_sync_resources``."""

    id: int
    table_name: str
    definition: str
    known_columns: str
    ids: str
    fence: int
    paused: int
    captured_at: int | None
    state_text: str | None

    @property
    def user_table(self) -> UserTable:
        """Its table, as it was installed."""
        return user_table(self.definition, self.known_columns)

    @property
    def table(self) -> Table:
        """The same, as a value."""
        return self.user_table.table

    @property
    def state(self) -> PullState:
        """How far its pull has come."""
        return (
            PullState() if self.state_text is None else msgspec.json.decode(self.state_text, type=PullState)
        )


class LedgerRole:
    """One part of the ledger."""

    def __init__(self, database: Database, clock: Clock, bells: Bells) -> None:
        self.database = database
        self.clock = clock
        self.bells = bells

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """One moment of the database: what is read in here belongs together."""
        with self.database.read() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    def resource(self, connection: sqlite3.Connection, name: str) -> Resource:
        """What is known of a resource.

        Raises:
            ConfigError: it is not installed.
        """
        found = self.find(connection, name)
        if found is None:
            raise ConfigError(
                f"no resource called {name!r} is installed in {self.database.path}: declare it, and let its "
                "app start once"
            )
        return found

    def held_by(self, connection: sqlite3.Connection, hold: Hold) -> Resource:
        """The resource that is held.

        Raises:
            LostHold: another holder has taken over.
        """
        found = self.resource(connection, hold.resource)
        if found.fence != hold.fence:
            raise LostHold(
                f"{hold.resource}: another process has taken over pushing and pulling it (fence "
                f"{found.fence}, ours was {hold.fence}): nothing was written, and it goes on there"
            )
        return found

    def find(self, connection: sqlite3.Connection, name: str) -> Resource | None:
        """The same, or None."""
        row: tuple[Any, ...] | None = connection.execute(SQL["resource"], (name,)).fetchone()
        return None if row is None else Resource(*row)

"""What the parts of the ledger share: their ground, a clock, the bells, and what is known of a resource."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from windlass.change import Table
from windlass.clock import Clock
from windlass.errors import ConfigError, LostHold
from windlass.store.ledger import Hold, PullState
from windlass.store.relational.engine import Bells, Connection
from windlass.store.relational.ledger.ground import Ground, UserTable
from windlass.store.relational.ledger.statements import SQL

A_HANDFUL = 10
"""So few absent rows are no reason to ask."""


class Resource(NamedTuple):
    """A row of ``windlass_sync_resources``, and the database it is in."""

    ground: Ground
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
        return self.ground.user_table(self.definition, self.known_columns)

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

    def __init__(self, ground: Ground, clock: Clock, bells: Bells) -> None:
        self.ground = ground
        self.clock = clock
        self.bells = bells

    def resource(self, connection: Connection, name: str) -> Resource:
        """What is known of a resource.

        Raises:
            ConfigError: it is not installed.
        """
        return self._there(self.find(connection, name), name)

    def held_by(self, connection: Connection, hold: Hold, *, reads: bool = False) -> Resource:
        """The resource that is held. Unless it only ``reads``, nobody takes it over before it commits.

        Raises:
            LostHold: another holder has taken over.
        """
        row: Sequence[Any] | None = connection.execute(
            SQL["resource" if reads else "resource_held"], (hold.resource,)
        ).fetchone()
        found = self._there(None if row is None else Resource(self.ground, *row), hold.resource)
        if found.fence != hold.fence:
            raise LostHold(
                f"{hold.resource}: another process has taken over pushing and pulling it (fence "
                f"{found.fence}, ours was {hold.fence}): nothing was written, and it goes on there"
            )
        return found

    def _there(self, found: Resource | None, name: str) -> Resource:
        if found is None:
            raise ConfigError(
                f"no resource called {name!r} is installed in {self.ground.name}: declare it, and let its "
                "app start once"
            )
        return found

    def find(self, connection: Connection, name: str) -> Resource | None:
        """The same, or None."""
        row: Sequence[Any] | None = connection.execute(SQL["resource"], (name,)).fetchone()
        return None if row is None else Resource(self.ground, *row)


def generation_of(found: Resource, state: PullState | None = None) -> int | None:
    """The number of the enumeration under way, with which all keys are marked; None: there is none."""
    if state is not None and state.enumerating:
        return state.generation
    stored = found.state
    return stored.generation if stored.enumerating else None

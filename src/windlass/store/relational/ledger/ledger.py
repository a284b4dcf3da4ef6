"""The ledger: its parts put together."""

from __future__ import annotations

from typing import Any

import msgspec

from windlass.change import Row
from windlass.clock import iso
from windlass.errors import InvalidJob
from windlass.store.ledger import OriginState
from windlass.store.relational.ledger.batching import Batching
from windlass.store.relational.ledger.capture import Capture
from windlass.store.relational.ledger.holding import Holding
from windlass.store.relational.ledger.reading import Reading
from windlass.store.relational.ledger.repointing import Repointing
from windlass.store.relational.ledger.statements import SQL
from windlass.store.relational.ledger.surveying import Surveying
from windlass.store.relational.ledger.values import encode, key_text
from windlass.store.relational.ledger.writing import Writing


class RelationalLedger(Capture, Holding, Reading, Writing, Batching, Repointing, Surveying):
    """Sync's ledger beside the jobs. Thread-safe; see the protocol for the verbs."""

    def enqueue(self, *, op: str, table: str, local_id: Any, data: Row | None, connection: Any = None) -> str:
        """See the protocol. The table may be one that is not synced yet: then the operation waits."""
        if not op:
            raise InvalidJob("expected an operation to say what is to be done, such as 'update', got ''")
        text = None if data is None else encode(data)
        values = (
            op,
            table,
            None if local_id is None else key_text(local_id),
            text,
            iso(self.clock.wall_us()),
        )
        if connection is None:
            with self.ground.writing(full=True) as writer:
                found: str = writer.execute(SQL["enqueue"], values).fetchall()[0][0]
            self.bells.ring()
            return found
        with self.ground.joined(connection) as theirs:
            return theirs.execute(SQL["enqueue"], values).fetchall()[0][0]

    def origin(self, origin: str) -> OriginState:
        """See the protocol."""
        with self.ground.glance() as connection:
            row = connection.execute(SQL["origin"], (origin,)).fetchone()
        return OriginState(origin=origin) if row is None else msgspec.json.decode(row[0], type=OriginState)

    def set_origin(self, state: OriginState) -> None:
        """See the protocol."""
        text = msgspec.json.encode(state).decode()
        with self.ground.writing(full=False) as connection:
            connection.execute(SQL["set_origin"], (state.origin, text))
        self.bells.ring()

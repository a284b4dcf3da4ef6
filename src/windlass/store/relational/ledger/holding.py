"""Who may push and pull: the database says who lives, a fence in it who was the last."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from windlass.store.ledger import Hold
from windlass.store.relational.ledger.base import LedgerRole
from windlass.store.relational.ledger.batching import unpack
from windlass.store.relational.ledger.statements import SQL


class Holding(LedgerRole):
    """Holds."""

    @contextmanager
    def hold(self, resource: str) -> Generator[Hold]:
        """See the protocol. Two threads of one process exclude each other, too."""
        with self.ground.holding(resource):
            with self.ground.writing(full=False) as connection:
                found = self.resource(connection, resource)
                fence: int = connection.execute(SQL["fence"], (found.id,)).fetchall()[0][0]
                # What a push that ended early has left: nobody waits for its answer any more.
                unpack(connection, found, self.clock.wall_us())
            yield Hold(resource, fence)

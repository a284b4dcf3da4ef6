"""Lanes beside others, also while old index entries crowd the way to the ready jobs: see ``shelves``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from windlass.clock import Clock, monotonic
from windlass.store.postgres.database import Database
from windlass.store.postgres.dialect import SQL
from windlass.store.postgres.ready import widened
from windlass.store.postgres.shelves import Shelf, Shelves, Visited
from windlass.store.postgres.statements import Statements, statements_on, together
from windlass.store.protocol import Lane
from windlass.store.relational import laning
from windlass.store.relational.engine import Connection, Engine

_STEPS_MOST = 4


class Laning(laning.Laning):
    """What a dispatcher asks about lanes."""

    database: Database

    def __init__(self, database: Engine, clock: Clock) -> None:
        super().__init__(database, clock)
        self.shelves = Shelves()

    def plain_lanes(self, connection: Connection) -> list[Lane]:
        if not self.shelves.crowded:
            return super().plain_lanes(connection)
        on = statements_on(connection)
        is_due = self.shelves.due(monotonic()) == "whole"
        heads = {} if is_due else self._look_beyond(on)
        if not heads:
            if is_due or self.shelves.rest_s(monotonic()) <= 0:
                heads = self.look_whole(on)
            else:
                self.shelves.unsure = True
        return list(dict.fromkeys(shelf.lane for shelf in heads))

    def look_if_due(self) -> None:
        """Learns where claims have to begin, as often as that is worth its time."""
        due = self.shelves.due(monotonic())
        if due is not None:
            with self.database.read() as connection:
                if due == "whole":
                    self.look_whole(connection)
                else:
                    self._look_beyond(connection)

    def best_beyond(self, connection: Connection, mosts: Mapping[Lane, int]) -> list[list[Any]]:
        """The best jobs of each of these lanes, from the floors on, as claim_lane.sql has them."""
        on = statements_on(connection)
        cursors = together(on.raw, [self.shelves.claim(*one) for one in mosts.items()], on.cursor)
        return [widened(lane, cursor.fetchall()) for lane, cursor in zip(mosts, cursors, strict=True)]

    def look_whole(self, connection: Statements) -> dict[Shelf, int]:
        """The first ready id of each shelf, from the very beginning."""
        began = monotonic()
        before, found, after = _fetched(
            connection, [(SQL["walked"], ()), (SQL["heads"], ()), (SQL["walked"], ())]
        )
        ended = monotonic()
        heads = {Shelf(*row[:4]): row[4] for row in found}
        [(last_id, *walked_before)], [(_, *walked)] = before, after
        # The count begins anew whenever the server has added it to its statistics.
        began_anew = any(now < then for now, then in zip(walked, walked_before, strict=True))
        visited = Visited(*(
            now if began_anew else now - then for now, then in zip(walked, walked_before, strict=True)
        ))  # fmt: skip
        self.shelves.looked_whole(heads, last_id, visited, ended - began, ended)
        return heads

    def _look_beyond(self, connection: Statements) -> dict[Shelf, int]:
        known = self.shelves.known()
        for _ in range(_STEPS_MOST):
            walked, found = _fetched(connection, [(SQL["walked"], ()), self.shelves.heads(known)])
            heads = {Shelf(*row[:4]): row[4] for row in found}
            if heads.keys() <= known:
                self.shelves.looked_beyond(heads, walked[0][0], monotonic())
                return heads
            # One of each gap was found: there may be more beside it.
            known |= heads.keys()
        # So many are new that a look at all of them is cheaper.
        return self.look_whole(connection)


def _fetched(connection: Statements, steps: Sequence[Any]) -> list[list[Any]]:
    return [cursor.fetchall() for cursor in together(connection.raw, steps, connection.cursor)]

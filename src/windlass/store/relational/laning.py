"""Lanes: ready jobs that are alike to a claim. Those that need a condition are in lanes of their own."""

from __future__ import annotations

from typing import Any

from windlass.clock import iso, to_wall_us
from windlass.store.conditions import DeviceRow
from windlass.store.protocol import Lane
from windlass.store.relational.base import Role
from windlass.store.relational.engine import Connection, Cursor
from windlass.store.relational.rows import moment
from windlass.store.relational.statements import SQL


class Laning(Role):
    """What a dispatcher asks about lanes."""

    def lanes(self) -> list[Lane]:
        return self.despite_bad_text(self._lanes)

    def _lanes(self) -> list[Lane]:
        with self.database.read() as connection:
            found = self.plain_lanes(connection)
            step: tuple[Any, ...] = (-1, "", "", "")
            while row := connection.execute(SQL["first_conditioned_lane"], step).fetchone():
                found.append(Lane(bool(row[0]), row[1], row[2], row[3]))
                step = row
        return found

    def plain_lanes(self, connection: Connection) -> list[Lane]:
        """Those that need no condition."""
        found: list[Lane] = []
        step: tuple[Any, ...] = (-1, "", "")
        while row := connection.execute(SQL["first_lane"], step).fetchone():
            found.append(Lane(bool(row[0]), row[1], row[2]))
            step = row
        return found

    def head(self, connection: Connection, lane: Lane, before_us: int | None, limit: int) -> Cursor:
        """A cursor on the best jobs of a lane."""
        alone, queue, key, constraints = lane
        if constraints is None:
            return connection.execute(SQL["claim_lane"], (alone, queue, key, limit))
        before = None if before_us is None else iso(self.of_rows(before_us))
        return connection.execute(
            SQL["claim_conditioned_lane"], (alone, queue, key, constraints, before, limit)
        )

    def waits_since(self, lane: Lane) -> int | None:
        with self.database.read() as connection:
            row = connection.execute(SQL["oldest_in_lane"], lane).fetchone()
        if row is None:
            return None
        since = moment(row[0])
        # A time that cannot be read is dealt with by the claim, which must get there.
        return 0 if since is None else self.of_machine(to_wall_us(since))

    def hold_lane(self, lane: Lane, reason: str, limit: int = 1000) -> int:
        _, now = self.now()
        with self.database.write(full=False) as connection:
            return connection.execute(SQL["hold_lane"], (reason, now, *lane, limit)).rowcount

    def publish_device(self, owner: int, state: str) -> None:
        now_us, _ = self.now()
        with self.database.write(full=False) as connection:
            connection.execute(SQL["publish_device"], (owner, state, now_us))

    def forget_device(self, owner: int) -> None:
        if any(row.owner == owner for row in self.devices()):
            with self.database.write(full=False) as connection:
                connection.execute(SQL["forget_device"], (owner,))

    def devices(self) -> list[DeviceRow]:
        with self.database.read() as connection:
            rows = connection.execute(SQL["devices"]).fetchall()
        return [DeviceRow(owner=owner, state=state, read_at_us=read_at) for owner, state, read_at in rows]

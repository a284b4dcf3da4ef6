"""What the three roles of the store share."""

from __future__ import annotations

from windlass.clock import Clock, iso
from windlass.store.sqlite.database import Database
from windlass.store.sqlite.doorbell import Bells, Kind


class Role:
    """One role of the store: the file, a clock and the bells."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.bells = Bells(database.state_dir)

    def now(self) -> tuple[int, str]:
        """Now in both spellings: microseconds and contract text."""
        now_us = self.clock.wall_us()
        return now_us, iso(now_us)

    def ring(self, kind: Kind | None = None) -> None:
        """Wakes every listener of this database, or those of one kind."""
        self.bells.ring(kind)

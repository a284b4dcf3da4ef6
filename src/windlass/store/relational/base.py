"""What the roles of a store share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sized
from typing import Any, TypeVar

from windlass.clock import Clock, iso
from windlass.store.relational.engine import Engine, Kind
from windlass.store.timetable import Instant

_T = TypeVar("_T")


class Role:
    """One role of a store: the database, and a clock."""

    def __init__(self, database: Engine, clock: Clock) -> None:
        self.database = database
        self.clock = clock

    def now(self) -> tuple[int, str]:
        """Now in both spellings: microseconds and contract text."""
        now_us = self.clock.wall_us()
        return now_us, iso(now_us)

    def instant(self) -> Instant:
        """Now, on the clocks that rows go by."""
        return Instant.now(self.clock)

    def moment(self) -> tuple[Instant, str]:
        """The same, and its contract text."""
        instant = self.instant()
        return instant, iso(instant.wall_us)

    def of_rows(self, wall_us: int) -> int:
        """A time of this machine's wall clock, on the one that rows go by."""
        return wall_us

    def of_machine(self, wall_us: int) -> int:
        """A time of the wall clock that rows go by, on this machine's."""
        return wall_us

    def ring(self, kind: Kind | None = None) -> None:
        """Wakes every listener of this database, or those of one kind."""
        self.database.bells.ring(kind)

    def despite_bad_text(self, do: Callable[[], _T]) -> _T:
        """Does it, also where a row holds a text that cannot be read, if this database can hold such."""
        return do()

    def until_bad_text(self, rows: Iterable[Any], before: Sized) -> Iterable[Any]:
        """Those rows, up to the first that cannot be read; an error where ``before`` it there is nothing."""
        del before
        return rows

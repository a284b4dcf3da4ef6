"""The two databases of a move, and what it asks of each beside its statements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from windlass.store.relational.carrying import Putting, Table
from windlass.store.relational.engine import Connection, Engine
from windlass.store.timetable import Instant


class Movable(Putting, Protocol):
    """What a move asks of an engine beside its statements."""

    def keep_changes(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Makes ``windlass_moving (seq, name, key)`` and the triggers that fill it; ``key``: JSON array."""
        ...

    def forget_changes(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Removes both, where they are there."""
        ...

    def shut(self, connection: Connection, saying: str, *, while_arriving: bool) -> None:
        """From now on jobs, schedules and dispatchers cannot be written: that fails with ``saying``.

        ``while_arriving``: only as long as ``windlass_meta`` has a row called ``arriving``.
        """
        ...

    def open_up(self, connection: Connection) -> None:
        """Takes back what ``shut`` did, where it did."""
        ...

    def take_time(self, connection: Connection, *, whole: bool) -> None:
        """This transaction may take long, and pause for long. ``whole``: it reads whole tables."""
        ...

    def last_ids(self, connection: Connection, tables: Sequence[str]) -> dict[str, int]:
        """The highest id that each of these tables ever gave."""
        ...

    def count_on_from(self, connection: Connection, table: str, last: int) -> None:
        """The next id that this table gives is beyond ``last``."""
        ...


class Side(NamedTuple):
    """A database that takes part in a move. ``name`` is for people, and has no password."""

    engine: Engine
    movable: Movable
    name: str
    instant: Callable[[], Instant]
    """Now, on the clocks by which its rows go."""

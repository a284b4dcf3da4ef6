"""Whether both sides of a move have the same rows: how many of each table, and a sum of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from windlass.errors import MoveRefused
from windlass.store.relational.carrying import Table, wheres
from windlass.store.relational.engine import Connection

JOBS = "background_service_jobs"


class Tally(NamedTuple):
    """Rows of a table."""

    rows: int = 0
    sum: int = 0
    """Differs where they are others: their ids, and of jobs how far they are."""

    def changed(self, before: Tally, after: Tally) -> Tally:
        """The same after some of them were replaced."""
        return Tally(self.rows - before.rows + after.rows, self.sum - before.sum + after.sum)


def tally(connection: Connection, table: Table) -> Tally:
    """Of all its rows: this reads the whole table."""
    return Tally(*map(int, connection.execute(f"{_summed(table)} FROM {table.name}").fetchone()))


def tally_of(connection: Connection, table: Table, keys: Sequence[tuple[Any, ...]]) -> Tally:
    """Of the rows with these keys."""
    found = Tally()
    for where, values in wheres(table, keys):
        row = connection.execute(f"{_summed(table)} FROM {table.name} WHERE {where}", values).fetchone()
        found = found.changed(Tally(), Tally(*map(int, row)))
    return found


def tallies(connection: Connection, tables: Iterable[Table]) -> dict[str, Tally]:
    """Of each of these tables, by its name."""
    return {table.name: tally(connection, table) for table in tables}


def refuse_others(table: str, here: Tally, there: Tally, names: tuple[str, str]) -> None:
    """Refuses the move where the two sides have other rows of a table.

    Raises:
        MoveRefused: so it is.
    """
    if here != there:
        raise MoveRefused(
            f"{table} has {here.rows} rows in {names[0]} and {there.rows} in {names[1]}, or other ones: the "
            "move was not made; give it up with windlass move --abandon, and tell us"
        )


def _summed(table: Table) -> str:
    summed = "0"
    if table.name == JOBS:
        summed = "coalesce(sum(id * (attempts + 1) * length(status)), 0)"
    elif "id" in table.key:
        summed = "coalesce(sum(id), 0)"
    return f"SELECT count(*), {summed}"

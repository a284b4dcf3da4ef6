"""Rows on their way from one database to another: read here, written there, by their keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from windlass.store.relational.engine import Connection

Row = tuple[Any, ...]


class Table(NamedTuple):
    """A table that is moved, and the columns that tell its rows apart."""

    name: str
    key: tuple[str, ...]

    @property
    def has_id(self) -> bool:
        """Its rows are told apart by one number."""
        return self.key == ("id",)


class Putting(Protocol):
    """How an engine takes in many rows."""

    def put(self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Writes them, also over those that are there under the same keys."""
        ...


class Carrier:
    """Reads rows of tables on one side, and writes them on the other."""

    def __init__(self, putting: Putting) -> None:
        self._putting = putting
        self._columns: dict[str, tuple[str, ...]] = {}

    def next_rows(self, source: Connection, table: Table, after: Any, most: int) -> list[Row]:
        """The next rows in the order of their keys; ``after`` None: the first."""
        key = ", ".join(table.key)
        beyond = "" if after is None else f"WHERE ({key}) > ({_marks(table.key)})"
        sql = f"SELECT {self._names(source, table)} FROM {table.name} {beyond} ORDER BY {key} LIMIT {most}"  # noqa: S608
        return source.execute(sql, tuple(after or ())).fetchall()

    def rows_of(self, source: Connection, table: Table, keys: Sequence[Row]) -> list[Row]:
        """The rows with these keys, of those that are there."""
        found: list[Row] = []
        for where, values in wheres(table, keys):
            sql = f"SELECT {self._names(source, table)} FROM {table.name} WHERE {where}"  # noqa: S608
            found += source.execute(sql, values).fetchall()
        return found

    def remove(self, target: Connection, table: Table, keys: Sequence[Row]) -> None:
        """Removes the rows with these keys, where they are there."""
        for where, values in wheres(table, keys):
            target.execute(f"DELETE FROM {table.name} WHERE {where}", values)  # noqa: S608

    def put(self, target: Connection, table: Table, rows: Sequence[Row]) -> None:
        """Writes rows as they were read."""
        if rows:
            self._putting.put(target, table, self._columns[table.name], rows)

    def key(self, table: Table, row: Row) -> list[Any]:
        """The key of a row as it was read."""
        columns = self._columns[table.name]
        return [row[columns.index(name)] for name in table.key]

    def _names(self, source: Connection, table: Table) -> str:
        if table.name not in self._columns:
            cursor = source.execute(f"SELECT * FROM {table.name} LIMIT 0")  # noqa: S608
            self._columns[table.name] = tuple(column[0] for column in cursor.description or ())
        return ", ".join(self._columns[table.name])


def put_over(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Writes them one by one, each over the one that is there."""
    rest = [name for name in columns if name not in table.key]
    then = ", ".join(f"{name} = excluded.{name}" for name in rest)
    connection.executemany(
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({_marks(columns)}) "  # noqa: S608
        f"ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {then}",
        rows,
    )


def wheres(table: Table, keys: Sequence[Row]) -> Iterable[tuple[str, Row]]:
    """Conditions, with their values, that together find the rows with these keys."""
    if table.has_id:
        # All in one statement: on a server each costs a way there and back.
        ids = json.dumps([key[0] for key in keys])
        return [("id IN (SELECT value FROM json_each(?))", (ids,))] if keys else []
    where = " AND ".join(f"{name} = ?" for name in table.key)
    return [(where, key) for key in keys]


def _marks(columns: Sequence[str]) -> str:
    return ", ".join("?" * len(columns))

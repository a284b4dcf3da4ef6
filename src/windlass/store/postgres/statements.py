"""Running the roles' statements through psycopg."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, cast

import psycopg
from psycopg import postgres
from psycopg.adapt import AdaptersMap
from psycopg.rows import tuple_row
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper

from windlass.store.postgres.bundling import Answer, Step, bundled
from windlass.store.postgres.dialect import respelled
from windlass.store.relational.engine import Values
from windlass.store.relational.rows import NUL


def _adapters() -> AdaptersMap:
    found = AdaptersMap(postgres.adapters)
    # All integers of one type, truth included: a statement then has one plan, whatever it is given.
    found.register_dumper(int, Int8Dumper)
    # As text, too: lists go as text, and their type is remembered by that of the first one.
    found.register_dumper(int, Int8Dumper)
    found.register_dumper(int, Int8BinaryDumper)
    found.register_dumper(bool, Int8BinaryDumper)
    return found


_ADAPTERS = _adapters()


class _PlainCursor(psycopg.Cursor[Any]):
    """Rows as tuples and values as ours, whatever the connection's owner has set."""

    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


class Nothing:
    """The result of a query that found nothing."""

    description = None
    rowcount = 0
    lastrowid = None

    def fetchone(self) -> Any:
        return None

    def fetchall(self) -> list[Any]:
        return []

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class Inserted(Nothing):
    """The result of an insert that returns its id."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        row = cursor.fetchone()
        self.rowcount = cursor.rowcount
        self.lastrowid: int | None = None if row is None else row[0]


class Row(Nothing):
    """The result of a query whose one row is known."""

    rowcount = 1

    def __init__(self, row: tuple[Any, ...]) -> None:
        self._row = row

    def fetchone(self) -> Any:
        return self._row

    def fetchall(self) -> list[Any]:
        return [self._row]

    def __iter__(self) -> Iterator[Any]:
        return iter((self._row,))


def together(
    raw: psycopg.Connection[Any],
    steps: Sequence[Step],
    cursor: Callable[[], psycopg.Cursor[Any]],
    meanwhile: Callable[[], None] = lambda: None,
) -> Sequence[Answer]:
    """Runs statements one after another in one round trip; raises what the first raises that fails.

    What follows the one that failed is not run. ``meanwhile`` is called while the server is at work.
    """
    answers = bundled(raw, steps, meanwhile) if psycopg.Pipeline.is_supported() else None
    if answers is not None:
        return answers
    cursors: list[psycopg.Cursor[Any]] = []
    with raw.pipeline() if len(steps) > 1 and psycopg.Pipeline.is_supported() else nullcontext():
        for text, values in steps:
            cursors.append(cursor())
            statement: Any = text
            cursors[-1].execute(statement, values or None)
        meanwhile()
    return cursors


class Statements:
    """A connection as the roles know it."""

    __slots__ = ("raw",)

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw

    def cursor(self) -> psycopg.Cursor[Any]:
        """A cursor for statements in PostgreSQL's own spelling."""
        return _PlainCursor(self.raw, row_factory=tuple_row)

    def execute(self, sql: str, parameters: Values = (), /) -> Any:
        """Runs a statement in the roles' spelling."""
        statement = respelled(sql)
        cursor = self.run(statement.text, statement.values(parameters))
        return Inserted(cursor) if statement.gives_id else cursor

    def executemany(self, sql: str, parameters: Iterable[Values], /) -> Any:
        """Runs it for each of these; not at all where there are none."""
        statement = respelled(sql)
        rows = [statement.values(row) for row in parameters]
        cursor = self.cursor()
        if rows:
            text: Any = statement.text
            _despite_nul(rows, lambda given: cursor.executemany(text, given))
        return cursor

    def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Writes many new rows, as a stream."""
        text: Any = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with self.cursor().copy(text) as stream:
            for row in rows:
                has_nul = any("\0" in value for value in row if type(value) is str)
                stream.write_row([_plain(value) for value in row] if has_nul else row)

    def run(self, sql: Any, parameters: Values) -> psycopg.Cursor[Any]:
        """Runs a statement in PostgreSQL's own spelling."""
        cursor = self.cursor()
        _despite_nul([parameters], lambda given: cursor.execute(sql, given[0]))
        return cursor


def _despite_nul(rows: list[Values], run: Callable[[list[Any]], object]) -> None:
    try:
        run(rows)
    except psycopg.DataError as error:
        # Text cannot hold a NUL here. Seldom does one come, so it is only looked for when it was in the way.
        if error.sqlstate is not None or not any(map(_has_nul, rows)):
            raise
        run([without_nul(row) for row in rows])


def statements_on(connection: Any) -> Statements:
    """A connection as the roles know it, whichever of the two it is."""
    return connection if isinstance(connection, Statements) else Statements(connection)


def _has_nul(parameters: Values) -> bool:
    values = parameters.values() if isinstance(parameters, Mapping) else parameters
    return any(_plain(value) is not value for value in values)


def without_nul(parameters: Values) -> Values:
    """Values with what stands for a NUL in its place."""
    if isinstance(parameters, Mapping):
        return {name: _plain(value) for name, value in parameters.items()}
    return [_plain(value) for value in parameters]


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", NUL) if "\0" in value else value
    if isinstance(value, list):
        given = cast("list[Any]", value)
        return (
            [_plain(one) for one in given]
            if any("\0" in one for one in given if isinstance(one, str))
            else given
        )
    return value

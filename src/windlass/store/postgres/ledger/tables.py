"""Statements about a user's table. Its names are quoted; everything else is a parameter."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

import msgspec
from psycopg import errors

from windlass.change import Column, Key, Row, Table
from windlass.store.postgres.ledger.statements import LedgerStatements
from windlass.store.relational.ledger.identifiers import quoted
from windlass.store.relational.ledger.tables import Known

Convert = Callable[[Any], Any]
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LARGEST = 2**63
_MOMENT = 'YYYY-MM-DD"T"HH24:MI:SS.US'


def reading(column: Column) -> tuple[str, Convert | None]:
    """How a column is read: an expression, and what makes the local form of its value (None: it is one)."""
    name, declared = quoted(column.name), column.declared
    if declared == "BOOLEAN":
        return f"{name}::int", None
    if declared.startswith("JSON "):
        return f"to_json({name})::text", _sorted_json
    if declared.startswith("JSON"):
        return f"{name}::text", _sorted_json
    if declared.startswith("TIMESTAMP"):
        at, end = (f"({name} AT TIME ZONE 'UTC')", "Z") if "WITH TIME" in declared else (name, "")
        told = f"to_char({at}, '{_MOMENT}')"
        if "WITHOUT" in declared:
            told, end = f"to_char({name}, '{_MOMENT}')", ""
        return (
            f"CASE WHEN isfinite({name}) THEN {told} ELSE {name}::text END",
            lambda text: _short_moment(text, end),
        )
    if declared == "DATE":
        # As a text it would be spelled as the session's style has it.
        return f"CASE WHEN isfinite({name}) THEN to_char({name}, 'YYYY-MM-DD') ELSE {name}::text END", None
    if column.affinity == "NUMERIC":
        return name, _number
    if column.affinity == "REAL":
        return name, lambda value: None if math.isnan(value) else value
    return (name if column.affinity in ("INTEGER", "BLOB") else f"{name}::text"), None


def _short_moment(text: str, end: str) -> str:
    """Without a fraction of nothing, as most servers tell it."""
    return text if "T" not in text else text.removesuffix(".000000") + end


def _sorted_json(text: str) -> str:
    try:
        return msgspec.json.encode(msgspec.json.decode(text), order="sorted").decode()
    except (ValueError, RecursionError):
        return text


def _number(value: Decimal) -> Any:
    if not value.is_finite():
        return None if value.is_nan() else float(value)
    whole = value == value.to_integral_value() and abs(value) < _LARGEST
    return int(value) if whole else float(value)


def _mark(column: Column) -> str:
    """The place of a value that is written, in a statement."""
    if column.declared == "BOOLEAN":
        return "(%s::bigint <> 0)"
    if column.declared.startswith("JSON "):
        return f"windlass_texts(%s)::{column.declared[5:]}"
    return "%s"


def _writing(column: Column) -> Convert:
    """What makes of a value in local form one that the column takes, or refuses."""
    if column.affinity == "BLOB":
        return lambda value: value
    if column.affinity in ("REAL", "NUMERIC"):
        return lambda value: value if type(value) in (int, float) or value is None else _text(value)
    if column.affinity == "INTEGER":
        # A fraction as a text: the server would round a number in silence.
        return lambda value: value if type(value) is int or value is None else _text(value)
    return lambda value: value if value is None else _text(value)


def _text(value: Any) -> Any:
    return value if type(value) in (str, bytes) else str(value)


class UserTable:
    """One synced table: what is asked of it, as SQL."""

    required: Sequence[str] = ()
    """Columns of the table that have neither NULL nor a default, synced or not."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.name = quoted(table.name)
        self.columns = [column.name for column in table.columns]
        self._by_name = {column.name: column for column in table.columns}
        self.key_columns = [self._by_name[name] for name in table.key]
        self.single = len(self.key_columns) == 1
        told = [reading(column) for column in table.columns]
        self._select = ", ".join(expression for expression, _ in told)
        self._converts = [(at, convert) for at, (_, convert) in enumerate(told) if convert is not None]
        self._writes = {column.name: _writing(column) for column in table.columns}

    # ── keys ───────────────────────────────────────────────────────────────────────────────────
    def key_sql(self, row: str = "") -> str:
        """The key of a row (``NEW.``, ``OLD.``, a table's name, or none) as JSON."""
        names = [row + quoted(name) for name in self.table.key]
        if self.single:
            return f"pg_catalog.to_jsonb({names[0]})"
        parts = " || ',' || ".join(f"pg_catalog.to_json({name})::text" for name in names)
        return f"pg_catalog.to_jsonb('[' || {parts} || ']')"

    def _parts(self, key: Key) -> tuple[Any, ...] | None:
        """The values of the key's columns; None for what can be no key of this table."""
        parts: Sequence[Any] = (key,)
        if not self.single:
            try:
                parts = msgspec.json.decode(cast("str", key), type=list[str | int | float | None])
            except (msgspec.DecodeError, TypeError):
                return None
        if len(parts) != len(self.key_columns):
            return None
        fits = all(_can_be(part, column) for part, column in zip(parts, self.key_columns, strict=True))
        return tuple(parts) if fits else None

    def _lists(self, keys: Iterable[Key]) -> list[list[Any]]:
        """Of the keys that can be ones: the values of each of its columns."""
        found = [parts for key in keys if (parts := self._parts(key)) is not None]
        return [list(column) for column in zip(*found, strict=True)]

    @property
    def _is_one(self) -> str:
        """A condition: the row is one of those of the lists."""
        if self.single:
            return f"{quoted(self.table.key[0])} = ANY(%s::{_type(self.key_columns[0])}[])"
        lists = ", ".join(f"%s::{_type(column)}[]" for column in self.key_columns)
        return f"({self._names(self.table.key)}) IN (SELECT * FROM unnest({lists}))"  # noqa: S608 - names are quoted

    @property
    def _is_exactly_one(self) -> str:
        """The same letter for letter, whatever the columns' collations say; takes the lists twice."""
        if self.single:
            column = self.key_columns[0]
            return f"{self._is_one} AND {_exact(column)} = ANY(%s::{_type(column)}[])"
        names = ", ".join(map(_exact, self.key_columns))
        lists = ", ".join(f"%s::{_type(column)}[]" for column in self.key_columns)
        return f"{self._is_one} AND ({names}) IN (SELECT * FROM unnest({lists}))"  # noqa: S608 - names are quoted

    def _names(self, columns: Iterable[str], row: str = "") -> str:
        return ", ".join(row + quoted(name) for name in columns)

    def _row(self, values: Sequence[Any]) -> dict[str, Any]:
        row = dict(zip(self.columns, values, strict=True))
        for at, convert in self._converts:
            if values[at] is not None:
                row[self.columns[at]] = convert(values[at])
        return row

    # ── reading ────────────────────────────────────────────────────────────────────────────────
    def rows(self, connection: Any, keys: Sequence[Key]) -> dict[Key, Row]:
        """The rows of those keys that there are."""
        lists = self._lists(keys)
        if not lists:
            return {}
        statement = f"SELECT {self.key_sql()}, {self._select} FROM {self.name} WHERE {self._is_one}"  # noqa: S608 - names are quoted
        rows = _run(connection, statement, lists)
        return {row[0]: self._row(row[1:]) for row in rows}

    def alike(self, connection: Any, key: Key) -> list[Key]:
        """The keys of rows that the table takes for the one of that key, spelled otherwise."""
        parts = self._parts(key)
        return [] if parts is None else self._alike(connection, parts)

    def _alike(self, connection: Any, parts: tuple[Any, ...]) -> list[Key]:
        statement = f"SELECT {self.key_sql()} FROM {self.name} WHERE {self._is_one}"  # noqa: S608 - names are quoted
        found = _run(connection, statement, [[part] for part in parts])
        return [row[0] for row in found if self._parts(row[0]) != parts]

    def edited(self, connection: Any, resource: int, limit: int, after: int) -> None:
        """Not read so here: edits go by their standings."""

    def page(
        self, connection: Any, resource: int, after: Sequence[Any] | None, limit: int
    ) -> list[tuple[Key, Sequence[Any], Row, str | None]]:
        """Rows in their keys' order, beyond ``after``: key, its parts, the row, and its shadow's JSON."""
        names = self._names(self.table.key)
        order = self._names(self.table.key, "t.")
        casts = ", ".join(f"%s::{_type(column)}" for column in self.key_columns)
        beyond = "" if after is None else f"WHERE ({names}) > ({casts})"
        same = f"s.resource = %s AND s.key = {self.key_sql()}"
        shadow = f"(SELECT s.row FROM windlass_sync_shadows AS s WHERE {same})"  # noqa: S608 - names are quoted
        what = f"{self.key_sql()}, {names}, {self._select}, {shadow}"
        statement = f"SELECT {what} FROM {self.name} AS t {beyond} ORDER BY {order} LIMIT %s"  # noqa: S608 - names are quoted
        parts = 1 + len(self.table.key)
        return [
            (row[0], [_plain(part) for part in row[1:parts]], self._row(row[parts:-1]), row[-1])
            for row in _run(connection, statement, (resource, *(after or ()), limit))
        ]

    def missing(
        self, connection: Any, resource: int, after: Sequence[Any] | None, limit: int
    ) -> tuple[Sequence[Any] | None, list[Key]]:
        """Keys of shadows without a row, beyond ``after``, and where the next page begins (None: nowhere)."""
        beyond = "" if after is None else "AND key > %s::jsonb"
        values = [] if after is None else [_json(after[0])]
        statement = (
            f"SELECT key FROM windlass_sync_shadows WHERE resource = %s {beyond} ORDER BY key LIMIT %s"  # noqa: S608 - no value
        )
        page: list[Key] = [row[0] for row in _run(connection, statement, (resource, *values, limit))]
        rows = self.rows(connection, page)
        return ([page[-1]] if len(page) == limit else None), [key for key in page if key not in rows]

    def has_nameless(self, connection: Any) -> bool:
        """False: no column of a primary key is NULL here."""
        del connection
        return False

    # ── writing ────────────────────────────────────────────────────────────────────────────────
    def remove(self, connection: Any, keys: Iterable[Key]) -> None:
        """Deletes the rows of those keys."""
        if lists := self._lists(keys):
            where = self._is_exactly_one
            connection.run(f"DELETE FROM {self.name} WHERE {where}", [*lists, *lists])  # noqa: S608 - names are quoted

    def put(self, connection: Any, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        """Writes rows of those columns, the key's among them, over what is there."""
        others = [name for name in columns if name not in self.table.key]
        if any(name not in columns for name in self.required):
            # An upsert fails for a column that it leaves out, though the row is there and keeps its value.
            rows = [row for row in rows if not self._update(connection, columns, others, row)]
        sets = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in others)
        # Not over a row whose key is only to the collation the same.
        same = " AND ".join(
            f"{_exact(column, self.name)} = {_exact(column, 'excluded')}" for column in self.key_columns
        )
        action = f"DO UPDATE SET {sets} WHERE {same}" if others else "DO NOTHING"
        tail = f" ON CONFLICT ({self._names(self.table.key)}) {action}"
        if self._insert_all(connection, columns, rows, tail) < len(rows):
            self._refuse_alike(connection, columns, rows)

    def _refuse_alike(
        self, connection: Any, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Raises where a row was not written because its key is to the column another row's."""
        at = [columns.index(name) for name in self.table.key]
        for row in rows:
            parts = tuple(row[place] for place in at)
            if self._alike(connection, parts):
                raise errors.UniqueViolation(f"a key that is the same as {parts!r} to the table is there")

    def put_new(self, connection: Any, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """Inserts rows, and overwrites none."""
        self._insert_all(connection, columns, rows, "")

    def _insert_all(
        self, connection: Any, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]], tail: str
    ) -> int:
        """How many of them were written."""
        if not rows:
            return 0
        told = [self._values(columns, row) for row in rows]
        written = connection.run_many(self._insert(columns) + tail, told)
        if self.table.makes_keys:
            at = columns.index(self.table.key[0])
            self._number_beyond(connection, max((row[at] for row in rows if type(row[at]) is int), default=0))
        return written

    def _number_beyond(self, connection: Any, highest: int) -> None:
        """Lets the table's own numbers begin beyond those that came from elsewhere."""
        named = (self.name, self.table.key[0])
        sequence = connection.run("SELECT pg_get_serial_sequence(%s, %s)", named).fetchone()[0]
        if sequence is None:
            return
        last = connection.run("SELECT pg_sequence_last_value(%s::regclass)", (sequence,)).fetchone()[0]
        if highest > (last or 0):
            connection.run("SELECT setval(%s::regclass, %s::bigint)", (sequence, highest))

    def _insert(self, columns: Sequence[str]) -> str:
        if not columns:
            return f"INSERT INTO {self.name} DEFAULT VALUES"
        marks = ", ".join(_mark(self._by_name[name]) for name in columns)
        # Also into a column whose numbers only the database may give, as it says.
        always = "OVERRIDING SYSTEM VALUE " if self.table.makes_keys else ""
        return f"INSERT INTO {self.name} ({self._names(columns)}) {always}VALUES ({marks})"

    def _values(self, columns: Sequence[str], row: Sequence[Any]) -> list[Any]:
        return [self._writes[name](value) for name, value in zip(columns, row, strict=True)]

    def _update(
        self, connection: Any, columns: Sequence[str], others: Sequence[str], row: Sequence[Any]
    ) -> bool:
        values = dict(zip(columns, row, strict=True))
        if not others:
            return False
        sets = ", ".join(f"{quoted(name)} = {_mark(self._by_name[name])}" for name in others)
        lists = [[values[name]] for name in self.table.key]
        statement = f"UPDATE {self.name} SET {sets} WHERE {self._is_exactly_one}"  # noqa: S608 - names are quoted
        given = self._values(others, [values[name] for name in others])
        return bool(connection.run(statement, [*given, *lists, *lists]).rowcount)

    def repoint(self, connection: Any, column: str, was: Key, to: Key) -> list[Key]:
        """Gives that column the one value where it has the other; the keys of the rows."""
        if not _can_be(was, self._by_name[column]):
            return []
        what = f"SET {quoted(column)} = %s WHERE {quoted(column)} = %s RETURNING {self.key_sql()}"
        return [row[0] for row in _run(connection, f"UPDATE {self.name} {what}", (to, was))]

    def add(self, connection: Any, row: Row, taken: int | None = None) -> int:
        """Inserts a row whose key the database makes; the key. A sequence gives none twice."""
        del taken
        columns = [name for name in row if name not in self.table.key]
        statement = f"{self._insert(columns)} RETURNING {quoted(self.table.key[0])}"
        values = self._values(columns, [row[name] for name in columns])
        return connection.run(statement, values).fetchone()[0]


def _run(connection: LedgerStatements, statement: str, values: Sequence[Any]) -> list[Any]:
    """Rows, of which keys come as JSON."""
    return connection.run(statement, values).fetchall()


def _type(column: Column) -> str:
    return {"INTEGER": "bigint"}.get(column.affinity) or ("uuid" if column.declared == "UUID" else "text")


def _exact(column: Column, row: str = "") -> str:
    """A key's column as it is compared letter for letter."""
    name = f"{row}.{quoted(column.name)}" if row else quoted(column.name)
    return f'{name} COLLATE "C"' if _type(column) == "text" else name


def _can_be(value: Any, column: Column) -> bool:
    if column.affinity == "INTEGER":
        return type(value) is int and -_LARGEST <= value < _LARGEST
    if type(value) is not str or "\0" in value:
        return False
    return column.declared != "UUID" or _UUID.fullmatch(value) is not None


def _plain(value: Any) -> Any:
    return value if isinstance(value, int) else str(value)


def _json(key: Key) -> str:
    return msgspec.json.encode(key).decode()


@lru_cache(maxsize=256)
def user_table(definition: str, known_columns: str) -> UserTable:
    """The table of a resource as it is stored."""
    made = UserTable(msgspec.json.decode(definition, type=Table))
    made.required = msgspec.json.decode(known_columns, type=Known).required
    return made

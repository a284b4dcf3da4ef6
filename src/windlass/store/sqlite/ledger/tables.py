"""Statements about a user's table. Its names are quoted; everything else is a parameter."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from windlass.change import Column, Key, Row, Table
from windlass.store.relational.engine import Connection
from windlass.store.relational.ledger.identifiers import quoted
from windlass.store.relational.ledger.statements import Insert, chunks, insert_all, marks
from windlass.store.relational.ledger.tables import Known


class UserTable:
    """One synced table: what is asked of it, as SQL."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.name = quoted(table.name)
        self.columns = [column.name for column in table.columns]
        by_name: dict[str, Column] = {column.name: column for column in table.columns}
        self.key_columns = [by_name[name] for name in table.key]
        self.single = len(self.key_columns) == 1
        self._key_at = self.columns.index(table.key[0])
        self._texts: dict[tuple[str, ...], str] = {}
        self._upserts: dict[tuple[str, ...], Insert] = {}

    def _names(self, columns: Iterable[str], row: str = "") -> str:
        return ", ".join(row + quoted(name) for name in columns)

    # ── keys ───────────────────────────────────────────────────────────────────────────────────
    def key_sql(self, row: str = "") -> str:
        """The key of a row (``NEW.``, ``OLD.``, or none) as an expression."""
        names = [row + quoted(name) for name in self.table.key]
        return names[0] if self.single else "".join(("json_array(", ", ".join(names), ")"))

    def has_key_sql(self, row: str = "") -> str:
        """A condition: the row can be named by its key; empty where every row can."""
        if self.table.makes_keys:
            return ""
        if self.single:
            name = row + quoted(self.table.key[0])
            if self.key_columns[0].affinity == "TEXT":
                return f"{name} IS NOT NULL"
            return f"typeof({name}) IN ('integer', 'text', 'blob')"
        return " AND ".join(f"typeof({row}{quoted(name)}) NOT IN ('null', 'blob')" for name in self.table.key)

    def parts(self, key: Key) -> Sequence[Any]:
        """The values of the key's columns."""
        if self.single:
            return (key,)
        if not isinstance(key, str):
            raise TypeError(f"expected the JSON array of {', '.join(self.table.key)}, got {key!r:.80}")
        return msgspec.json.decode(key, type=list[str | int | float | None])

    def _names_a_row(self, key: Key) -> bool:
        # Foreign hands may queue an operation for a key that could not be one.
        try:
            return len(self.parts(key)) == len(self.key_columns)
        except (msgspec.DecodeError, TypeError):
            return False

    # ── reading ────────────────────────────────────────────────────────────────────────────────
    def rows(self, connection: Connection, keys: Sequence[Key]) -> dict[Key, Row]:
        """The rows of those keys that there are.

        A text that is none comes with surrogates in it, which nothing can send: it is refused by itself then,
        and stops no other row.
        """
        return _tolerant(connection, lambda: self._rows(connection, keys))

    def _rows(self, connection: Connection, keys: Sequence[Key]) -> dict[Key, Row]:
        found: dict[Key, Row] = {}
        names = self.columns
        if not self.single:
            keys = [key for key in keys if self._names_a_row(key)]
        for chunk in chunks(keys):
            if self.single:
                at = self._key_at
                rows = connection.execute(self._select(len(chunk)), chunk)
                found.update({row[at]: dict(zip(names, row, strict=True)) for row in rows})
            else:
                values = [part for key in chunk for part in self.parts(key)]
                rows = connection.execute(self._select(len(chunk)), values)
                found.update({row[0]: dict(zip(names, row[1:], strict=True)) for row in rows})
        return found

    def _select(self, count: int) -> str:
        known = ("select", str(count))
        if known not in self._texts:
            columns = self._names(self.columns)
            if self.single:
                where = f"{self.key_sql()} IN ({marks(count)})"
                self._texts[known] = f"SELECT {columns} FROM {self.name} WHERE {where}"  # noqa: S608 - names are quoted
            else:
                row = f"({marks(len(self.key_columns))})"
                where = f"({self._names(self.table.key)}) IN (VALUES {', '.join([row] * count)})"
                columns = f"{self.key_sql()}, {columns}"
                self._texts[known] = f"SELECT {columns} FROM {self.name} WHERE {where}"  # noqa: S608 - names are quoted
        return self._texts[known]

    def edited(self, connection: Connection, resource: int, limit: int, after: int) -> list[tuple[Any, ...]]:
        """The journal's oldest entries behind the number ``after``, with rows and shadows (or NULL).

        Of a table whose key is one column: number, what ``shadows.sql`` reads, and the columns.
        """
        columns = f"j.seq, s.row, s.version, s.remote_id, s.extra, {self._names(self.columns, 't.')}"
        shadow = "LEFT JOIN windlass_sync_shadows AS s ON s.resource = ?1 AND s.key = j.key"
        key = self.key_sql("t.")
        # What the column's collation takes for the key may be another one.
        row = f"LEFT JOIN {self.name} AS t ON {key} = j.key AND {key} = j.key COLLATE BINARY"
        # With the plus the entries are read in their order: others' among them are few.
        oldest = "WHERE +j.resource = ?1 AND j.seq > ?2 ORDER BY j.seq LIMIT ?3"
        statement = f"SELECT {columns} FROM windlass_journal AS j {shadow} {row} {oldest}"  # noqa: S608 - names are quoted
        values = (resource, after, limit)
        return _tolerant(connection, lambda: connection.execute(statement, values).fetchall())

    def page(
        self, connection: Connection, resource: int, after: Sequence[Any] | None, limit: int
    ) -> list[tuple[Key, Sequence[Any], Row, str | None]]:
        """Rows in their keys' order, beyond ``after``: key, its parts, the row, and its shadow's JSON."""
        names = self._names(self.table.key, "t.")
        conditions = [self.has_key_sql("t.") or "1"]
        if after is not None:
            conditions.append(f"({names}) > ({marks(len(after))})")
        # The plus takes the column's affinity away: with it, the shadows' index would not be used.
        what = (
            f"{self.key_sql('t.')}, {names}, {self._names(self.columns, 't.')}, s.row FROM {self.name} AS t"
        )
        shadow = f"LEFT JOIN windlass_sync_shadows AS s ON s.resource = ? AND s.key = +{self.key_sql('t.')}"
        statement = f"SELECT {what} {shadow} WHERE {' AND '.join(conditions)} ORDER BY {names} LIMIT ?"
        values = (resource, *(after or ()), limit)
        rows = _tolerant(connection, lambda: connection.execute(statement, values).fetchall())
        parts = 1 + len(self.table.key)
        return [
            (row[0], row[1:parts], dict(zip(self.columns, row[parts:-1], strict=True)), row[-1])
            for row in rows
        ]

    def missing(
        self, connection: Connection, resource: int, after: Sequence[Any] | None, limit: int
    ) -> tuple[Sequence[Any] | None, list[Key]]:
        """Keys of shadows without a row, beyond ``after``, and where the next page begins (None: nowhere)."""
        beyond = "" if after is None else "AND s.key > ?"
        there = ""
        if self.single:
            name = "t." + quoted(self.table.key[0])
            same = f"{name} = s.key AND {name} = s.key COLLATE BINARY"
            there = f"AND NOT EXISTS (SELECT 1 FROM {self.name} AS t WHERE {same})"  # noqa: S608 - names are quoted
        where = f"s.resource = ? {beyond} {there}"
        statement = f"SELECT s.key FROM windlass_sync_shadows AS s WHERE {where} ORDER BY s.key LIMIT ?"  # noqa: S608 - names are quoted
        page = connection.execute(statement, (resource, *(after or ()), limit)).fetchall()
        keys: list[Key] = [row[0] for row in page]
        if not self.single:
            rows = self.rows(connection, keys)
            keys = [key for key in keys if key not in rows]
        return (page[-1] if len(page) == limit else None), keys

    def has_nameless(self, connection: Connection) -> bool:
        """True where a row has no key by which it could be named."""
        if self.table.makes_keys:
            return False
        condition = " OR ".join(f"{quoted(name)} IS NULL" for name in self.table.key)
        statement = f"SELECT EXISTS (SELECT 1 FROM {self.name} WHERE {condition})"  # noqa: S608 - names are quoted
        return bool(connection.execute(statement).fetchone()[0])

    # ── writing ────────────────────────────────────────────────────────────────────────────────
    def remove(self, connection: Connection, keys: Iterable[Key]) -> None:
        """Deletes the rows of those keys."""
        statement = f"DELETE FROM {self.name} WHERE {self._where_key()}"  # noqa: S608 - names are quoted
        connection.executemany(statement, [(*parts, *parts) for parts in map(self.parts, keys)])

    def _where_key(self) -> str:
        # The second half tells 'a' from 'A' where the column's collation does not.
        loose = [f"{quoted(name)} = ?" for name in self.table.key]
        strict = [f"{quoted(name)} = ? COLLATE BINARY" for name in self.table.key]
        return " AND ".join(loose + strict)

    def put(self, connection: Connection, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        """Writes rows of those columns, the key's among them, over what is there."""
        if self._needs_more_than(columns):
            for row in rows:
                self._put_one(connection, columns, row)
        elif insert_all(connection, self._upsert(columns), rows) < len(rows):
            self._refuse_alike(connection, columns, rows)

    def _refuse_alike(
        self, connection: Connection, columns: tuple[str, ...], rows: list[tuple[Any, ...]]
    ) -> None:
        """Raises where a row was not written because its key is to the column another row's."""
        at = [columns.index(name) for name in self.table.key]
        for row in rows:
            parts = [row[place] for place in at]
            if self._alike(connection, parts):
                raise sqlite3.IntegrityError(f"a key that is the same as {parts!r} to the table is there")

    def alike(self, connection: Connection, key: Key) -> list[Key]:
        """The keys of rows that the table takes for the one of that key, spelled otherwise."""
        return self._alike(connection, self.parts(key)) if self._names_a_row(key) else []

    def _alike(self, connection: Connection, parts: Sequence[Any]) -> list[Key]:
        where = " AND ".join(f"{quoted(name)} = ?" for name in self.table.key)
        statement = f"SELECT {self.key_sql()} FROM {self.name} WHERE {where}"  # noqa: S608 - names are quoted
        found = connection.execute(statement, tuple(parts)).fetchall()
        return [key for (key,) in found if list(self.parts(key)) != list(parts)]

    def put_new(
        self, connection: Connection, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Inserts rows, and overwrites none, whatever the table says of conflicts.

        Raises:
            sqlite3.IntegrityError: one is there already, or the table refuses it.
        """
        insert_all(connection, Insert(self._head(columns, "INSERT OR ABORT")), rows)

    def repoint(self, connection: Connection, column: str, was: Key, to: Key) -> list[Key]:
        """Gives that column the one value where it has the other; the keys of the rows."""
        where = f"{quoted(column)} = ? RETURNING {self.key_sql()}"
        statement = f"UPDATE {self.name} SET {quoted(column)} = ? WHERE {where}"  # noqa: S608 - names are quoted
        return [row[0] for row in connection.execute(statement, (to, was)).fetchall()]

    def add(self, connection: Connection, row: Row, taken: int | None = None) -> int:
        """Inserts a row whose key the database makes, beyond ``taken``; the key."""
        columns = tuple(name for name in row if name not in self.table.key)
        values = [row[name] for name in columns]
        if taken is not None and taken >= self._highest_key(connection):
            columns, values = (*columns, *self.table.key), [*values, taken + 1]
        cursor = connection.execute(self._insert(columns), values)
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _highest_key(self, connection: Connection) -> int:
        statement = f"SELECT ifnull(max({self.key_sql()}), 0) FROM {self.name}"  # noqa: S608 - names are quoted
        return connection.execute(statement).fetchone()[0]

    def _needs_more_than(self, columns: tuple[str, ...]) -> bool:
        # An upsert fails for a column that it leaves out, though the row is there and keeps its value.
        return any(name not in columns for name in self.required)

    required: Sequence[str] = ()
    """Columns of the table that have neither NULL nor a default, synced or not."""

    def _put_one(self, connection: Connection, columns: tuple[str, ...], row: tuple[Any, ...]) -> None:
        values = dict(zip(columns, row, strict=True))
        others = [name for name in columns if name not in self.table.key]
        key = [values[name] for name in self.table.key]
        sets = ", ".join(f"{quoted(name)} = ?" for name in others)
        if others:
            statement = f"UPDATE {self.name} SET {sets} WHERE {self._where_key()}"  # noqa: S608 - names are quoted
            changed = connection.execute(statement, [*(values[name] for name in others), *key, *key])
            if changed.rowcount:
                return
        connection.execute(self._insert(columns), row)

    def _insert(self, columns: tuple[str, ...]) -> str:
        if not columns:
            return f"INSERT INTO {self.name} DEFAULT VALUES"
        return f"{self._head(columns)}({marks(len(columns))})"

    def _head(self, columns: tuple[str, ...], verb: str = "INSERT") -> str:
        return f"{verb} INTO {self.name} ({self._names(columns)}) VALUES "

    def _upsert(self, columns: tuple[str, ...]) -> Insert:
        if columns not in self._upserts:
            key = self._names(self.table.key)
            others = [quoted(name) for name in columns if name not in self.table.key]
            sets = ", ".join(f"{name} = excluded.{name}" for name in others)
            # Not over a row whose key is only to the collation the same.
            same = " AND ".join(
                f"{name} = excluded.{name} COLLATE BINARY" for name in map(quoted, self.table.key)
            )
            action = f"DO UPDATE SET {sets} WHERE {same}" if others else "DO NOTHING"
            self._upserts[columns] = Insert(self._head(columns), f" ON CONFLICT ({key}) {action}")
        return self._upserts[columns]


def _tolerant(connection: Any, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):
            raise
        connection.text_factory = _with_surrogates
        try:
            return read()
        finally:
            connection.text_factory = str


def _with_surrogates(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


@lru_cache(maxsize=256)
def user_table(definition: str, known_columns: str) -> UserTable:
    """The table of a resource as it is stored."""
    made = UserTable(msgspec.json.decode(definition, type=Table))
    made.required = msgspec.json.decode(known_columns, type=Known).required
    return made

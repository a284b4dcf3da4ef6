"""A table as SQLite describes it."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from windlass.change import KEEP, Affinity, Column, ForeignKey, Table
from windlass.errors import ConfigError
from windlass.store.relational.ledger.identifiers import quoted
from windlass.store.relational.ledger.statements import SQL

_LITERAL = re.compile(
    r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?|'(''|[^'])*'|[xX]'[0-9a-fA-F]*'|NULL|TRUE|FALSE", re.IGNORECASE
)
_OURS = ("windlass_", "sqlite_")
_ALSO_OURS = ("background_service_jobs", "sync_queue")


def describe(connection: sqlite3.Connection, table: str) -> Table:
    """See the protocol."""
    quoted(table)
    if table.lower().startswith(_OURS) or table.lower() in _ALSO_OURS:
        raise ConfigError(f"{table} is a table of Windlass's or SQLite's own: name one of the program's")
    found: tuple[str, str, int] | None = connection.execute(SQL["table_kind"], (table,)).fetchone()
    if found is None:
        raise ConfigError(f"there is no table {table!r}: create it before it is synced")
    name, kind, without_rowid = found
    if kind != "table":
        raise ConfigError(f"{name!r} is a {kind}, and only a table can be synced: name the one behind it")
    columns: list[Column] = []
    key: dict[int, Column] = {}
    for column, declared, not_null, default, place, hidden in connection.execute(SQL["columns"], (name,)):
        if hidden:
            continue
        quoted(column)
        declared = declared.upper()
        value = _default_of(connection, default)
        columns.append(Column(column, declared, affinity_of(declared), bool(not_null), value))
        if place:
            key[place] = columns[-1]
    if not key:
        raise ConfigError(
            f"{name!r} has no primary key, and without one nobody can say which row was changed: give it one"
        )
    parts = [key[place] for place in sorted(key)]
    if len(parts) == 1 and parts[0].affinity == "REAL":
        raise ConfigError(
            f"the primary key of {name!r} is {parts[0].name} {parts[0].declared}, and a fraction is no name "
            "for a row: use INTEGER or TEXT"
        )
    return Table(
        name=name,
        key=tuple(part.name for part in parts),
        columns=tuple(columns),
        foreign_keys=tuple(_foreign_keys(connection, name)),
        makes_keys=len(parts) == 1 and parts[0].declared == "INTEGER" and not without_rowid,
    )


def _default_of(connection: sqlite3.Connection, text: str | None) -> Any:
    if text is None:
        return None
    if not _LITERAL.fullmatch(text.strip()):
        return KEEP
    return connection.execute("SELECT " + text).fetchone()[0]


def _foreign_keys(connection: sqlite3.Connection, table: str) -> list[ForeignKey]:
    keys: list[ForeignKey] = []
    for _, parent, column, to, parts in connection.execute(SQL["foreign_keys"], (table,)).fetchall():
        if parts != 1:
            continue
        if to is None:
            # Without a column it is the parent's primary key.
            named = [row[0] for row in connection.execute(SQL["columns"], (parent,)) if row[4]]
            if len(named) != 1:
                continue
            to = named[0]
        keys.append(ForeignKey(column, parent, to))
    return keys


def affinity_of(declared: str) -> Affinity:
    """SQLite's own rule, by what a declared type contains.

    >>> affinity_of("VARCHAR(20)"), affinity_of("POINT"), affinity_of("DATETIME"), affinity_of("")
    ('TEXT', 'INTEGER', 'NUMERIC', 'BLOB')
    """
    if "INT" in declared:
        return "INTEGER"
    if any(part in declared for part in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if not declared or "BLOB" in declared or declared == "ANY":
        return "BLOB"
    if any(part in declared for part in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"

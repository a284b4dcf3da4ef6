"""A table as PostgreSQL describes it."""

from __future__ import annotations

import re
from typing import Any

from windlass.change import KEEP, Affinity, Column, ForeignKey, Table
from windlass.errors import ConfigError
from windlass.store.postgres.ledger.statements import LedgerStatements
from windlass.store.postgres.ledger.tables import reading
from windlass.store.relational.ledger.identifiers import quoted

_LITERAL = re.compile(r"(?:[+-]?\d+(?:\.\d*)?|'(?:''|[^'])*'|NULL|true|false)(?:::[a-z \"()\[\]0-9_]+)?")
_ALSO_OURS = ("background_service_jobs", "sync_queue")
_KINDS = {"v": "view", "m": "materialized view", "f": "foreign table", "S": "sequence", "i": "index"}
_WHOLE = ("int2", "int4", "int8")
_KEYS = (*_WHOLE, "text", "varchar", "uuid")

_TABLE = "SELECT c.oid, c.relname, c.relkind FROM pg_class AS c WHERE c.oid = to_regclass(%s)"
_COLUMNS = """
    SELECT a.attname, b.typname, b.typcategory,
        format_type(b.oid, NULLIF(CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE a.atttypmod END, -1)),
        a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated,
        array_position(k.conkey, a.attnum)
    FROM pg_attribute AS a
    JOIN pg_type AS t ON t.oid = a.atttypid
    JOIN pg_type AS b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_constraint AS k ON k.conrelid = a.attrelid AND k.contype = 'p'
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum
"""
_FOREIGN_KEYS = """
    SELECT a.attname, r.relname, b.attname
    FROM pg_constraint AS k
    JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
    JOIN pg_class AS r ON r.oid = k.confrelid
    JOIN pg_attribute AS b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
    WHERE k.conrelid = %s AND k.contype = 'f' AND array_length(k.conkey, 1) = 1 AND k.conparentid = 0
    ORDER BY k.oid
"""


def describe(connection: LedgerStatements, table: str) -> Table:
    """See the protocol."""
    if table.startswith("windlass_") or table in _ALSO_OURS:
        raise ConfigError(f"{table} is a table of Windlass's own: name one of the program's")
    found = connection.run(_TABLE, (quoted(table),)).fetchone()
    if found is None:
        raise ConfigError(f"there is no table {table!r}: create it before it is synced")
    oid, name, kind = found
    if kind not in ("r", "p"):
        what = _KINDS.get(kind, "relation of another kind")
        raise ConfigError(f"{name!r} is a {what}, and only a table can be synced: name the one behind it")
    columns: list[Column] = []
    key: dict[int, tuple[Column, str]] = {}
    makes_keys = False
    for column, base, category, spelled, not_null, default, identity, generated, place in connection.run(
        _COLUMNS, (oid,)
    ).fetchall():
        if generated:
            continue
        quoted(column)
        declared, affinity = _kind_of(base, category, spelled)
        is_made = bool(identity) or (default is not None and default.startswith("nextval("))
        value = KEEP if is_made else _default_of(connection, default, column, declared, affinity)
        columns.append(Column(column, declared, affinity, not_null, value))
        if place:
            key[place] = columns[-1], base
            makes_keys = is_made and base in _WHOLE
    if not key:
        raise ConfigError(
            f"{name!r} has no primary key, and without one nobody can say which row was changed: give it one"
        )
    for part, base in key.values():
        _check_key(name, part, base)
    return Table(
        name=name,
        key=tuple(key[place][0].name for place in sorted(key)),
        columns=tuple(columns),
        foreign_keys=tuple(ForeignKey(*row) for row in connection.run(_FOREIGN_KEYS, (oid,)).fetchall()),
        makes_keys=len(key) == 1 and makes_keys,
    )


def _check_key(table: str, part: Column, base: str) -> None:
    if base in _KEYS:
        return
    told = f"the primary key of {table!r} is {part.name} {part.declared}"
    if part.affinity in ("REAL", "NUMERIC"):
        raise ConfigError(f"{told}, and a fraction is no name for a row: use BIGINT, TEXT or UUID")
    raise ConfigError(f"{told}, and a row is named by integers, TEXT or UUID alone: use one of these")


def _kind_of(base: str, category: str, spelled: str) -> tuple[str, Affinity]:
    if category == "A":
        # Arrays are told as those of JSON; the rest of the word is what they are made of again.
        return f"JSON {spelled}", "TEXT"
    if base in ("json", "jsonb"):
        return base.upper(), "TEXT"
    if base in _WHOLE or base == "bool":
        return spelled.upper(), "INTEGER"
    if base in ("float4", "float8"):
        return spelled.upper(), "REAL"
    if base == "numeric":
        return "NUMERIC", "NUMERIC"
    return ("BYTEA", "BLOB") if base == "bytea" else (spelled.upper(), "TEXT")


def _default_of(
    connection: LedgerStatements, text: str | None, name: str, declared: str, affinity: Affinity
) -> Any:
    """What a new row gets, in local form; ``KEEP`` for what is worked out each time anew."""
    if text is None:
        return None
    if not _LITERAL.fullmatch(text):
        return KEEP
    column = Column(name, declared, affinity)
    told, convert = reading(column)
    statement = f"SELECT {told} FROM (SELECT {text} AS {quoted(name)}) AS made"  # noqa: S608 - a literal of the schema's own
    value: Any = connection.run(statement.replace("%", "%%")).fetchall()[0][0]
    return value if convert is None or value is None else convert(value)

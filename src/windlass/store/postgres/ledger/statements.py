"""Running the ledger's statements through psycopg: a key is JSON here, a number or a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import postgres
from psycopg.adapt import AdaptersMap, Loader
from psycopg.rows import tuple_row
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from psycopg.types.string import StrDumper

from windlass.store.postgres.dialect import Statement, respelled
from windlass.store.relational.engine import Values
from windlass.store.relational.ledger.statements import CHANGE_COLUMNS
from windlass.store.relational.ledger.statements import SQL as REFERENCE

FOLDER = Path(__file__).parent / "sql"

SQL: dict[str, str] = {
    file.stem: file.read_text(encoding="utf-8").replace(":columns", CHANGE_COLUMNS)
    for file in sorted(FOLDER.glob("*.sql"))
}
"""The statements that are of another kind here, by name."""

_INSTEAD = {REFERENCE[name]: text for name, text in SQL.items()}
_COMMENT = re.compile(r"^--[^\n]*\n", re.MULTILINE)
_KEY = re.compile(r"\bkey ([=>]) \?")
_KEYS = re.compile(r"\bkey IN \((\?(?:, \?)*)\)")


class _JsonLoader(Loader):
    """JSON as ours is read."""

    def load(self, data: Any) -> Any:
        return msgspec.json.decode(bytes(data))


def _adapters() -> AdaptersMap:
    found = AdaptersMap(postgres.adapters)
    # Every value has one type, so that a statement has one plan, and a key knows whether it is a text.
    found.register_dumper(int, Int8BinaryDumper)
    found.register_dumper(int, Int8Dumper)
    found.register_dumper(bool, Int8BinaryDumper)
    found.register_dumper(str, StrDumper)
    found.register_loader("jsonb", _JsonLoader)
    return found


_ADAPTERS = _adapters()


class _KeyCursor(psycopg.Cursor[Any]):
    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


@lru_cache(maxsize=1024)
def spelled(sql: str) -> Statement:
    """The statement in PostgreSQL's spelling.

    >>> spelled("SELECT row FROM t WHERE resource = ? AND key IN (?, ?)").text
    'SELECT row FROM t WHERE resource = %s AND key IN (to_jsonb(%s), to_jsonb(%s))'
    """
    instead = _INSTEAD.get(sql)
    if instead is not None:
        return respelled(_COMMENT.sub("", instead))
    text = _KEY.sub(r"key \1 to_jsonb(?)", sql)
    return respelled(_KEYS.sub(lambda found: f"key IN ({found[1].replace('?', 'to_jsonb(?)')})", text))


class LedgerStatements:
    """A connection as the ledger knows it."""

    __slots__ = ("raw",)

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw

    def cursor(self) -> psycopg.Cursor[Any]:
        """A cursor for statements in PostgreSQL's own spelling, whose values are of the ledger's types."""
        return _KeyCursor(self.raw, row_factory=tuple_row)

    def execute(self, sql: str, parameters: Values = (), /) -> Any:
        """Runs a statement in the ledger's spelling."""
        statement = spelled(sql)
        text: Any = statement.text
        return self.cursor().execute(text, _named(parameters) if statement.numbered else parameters)

    def executemany(self, sql: str, parameters: Iterable[Values], /) -> Any:
        """Runs it for each of these; not at all where there are none."""
        statement = spelled(sql)
        rows: list[Any] = [_named(row) if statement.numbered else row for row in parameters]
        cursor = self.cursor()
        if rows:
            text: Any = statement.text
            cursor.executemany(text, rows)
        return cursor

    def run(self, sql: Any, parameters: Any = ()) -> psycopg.Cursor[Any]:
        """Runs a statement about a user's table: texts take the type of what they are put into."""
        return psycopg.Cursor(self.raw, row_factory=tuple_row).execute(sql, parameters)

    def run_many(self, sql: Any, rows: Iterable[Any]) -> int:
        """The same, for each of these; how many rows were written."""
        cursor = psycopg.Cursor(self.raw, row_factory=tuple_row)
        cursor.executemany(sql, rows)
        return cursor.rowcount


def _named(parameters: Any) -> Any:
    if isinstance(parameters, dict):
        return parameters  # pyright: ignore[reportUnknownVariableType]
    return {f"p{place}": value for place, value in enumerate(parameters, 1)}

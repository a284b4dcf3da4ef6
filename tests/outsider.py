"""A program that knows the database and nothing of Windlass, on either store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg

from windlass.store.postgres.location import is_postgres


def connect(url: str, *, autocommit: bool = False) -> Any:
    """A connection of the driver's own kind, which any thread may use."""
    if is_postgres(url):
        return psycopg.connect(url, autocommit=autocommit)
    return sqlite3.connect(url, isolation_level=None if autocommit else "DEFERRED", check_same_thread=False)


@contextmanager
def connected(url: str, *, autocommit: bool = False) -> Iterator[Any]:
    """The same for as long as the block lasts; what is not committed then is rolled back."""
    with closing(connect(url, autocommit=autocommit)) as connection:
        yield connection


def spelt(url: str, statement: str) -> str:
    """The statement with its values marked as that driver wants them: ``?`` stands for one."""
    return statement.replace("?", "%s") if is_postgres(url) else statement


def run(url: str, statement: str, *values: Any) -> list[Any]:
    """One statement, committed; the rows it gives."""
    with connected(url, autocommit=True) as connection:
        cursor = connection.execute(spelt(url, statement), values)
        return cursor.fetchall() if cursor.description else []

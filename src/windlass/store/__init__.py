"""Stores: where jobs live.

``protocol.py`` is the contract; ``sqlite/`` keeps it in one SQLite file, ``postgres/`` in a PostgreSQL
database. SQL is source: each statement is a file in ``sql/`` named like the method that runs it. Invariants
every store keeps:

* A row is settled only by the attempt that owns it: id, attempt number and random lease token all match.
* Nobody holds the write lock while waiting for user code, a reader or the network.
* A claim never steps over rows it may not run: ready work lies in lanes, and a lane that may not be opened
  is not opened.
* What a caller was told is done is on the disk (``full``), or will be within about a second (``fast``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from windlass.errors import ConfigError

if TYPE_CHECKING:
    import sqlite3

    import psycopg

    from windlass.clock import Clock
    from windlass.store.postgres.store import PostgresStore
    from windlass.store.sqlite.store import SqliteStore


def open_store(
    database: str | os.PathLike[str] | sqlite3.Connection | psycopg.Connection[Any],
    clock: Clock | None = None,
) -> SqliteStore | PostgresStore:
    """The store for a file name, an ``sqlite:///`` or a ``postgresql://`` URL; nothing is opened yet.

    Or for a connection of the program's own, of ``sqlite3`` or ``psycopg``: then it works on that connection,
    on its thread, and inside its transaction where one is open.

    Raises:
        ConfigError: a URL of a kind this version has no store for, a database in memory, or a driver that is
            not installed.
    """
    if not isinstance(database, (str, os.PathLike)):
        return _on_connection(database, clock)
    name = os.fspath(database)
    scheme, separator, rest = name.partition("://")
    if separator and scheme.partition("+")[0] in ("postgresql", "postgres"):
        return _postgres(name, clock)
    if separator and scheme != "sqlite":
        # Not shown: one that is misspelt may hold a password, too.
        raise ConfigError(
            f"no store for {scheme}://: expected an SQLite file, such as app.db, or a postgresql:// URL"
        )
    path = rest.removeprefix("/") if separator else name
    if not path or path == ":memory:":
        raise ConfigError(
            f"expected a database file, got {name!r}: jobs in memory would not survive the program"
        )
    from windlass.store.sqlite.store import SqliteStore

    return SqliteStore(path, clock)


def _postgres(url: str, clock: Clock | None) -> PostgresStore:
    try:
        from windlass.store.postgres.store import PostgresStore
    except ImportError as error:
        raise ConfigError(
            f'a postgresql:// URL needs psycopg ({error}): pip install "windlass[postgres]"'
        ) from error
    return PostgresStore(url, clock)


def _on_connection(connection: Any, clock: Clock | None) -> SqliteStore | PostgresStore:
    if any(base.__module__.partition(".")[0] == "psycopg" for base in type(connection).__mro__):
        from windlass.store.postgres.borrowed import BorrowedPostgresStore

        return BorrowedPostgresStore(connection, clock)
    from windlass.store.sqlite.borrowed import BorrowedStore

    return BorrowedStore(connection, clock)

"""Stores: where jobs live.

``protocol.py`` is the contract; ``sqlite.py`` keeps it in one SQLite file. SQL is source: each statement is
a file in ``sql/`` named like the method that runs it. Invariants every store keeps:

* A row is settled only by the attempt that owns it: id, attempt number and random lease token all match.
* Nobody holds the write lock while waiting for user code, a reader or the network.
* A claim never steps over rows it may not run: ready work lies in lanes, and a lane that may not be opened
  is not opened.
* What a caller was told is done is on the disk (``full``), or will be within about a second (``fast``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from windlass.errors import ConfigError

if TYPE_CHECKING:
    import sqlite3

    from windlass.clock import Clock
    from windlass.store.sqlite.store import SqliteStore


def open_store(
    database: str | os.PathLike[str] | sqlite3.Connection, clock: Clock | None = None
) -> SqliteStore:
    """The store for a file name or an ``sqlite:///`` URL; nothing is opened yet.

    Or for a ``sqlite3`` connection of the program's own: then it works on that connection, on its thread, and
    inside its transaction where one is open.

    Raises:
        ConfigError: a URL of a kind this version has no store for, or a database in memory.
    """
    from windlass.store.sqlite.store import SqliteStore

    if not isinstance(database, (str, os.PathLike)):
        from windlass.store.sqlite.borrowed import BorrowedStore

        return BorrowedStore(database, clock)
    name = os.fspath(database)
    scheme, separator, rest = name.partition("://")
    if separator and scheme != "sqlite":
        raise ConfigError(f"no store for {scheme}:// yet: name an SQLite file, such as app.db, got {name!r}")
    path = rest.removeprefix("/") if separator else name
    if not path or path == ":memory:":
        raise ConfigError(
            f"expected a database file, got {name!r}: jobs in memory would not survive the program"
        )
    return SqliteStore(path, clock)

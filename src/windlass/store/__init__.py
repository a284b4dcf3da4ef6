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

from typing import TYPE_CHECKING

from windlass.errors import ConfigError

if TYPE_CHECKING:
    from windlass.clock import Clock
    from windlass.store.sqlite.store import SqliteStore


def open_store(database: str, clock: Clock | None = None) -> SqliteStore:
    """The store for a file name or an ``sqlite:///`` URL. Nothing is opened yet.

    Raises:
        ConfigError: a URL of a kind this version has no store for.
    """
    scheme, separator, rest = database.partition("://")
    if separator and scheme != "sqlite":
        raise ConfigError(
            f"no store for {scheme}:// yet: name an SQLite file, such as app.db, got {database!r}"
        )
    path = rest.removeprefix("/") if separator else database
    if not path or path == ":memory:":
        raise ConfigError(
            f"expected a database file, got {database!r}: jobs in memory would not survive the program"
        )
    from windlass.store.sqlite.store import SqliteStore

    return SqliteStore(path, clock)

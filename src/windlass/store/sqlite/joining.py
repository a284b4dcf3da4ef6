"""A caller's own connection: whether it may be used, and how to work inside its transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

from windlass.errors import InvalidJob, StoreUnavailable
from windlass.store.sqlite.faults import translated


def file_of(connection: Any) -> str:
    """The database file of a caller's connection; an empty text where it has none.

    Raises:
        InvalidJob: it is no ``sqlite3`` connection, closed, or another thread's.
    """
    if not isinstance(connection, sqlite3.Connection):
        raise InvalidJob(f"expected connection to be a sqlite3.Connection, got {type(connection).__name__}")
    try:
        with plain(connection):
            row: tuple[int, str, str | None] = connection.execute("PRAGMA database_list").fetchone()
    except sqlite3.ProgrammingError as error:
        raise InvalidJob(f"the connection cannot be used here ({error}): nothing was written") from error
    return row[2] or ""


def check_file(connection: Any, path: str) -> None:
    """Refuses a connection to any other file than ``path``.

    Raises:
        InvalidJob: it is no connection, cannot be used, or its ``main`` database is another.
    """
    file = file_of(connection)
    if file == path:
        return
    with suppress(OSError):  # one of the two is no file: then they are not the same
        if file and os.path.samefile(file, path):
            return
    raise InvalidJob(
        f"the connection belongs to {file or 'a database in memory'}, and the jobs are kept in {path}: a job "
        "can only be enqueued inside a transaction of its own database"
    )


@contextmanager
def joined(connection: sqlite3.Connection, path: str, *, apart: bool) -> Generator[None]:
    """Inside the caller's transaction, or Python's implicit one; ``apart``: what fails here is undone alone.

    Raises:
        StoreUnavailable: nothing was written.
    """
    try:
        with plain(connection), translated(path):
            if not apart:
                yield
                return
            if not connection.in_transaction and _begins_by_itself(connection):
                # As Python does before an INSERT: a savepoint without it would commit when it is released.
                connection.execute("BEGIN")
            connection.execute("SAVEPOINT windlass")
            try:
                yield
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite may have rolled everything back; the error is raised
                    connection.execute("ROLLBACK TO windlass")
                    connection.execute("RELEASE windlass")
                raise
            connection.execute("RELEASE windlass")
    except StoreUnavailable as error:
        if getattr(error.__cause__, "sqlite_errorcode", 0) != sqlite3.SQLITE_BUSY_SNAPSHOT:
            raise
        raise StoreUnavailable(
            f"{path} was written by someone else since this transaction began to read: roll it back, and "
            "begin it with BEGIN IMMEDIATE"
        ) from error


@contextmanager
def plain(connection: sqlite3.Connection) -> Generator[None]:
    """Rows as tuples and texts as ``str``, whatever the caller has set; set back at the end."""
    rows, texts = connection.row_factory, connection.text_factory
    if rows is None and texts is str:
        yield
        return
    connection.row_factory, connection.text_factory = None, str
    try:
        yield
    finally:
        connection.row_factory, connection.text_factory = rows, texts


def _begins_by_itself(connection: sqlite3.Connection) -> bool:
    legacy = getattr(sqlite3, "LEGACY_TRANSACTION_CONTROL", -1)
    return getattr(connection, "autocommit", legacy) == legacy and connection.isolation_level is not None

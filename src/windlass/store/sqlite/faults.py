"""What SQLite's errors mean to a caller, in our own words."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from windlass.errors import StoreUnavailable, UnsafeDatabase

_CANNOT_NOW = {
    sqlite3.SQLITE_BUSY: "is locked by another connection",
    sqlite3.SQLITE_LOCKED: "is locked by another connection",
    sqlite3.SQLITE_PROTOCOL: "is locked by another connection",
    sqlite3.SQLITE_FULL: "is on a full disk",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_IOERR: "could not be read or written",
    sqlite3.SQLITE_CANTOPEN: "could not be opened (check permissions and the limit of open files)",
    sqlite3.SQLITE_NOMEM: "ran out of memory",
    sqlite3.SQLITE_INTERRUPT: "was closed by another thread",
}
OURS = "windlass: "
"""What an error begins with that a trigger of ours raises."""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_OUR_COLUMN = re.compile(r"(?:no such column: (?:\w+\.)?|.* has no column named )unique_key$")
_OUR_TABLE = re.compile(r"no such table: (?:main\.)?(?:windlass_|background_service_jobs)")


@contextmanager
def translated(path: str) -> Generator[None]:
    """Turns the driver's errors into ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        ours = translate(error, path)
        if ours is error:
            raise
        raise ours from error


def translate(error: sqlite3.DatabaseError, path: str) -> Exception:
    """The error of ours that says what the driver's means; programming errors stay what they are."""
    code = primary(error)
    if code in _DAMAGED or "unsupported file format" in str(error):
        return UnsafeDatabase(
            f"{path} is damaged or not an SQLite database ({error}): nothing was changed; "
            "restore a backup with windlass restore"
        )
    if code in _CANNOT_NOW:
        return StoreUnavailable(
            f"{path} {_CANNOT_NOW[code]} ({error}): nothing was written; try again when that is mended"
        )
    if code == sqlite3.SQLITE_CONSTRAINT and str(error).startswith(OURS):
        return StoreUnavailable(f"{path}: {str(error).removeprefix(OURS)}; nothing was written")
    if _OUR_TABLE.match(str(error)):
        return UnsafeDatabase(
            f"{path} has no tables of Windlass yet ({error}): make them with windlass migrate, or by one use "
            "of the Windlass app on this file"
        )
    if _OUR_COLUMN.match(str(error)):
        return UnsafeDatabase(
            f"{path} has the tables of an older Windlass ({error}): bring them up to date with windlass "
            "migrate, or by one use of the Windlass app on this file"
        )
    return error


def primary(error: sqlite3.Error) -> int:
    """SQLite's primary result code, or 0 where the error is not SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

"""Rows whose text is no text: what a foreign program wrote in another encoding than UTF-8.

Such a row cannot be read at all, and would stop every statement that meets it. It is held, with a reason; the
bytes that are no UTF-8 are kept in the row as ``\\xff``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeVar

from windlass.store.relational.base import Role
from windlass.store.sqlite.database import Database

_HELD_MOST = 100
_T = TypeVar("_T")


class Mending(Role):
    """What to do where such a row is met."""

    database: Database

    def despite_bad_text(self, do: Callable[[], _T]) -> _T:
        try:
            return do()
        except sqlite3.OperationalError as error:
            if not is_undecodable(error):
                raise
        # Not above: the error's traceback keeps cursors open, and they an old view that nobody may write on.
        hold_undecodable(self.database, self.now()[1])
        return do()

    def until_bad_text(self, rows: Iterable[Any], before: Sized) -> Iterator[Any]:
        try:
            yield from rows
        except sqlite3.OperationalError as error:
            # What was accepted so far is on its way and stays claimed: the next turn meets the bad row again.
            if not before or not is_undecodable(error):
                raise


def is_undecodable(error: sqlite3.Error) -> bool:
    """True where a statement failed over text that is no UTF-8."""
    return "Could not decode to UTF-8" in str(error)


def hold_undecodable(database: Database, now: str) -> int:
    """Holds unfinished jobs that cannot be read; how many. Reads all, so: only after a statement failed."""
    connection = database.connect(isolation_level=None)
    try:
        connection.text_factory = bytes
        cursor = connection.execute(
            "SELECT * FROM background_service_jobs WHERE status NOT IN ('COMPLETED', 'FAILED', 'CANCELLED')"
        )
        names = [column[0] for column in cursor.description]
        bad: list[tuple[int, dict[str, str]]] = []
        for row in cursor:
            mended = _mended(dict(zip(names, row, strict=True)))
            if mended:
                bad.append((row[0], mended))
            if len(bad) >= _HELD_MOST:
                break
    finally:
        database.release(connection)
    if bad:
        with database.write(full=True) as writer:
            for job_id, mended in bad:
                _hold(writer, job_id, mended, now)
    return len(bad)


def _mended(row: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in row.items():
        if isinstance(value, bytes):
            try:
                value.decode()
            except UnicodeDecodeError:
                found[name] = value.decode(errors="backslashreplace")
    return found


def _hold(writer: sqlite3.Connection, job_id: int, mended: dict[str, str], now: str) -> None:
    reason = f"{' and '.join(mended)}: expected UTF-8 text; the bytes that are none are now written as \\x.."
    values = mended | {"hold": reason, "status": "PENDING", "updated_at": now}
    # A row of a status that is none of ours stood in nobody's way: its unique key may be another's by now.
    unique = values.pop("unique_key", None)
    kept = "NULL" if unique else "iif(status = 'PENDING' OR status = 'RUNNING', unique_key, NULL)"
    columns = ", ".join([f"unique_key = {kept}", *(f'"{name}" = ?' for name in values)])
    writer.execute(
        f"UPDATE background_service_jobs SET {columns}, lease_owner = NULL, lease_token = NULL, "  # noqa: S608
        "run_at = NULL, run_at_boot = NULL, boot_id = NULL WHERE id = ?",
        (*values.values(), job_id),
    )

"""Where a replica's rows are: a file, or a schema of its own on the tests' PostgreSQL server."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from windlass.store.postgres.location import is_postgres

OURS = "^(windlass_|background_service_jobs|sync_queue)"
Places = Callable[[str], str]
"""What the fixture ``places`` gives: the database of that name, the same one each time."""


def connected(database: str) -> Any:
    """Another program's connection; each statement commits by itself unless it says BEGIN."""
    if is_postgres(database):
        from tests.postgres.plain import Plain

        return Plain.at(database)
    db = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    return db


def moment(db: Any) -> Any:
    """What is another with each commit that wrote anything of ours."""
    if isinstance(db, sqlite3.Connection):
        return db.execute("PRAGMA data_version").fetchone()[0]
    names = db.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relname ~ ?", (OURS,)
    )
    # Each version of a row has a place, and the number of the transaction that wrote it.
    return {
        name: sorted(map(tuple, db.execute(f"SELECT ctid::text, xmin::text FROM {name}")))
        for (name,) in names.fetchall()
    }


def has_table(db: Any, name: str) -> bool:
    """True where there is one."""
    if isinstance(db, sqlite3.Connection):
        found = db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,))
    else:
        found = db.execute("SELECT 1 WHERE to_regclass(?) IS NOT NULL", (name,))
    return found.fetchone() is not None

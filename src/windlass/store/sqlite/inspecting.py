"""Looking at a file without changing it: what ``windlass doctor`` and ``migrate --sql`` ask."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from windlass.store.sqlite.faults import translated
from windlass.store.sqlite.migrate import Migration, migrations, pending

if TYPE_CHECKING:
    from windlass.store.sqlite.store import SqliteStore

LIBRARY: tuple[int, int, int] = sqlite3.sqlite_version_info
"""The SQLite library that this process runs."""

_RACE_FIRST, _RACE_LAST = (3, 7, 0), (3, 51, 2)
_RACE_MENDED = frozenset({(3, 44, 6), (3, 50, 7)})


def checkpoints_may_race(version: tuple[int, int, int]) -> bool:
    """True for the versions in which another connection's passive checkpoint may lose a writer's commit."""
    return _RACE_FIRST <= version <= _RACE_LAST and version not in _RACE_MENDED


def waiting_migrations(path: str) -> list[Migration]:
    """The migrations that the file still lacks: all where there is no file. Creates and changes nothing.

    Raises:
        NewerSchema: a newer Windlass wrote it.
        UnsafeDatabase: it is damaged, or no SQLite database.
    """
    known = migrations()
    if not os.path.exists(path):
        return known
    with translated(path), closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True)) as connection:
        return pending(connection, path, known)


def count_odd(store: SqliteStore) -> int:
    """How many rows foreign hands left in a state no job can be in, and upkeep has not held yet."""
    # Word for word the condition of the index windlass_jobs_odd, or the planner does not see that it applies.
    return _number(
        store,
        "SELECT count(*) FROM background_service_jobs "
        "WHERE (status <> 'PENDING' AND status <> 'RUNNING' AND status <> 'COMPLETED' AND status <> 'FAILED' "
        "AND status <> 'CANCELLED') "
        "OR typeof(run_at) NOT IN ('integer', 'null') "
        "OR (run_at IS NOT NULL AND boot_id IS NOT NULL AND typeof(run_at_boot) <> 'integer') "
        "OR (status = 'RUNNING' AND lease_owner IS NULL) "
        "OR ((status = 'COMPLETED' OR status = 'FAILED' OR status = 'CANCELLED') "
        "AND typeof(finished_at) <> 'integer')",
    )


def _number(store: SqliteStore, statement: str, *values: int) -> int:
    with store.database.read() as connection:
        row: tuple[int] = connection.execute(statement, values).fetchone()
    return row[0]

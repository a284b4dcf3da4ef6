"""Numbered migrations: applied once, in order, under the write lock, each with its checksum.

A database from a newer Windlass is refused and left byte for byte as it was. A migration whose text changed
after it was applied is refused too: the file no longer says what the code believes.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from windlass.errors import NewerSchema, StoreUnavailable, UnsafeDatabase
from windlass.store.migration import Migration, read_migrations
from windlass.store.sqlite.database import Database
from windlass.store.sqlite.faults import primary

FOLDER = Path(__file__).parent / "schema"

_LEDGER = """
CREATE TABLE IF NOT EXISTS windlass_migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
)
"""


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """All migrations this version knows, in order."""
    return read_migrations(folder)


def pending(connection: sqlite3.Connection, path: str, known: list[Migration]) -> list[Migration]:
    """Those not yet applied; refuses a file that a newer or an altered Windlass wrote."""
    has_ledger = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE name = 'windlass_migrations'"
    ).fetchone()
    if not has_ledger:
        return known
    applied: dict[int, str] = dict(connection.execute("SELECT number, checksum FROM windlass_migrations"))
    newest = known[-1].number if known else 0
    if applied and max(applied) > newest:
        raise NewerSchema(
            f"{path} has schema {max(applied)}, this Windlass knows up to {newest}: "
            "upgrade Windlass, or restore a backup"
        )
    for migration in known:
        if migration.number in applied and applied[migration.number] != migration.checksum:
            raise UnsafeDatabase(
                f"{path}: migration {migration.name} was applied with another text than this Windlass "
                "carries: use the version that wrote it, or restore a backup"
            )
    return [migration for migration in known if migration.number not in applied]


def vet(connection: sqlite3.Connection) -> None:
    """Refuses a file that this version must not touch, before anything in it is changed."""
    file: str = connection.execute("PRAGMA database_list").fetchone()[2]
    pending(connection, file, migrations())


def migrate(database: Database, known: list[Migration] | None = None) -> list[str]:
    """Brings the file up to date in one transaction; the names of what was applied.

    Raises:
        UnsafeDatabase: newer, altered, or with a table of that name which Windlass did not make.
        StoreUnavailable: the write lock could not be had.
    """
    known = migrations() if known is None else known
    with database.read() as connection:
        todo = pending(connection, database.path, known)
    if not todo:
        return []
    try:
        with database.write(full=True) as connection:
            # Again, under the lock: another process may have been faster.
            todo = pending(connection, database.path, known)
            connection.execute(_LEDGER)
            for migration in todo:
                _apply(connection, migration, database.path)
    except StoreUnavailable as error:
        raise StoreUnavailable(
            f"the tables of Windlass could not be brought up to date: {error}; where a transaction of this "
            "program holds the lock, run windlass migrate, or use the app once, before it begins"
        ) from error
    return [migration.name for migration in todo]


def _apply(connection: sqlite3.Connection, migration: Migration, path: str) -> None:
    try:
        for statement in statements(migration.text):
            connection.execute(statement)
    except sqlite3.OperationalError as error:
        if primary(error) != sqlite3.SQLITE_ERROR:
            raise
        raise UnsafeDatabase(
            f"{path}: migration {migration.name} does not fit what is there ({error}): nothing was changed; "
            "rename what Windlass did not make, or name another file"
        ) from error
    connection.execute(
        "INSERT INTO windlass_migrations (number, name, checksum) VALUES (?, ?, ?)",
        (migration.number, migration.name, migration.checksum),
    )


def statements(text: str) -> list[str]:
    """The single statements of a script: ``executescript`` would commit behind our back."""
    found: list[str] = []
    buffer = ""
    for line in text.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            found.append(buffer.strip())
            buffer = ""
    if buffer.strip():
        raise ValueError(f"expected a semicolon after {buffer.strip()[-60:]!r}")
    return found

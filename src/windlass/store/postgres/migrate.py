"""Numbered migrations, as in ``store/sqlite/migrate.py``: applied once, in order, in one transaction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors

from windlass.errors import NewerSchema, StoreUnavailable, UnsafeDatabase
from windlass.store.migration import Migration, read_migrations
from windlass.store.postgres.faults import first_line

if TYPE_CHECKING:
    from windlass.store.postgres.database import Database
    from windlass.store.postgres.statements import Statements

FOLDER = Path(__file__).parent / "schema"

_LEDGER = """
CREATE TABLE IF NOT EXISTS windlass_migrations (
    number     BIGINT PRIMARY KEY,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    applied_at TEXT NOT NULL
        DEFAULT (to_char(clock_timestamp() AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
)
"""
_TRIES = 3
_FORBIDDEN = (errors.InsufficientPrivilege, errors.InvalidSchemaName)


def migrations() -> list[Migration]:
    """All migrations this version knows, in order."""
    return read_migrations(FOLDER)


def pending(connection: Statements, name: str, known: list[Migration]) -> list[Migration]:
    """Those not yet applied; refuses a database that a newer or an altered Windlass wrote."""
    if connection.execute("SELECT to_regclass('windlass_migrations') IS NULL").fetchone()[0]:
        return known
    applied: dict[int, str] = dict(
        connection.execute("SELECT number, checksum FROM windlass_migrations").fetchall()
    )
    newest = known[-1].number if known else 0
    if applied and max(applied) > newest:
        raise NewerSchema(
            f"{name} has schema {max(applied)}, this Windlass knows up to {newest}: "
            "upgrade Windlass, or restore a backup"
        )
    for migration in known:
        if applied.get(migration.number, migration.checksum) != migration.checksum:
            raise UnsafeDatabase(
                f"{name}: migration {migration.name} was applied with another text than this Windlass "
                "carries: use the version that wrote it, or restore a backup"
            )
    return [migration for migration in known if migration.number not in applied]


def vet(connection: Statements, name: str) -> None:
    """Refuses a database that this version must not touch, before anything in it is changed."""
    encoding = connection.raw.info.parameter_status("server_encoding")
    if encoding not in (None, "UTF8"):
        raise UnsafeDatabase(
            f"{name} keeps texts in {encoding}, in which many cannot be written: nothing was changed; make "
            "another one by CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
    pending(connection, name, migrations())


def migrate(database: Database) -> list[str]:
    """Brings the schema up to date in one transaction; the names of what was applied.

    Raises:
        UnsafeDatabase: newer, altered, or with a table of that name which Windlass did not make; or the role
            may not make tables there.
    """
    known = migrations()
    for last in range(_TRIES):
        with database.read() as connection:
            if not pending(connection, database.name, known):
                return []
        try:
            return _migrate(database, known)
        except (errors.UniqueViolation, errors.DuplicateTable) as error:
            # Another process made the first of the tables at the same moment.
            if last == _TRIES - 1:
                raise StoreUnavailable(f"{database.name}: the tables could not be made ({error})") from error
    return []


def _migrate(database: Database, known: list[Migration]) -> list[str]:
    # Not a turn: what that would lock may not be there yet.
    with database.transaction(full=True, turn=None) as connection:
        try:
            connection.execute(_LEDGER)
            connection.execute("LOCK TABLE windlass_migrations IN EXCLUSIVE MODE")
            todo = pending(connection, database.name, known)
            for migration in todo:
                _apply(connection, migration, database.name)
        except _FORBIDDEN as error:
            raise _refusal(database, connection.raw.info.user, error) from error
    return [migration.name for migration in todo]


def _refusal(database: Database, role: str, error: psycopg.Error) -> UnsafeDatabase:
    """What to say where the role may not do what a migration does, or finds no place for it."""
    told = first_line(error)
    if isinstance(error, errors.InvalidSchemaName):
        return UnsafeDatabase(
            f"the search_path of {database.name} names no schema that is there, and that the role {role} may "
            f"use ({told}): nothing was changed; CREATE SCHEMA … AUTHORIZATION {role}, or name another one"
        )
    schema = database.connections.facts.schema
    return UnsafeDatabase(
        f"the role {role} may not make or change the tables of Windlass in {database.name} ({told}): nothing "
        f"was changed; GRANT USAGE, CREATE ON SCHEMA {schema} TO {role} where there are none yet, or run "
        "windlass migrate as the role that owns them"
    )


def _apply(connection: Statements, migration: Migration, name: str) -> None:
    try:
        connection.raw.execute(migration.text)  # pyright: ignore[reportArgumentType,reportCallIssue]
    except _FORBIDDEN:
        raise
    except psycopg.ProgrammingError as error:
        raise UnsafeDatabase(
            f"{name}: migration {migration.name} does not fit what is there ({error}): nothing was changed; "
            "rename what Windlass did not make, or name another database or schema"
        ) from error
    connection.execute(
        "INSERT INTO windlass_migrations (number, name, checksum) VALUES (?, ?, ?)",
        (migration.number, migration.name, migration.checksum),
    )

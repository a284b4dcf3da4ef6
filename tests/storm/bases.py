"""The database under a storm, as a program knows it that has never heard of Windlass."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

FOREIGN_INSERT = (
    "INSERT INTO background_service_jobs (job_key, payload, priority, max_attempts, status)"
    " VALUES (?, ?, ?, ?, 'PENDING')"
)
EFFECT = "INSERT INTO storm_effects (uid, job_id, attempt, pid) VALUES (?, ?, ?, ?)"
ORDER = "INSERT INTO storm_orders VALUES (?)"
OPEN_JOBS = "SELECT count(*) FROM background_service_jobs WHERE status IN ('PENDING', 'RUNNING')"


class Base(Protocol):
    """One kind of database."""

    failures: tuple[type[Exception], ...]
    """What its driver raises when a commit's outcome is not known, and when it cannot be reached."""

    def spelled(self, sql: str) -> str:
        """The statement with the driver's own placeholders."""
        ...

    def query(self, sql: str) -> Any:
        """The first value of the first row; None where there is no row."""
        ...

    def foreign(self, values: tuple[object, ...]) -> int:
        """Enqueues by a plain INSERT and commits; the job's id."""
        ...

    def transaction(self) -> Any:
        """A context manager: a connection of our own in a transaction, which commits at the end."""
        ...


class SqliteBase:
    """A file."""

    failures: tuple[type[Exception], ...] = (sqlite3.OperationalError,)

    def __init__(self, path: Path | str) -> None:
        self._path = path

    def spelled(self, sql: str) -> str:
        return sql

    def query(self, sql: str) -> Any:
        with closing(sqlite3.connect(self._path, timeout=10)) as reader:
            row = reader.execute(sql).fetchone()
            return row and row[0]

    def foreign(self, values: tuple[object, ...]) -> int:
        with closing(sqlite3.connect(self._path, timeout=10)) as connection:
            # SQLite before 3.51.3 may lose commits when foreign checkpoints race; that is not what is tested.
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            cursor = connection.execute(FOREIGN_INSERT, values)
            connection.commit()
            return cursor.lastrowid or 0

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection


class PostgresBase:
    """A database on a server, or on whichever of two takes writes."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._connect = psycopg.connect
        self._url = url
        self.failures: tuple[type[Exception], ...] = (
            psycopg.OperationalError,
            psycopg.InterfaceError,
            psycopg.InternalError,  # a pooler that loses its server answers a COMMIT twice
        )

    def spelled(self, sql: str) -> str:
        return sql.replace("?", "%s")

    def query(self, sql: str) -> Any:
        with self._open() as connection:
            row = connection.execute(sql.encode()).fetchone()
            return row and row[0]

    def foreign(self, values: tuple[object, ...]) -> int:
        with self._open() as connection:
            sql = self.spelled(FOREIGN_INSERT) + " RETURNING id"
            row = connection.execute(sql.encode(), values).fetchone()
            assert row is not None
            connection.commit()
            return int(row[0])

    @contextmanager
    def transaction(self) -> Generator[Any]:
        with self._open() as connection:
            yield connection

    def _open(self) -> Any:
        # A cut link is noticed within seconds, not hours; nothing is prepared, as a pooler may be between.
        return self._connect(
            self._url, prepare_threshold=None, connect_timeout=5, tcp_user_timeout=8000, keepalives_idle=4,
            keepalives_interval=2, keepalives_count=2, application_name="storm",
        )  # fmt: skip


def base_of(database: str) -> Base:
    """The kind that a URL or file name is of."""
    return PostgresBase(database) if database.startswith("postgres") else SqliteBase(database)

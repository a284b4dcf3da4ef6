"""The PostgreSQL server that the contenders of one benchmark share, each with a database of its own.

Set up as one would be that is meant to be kept: every commit is flushed to the disk before it returns
(``fsync``, ``synchronous_commit``), autovacuum runs. What is larger than the defaults is what everybody sets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.model import Room, Unavailable

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "200",
}
WHERE, LOG = "BENCH_POSTGRES", "BENCH_POSTGRES_LOG"


@contextmanager
def serving(settings: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """A server while it is measured, and the variables that tell the contenders of it."""
    try:
        from tests.postgres.server import Server
    except ModuleNotFoundError as error:
        raise Unavailable(f"{error.name} is not installed") from error
    with Server.made(settings=SETTINGS | dict(settings or {})) as server:
        yield {WHERE: server.url("NAME", user="USER"), LOG: str(server.folder / "log")}


def url(name: str, *, user: str = "app") -> str:
    """The URL of a database, by the server's Unix socket."""
    return os.environ[WHERE].replace("USER", user).replace("NAME", name)


def own_database(room: Room) -> str:
    """The URL of this contender's database, which is made where it is not there yet."""
    import psycopg

    name = database_name(room.folder)
    with psycopg.connect(url("postgres", user="postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(f"CREATE DATABASE {name} OWNER app TEMPLATE template0")
    return url(name)


def database_name(folder: Path) -> str:
    """Of the contender that works in this folder."""
    return f"bench_{folder.name}"


def asked(folder: Path, since: int) -> tuple[int, int]:
    """How many statements of this contender the server has logged since a place in its log; where it ends."""
    mark = f"@{database_name(folder)} "
    with Path(os.environ[LOG]).open(encoding="utf-8", errors="replace") as log:
        log.seek(since)
        lines = log.readlines()
        end = log.tell()
    told = sum(
        1 for line in lines if mark in line and ("LOG:  statement:" in line or "LOG:  execute " in line)
    )
    return told, end

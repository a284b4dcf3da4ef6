"""The same by hand: httpx2, json and sqlite3, and nothing that would survive a bad day.

The version of each row is a column of the table; what is edited is marked by the program itself.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import httpx2

from benchmarks.contenders.syncing import TABLE, places
from benchmarks.model import Room
from benchmarks.sync_server import serving

VERSIONED = TABLE.removesuffix(")") + ", version INTEGER, edited INTEGER)"
INSERT = (
    "INSERT INTO rows (id, title, done, stars, note, version) "
    "VALUES (:id, :title, :done, :stars, :note, :version)"
)


def database(path: str, schema: str, synchronous: str = "NORMAL") -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(schema)
    return connection


@contextmanager
def snapshot(room: Room, rows: int) -> Iterator[Callable[[], Callable[[], None]]]:
    """One request and one transaction a page."""
    with serving(rows) as url:
        new, opened = places(room), []

        def ready() -> Callable[[], None]:
            while opened:
                opened.pop().close()
            connection, client = database(str(next(new) / "raw.db"), VERSIONED), httpx2.Client(base_url=url)
            opened.extend([connection, client])
            return lambda: fetch_all(client, connection)

        yield ready
        while opened:
            opened.pop().close()


def fetch_all(client: httpx2.Client, connection: sqlite3.Connection) -> None:
    target = "/rows"
    while target:
        reply = client.get(target)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, reply.json()["data"])
        connection.execute("COMMIT")
        target = reply.links.get("next", {}).get("url", "")


@contextmanager
def edits(room: Room, rows: int, batch: int) -> Iterator[Callable[[], Callable[[], None]]]:
    """What is marked is read, posted, and unmarked with its new version; a transaction for each batch."""
    numbers = itertools.count()
    with (
        serving(rows) as url,
        closing(database(str(room.folder / "raw.db"), VERSIONED, "FULL")) as connection,
        httpx2.Client(base_url=url) as client,
    ):
        fetch_all(client, connection)
        connection.execute("CREATE INDEX edited ON rows (edited) WHERE edited IS NOT NULL")

        def ready() -> Callable[[], None]:
            connection.execute("UPDATE rows SET title = ?, edited = 1", (f"edited {next(numbers)} times",))
            return lambda: push_all(client, connection, batch)

        yield ready


def push_all(client: httpx2.Client, connection: sqlite3.Connection, batch: int) -> None:
    marked = "SELECT id, title, version FROM rows WHERE edited IS NOT NULL LIMIT ?"
    while found := connection.execute(marked, (batch,)).fetchall():
        requests = [
            {"path": id_, "version": version, "body": {"title": title}} for id_, title, version in found
        ]
        told = client.post("/edits", json={"requests": requests}).json()["responses"]
        connection.execute("BEGIN IMMEDIATE")
        for (id_, *_), one in zip(found, told, strict=True):
            assert one["status"] == 200
            connection.execute(
                "UPDATE rows SET version = ?, edited = NULL WHERE id = ?", (one["version"], id_)
            )
        connection.execute("COMMIT")


@contextmanager
def plain(room: Room) -> Iterator[sqlite3.Connection]:
    """The same table, of which nobody captures anything."""
    with closing(database(str(room.folder / "raw.db"), TABLE)) as connection:
        yield connection

"""The standard library's sqlite3 and nothing else: what there is to reach.

The same table and indexes as Windlass has, SQLite's own settings otherwise (so it checkpoints by itself,
which is the fastest way to use it in a loop), statements that touch the same columns, no error handling, no
handler.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.contenders import TEXT, Consumer
from benchmarks.contenders.consuming import spawned
from benchmarks.model import Room
from benchmarks.stamps import Stamps

SCHEMA = Path(__file__).parents[2] / "src/windlass/store/sqlite/schema"
PAYLOAD = json.dumps({"number": 12345, "text": TEXT})
BATCH = 100

INSERT = (
    "INSERT INTO background_service_jobs (job_key, payload, priority, max_attempts, status) "
    "VALUES (?, ?, ?, ?, 'PENDING')"
)
JOB = ("noop", PAYLOAD, 0, 3)
CLAIM = (
    "UPDATE background_service_jobs SET status = 'RUNNING', attempts = attempts + 1, lease_owner = 1,"
    " lease_token = ?, last_attempt_at = ?, updated_at = ? "
    "WHERE id IN (SELECT id FROM background_service_jobs"
    " WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND alone = 0 AND queue = 'default'"
    " AND job_key = 'noop' ORDER BY ifnull(priority, 0) DESC, id LIMIT ?) "
    "RETURNING id, job_key, payload, attempts, max_attempts, lease_token"
)
SETTLE = (
    "UPDATE background_service_jobs SET status = 'COMPLETED', finished_at = ?, updated_at = ?,"
    " lease_owner = NULL, lease_token = NULL"
    " WHERE id = ? AND attempts = ? AND lease_token = ? AND status = 'RUNNING'"
)


def connect(path: Path, synchronous: str) -> sqlite3.Connection:
    """The database with the schema of Windlass, made where it is not there yet."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    if not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        for script in sorted(SCHEMA.glob("*.sql")):
            connection.executescript(script.read_text(encoding="utf-8"))
    return connection


@contextmanager
def producer(room: Room, synchronous: str = "FULL") -> Iterator[Callable[[], None]]:
    connection = connect(room.folder / "raw.db", synchronous)
    execute = connection.execute
    yield lambda: execute(INSERT, JOB)
    connection.close()


@contextmanager
def producer_per_thread(room: Room) -> Iterator[Callable[[], None]]:
    """A connection for each thread: SQLite's own waiting decides who writes next."""
    path = room.folder / "raw.db"
    connect(path, "FULL")
    mine = threading.local()

    def enqueue() -> None:
        if not hasattr(mine, "execute"):
            mine.execute = connect(path, "FULL").execute
        mine.execute(INSERT, JOB)

    yield enqueue


@contextmanager
def bulk(room: Room) -> Iterator[Callable[[], None]]:
    connection = connect(room.folder / "raw.db", "FULL")
    jobs = [JOB] * 1000

    def enqueue_many() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, jobs)
        connection.execute("COMMIT")

    yield enqueue_many
    connection.close()


class SettleAndClaim:
    """The loop: one transaction settles the last batch row by row and claims the next."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._token = int.from_bytes(os.urandom(7))

    def fill(self, count: int) -> None:
        with self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.executemany(INSERT, [JOB] * count)

    def work_off(self) -> None:
        claimed = self.turn([])
        while claimed:
            claimed = self.turn(claimed)

    def turn(self, done: list[Any], limit: int = BATCH) -> list[Any]:
        """Settles ``done`` and claims the next."""
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        now_ns = time.time_ns()
        now = iso(now_ns)
        for row in done:
            if execute(SETTLE, (now_ns // 1000, now, row[0], row[3], row[5])).rowcount != 1:
                raise RuntimeError("a job was settled by someone else")
        claimed = execute(CLAIM, (self._token, now, now, limit)).fetchall() if limit else []
        execute("COMMIT")
        return claimed


@contextmanager
def worker(room: Room) -> Iterator[SettleAndClaim]:
    connection = connect(room.folder / "raw.db", "NORMAL")
    yield SettleAndClaim(connection)
    connection.close()


@contextmanager
def consumer(room: Room) -> Iterator[Consumer]:
    """A second process blocked on a datagram socket: insert, ring, claim, run, settle."""
    connection = connect(room.folder / "raw.db", "NORMAL")
    with spawned("raw", room.folder) as process:
        bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = bell_address(room.folder)

        def hand_over(slot: int) -> None:
            connection.execute(INSERT, ("noop", json.dumps({"slot": slot}), 0, 3))
            bell.sendto(b"!", address)

        yield Consumer([process.pid], hand_over)
        bell.close()
    connection.close()


def consume(folder: Path, ready: Callable[[], None]) -> None:
    """The consumer's own process."""
    loop = SettleAndClaim(connect(folder / "raw.db", "NORMAL"))
    stamps = Stamps(folder / "stamps")
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bell.bind(bell_address(folder))
    ready()
    while True:
        bell.recv(16)
        claimed = loop.turn([])
        for row in claimed:
            stamps.mark(json.loads(row[2])["slot"])
        loop.turn(claimed, limit=0)


def bell_address(folder: Path) -> str:
    """Abstract, so that no folder's path is too long for it."""
    return "\0windlass-bench-" + str(folder)[-80:]


def iso(now_ns: int) -> str:
    """The contract table's spelling of a moment."""
    seconds, rest = divmod(now_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1_000_000:03d}Z"

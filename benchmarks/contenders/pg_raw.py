"""psycopg and nothing else: what there is to reach on PostgreSQL.

The same table with all its indexes, from the same schema files, without the trigger that rings; the claim
is a materialized CTE with SKIP LOCKED; a function is called for each job, and its end is written with the
next claim: a transaction and four round trips for a batch. Statements are prepared. No validation, no error
handling, no payload decoded, no limits, nobody else looked after.
"""

from __future__ import annotations

import json
import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.contenders import TEXT, Consumer
from benchmarks.contenders.consuming import spawned
from benchmarks.model import Room
from benchmarks.postgres_server import database_name, own_database, url
from benchmarks.stamps import Stamps

SCHEMA = Path(__file__).parents[2] / "src/windlass/store/postgres/schema"
PAYLOAD = json.dumps({"number": 12345, "text": TEXT})

INSERT = (
    "INSERT INTO background_service_jobs (job_key, payload, priority, max_attempts, status) "
    "VALUES (%s, %s, %s, %s, 'PENDING') RETURNING id"
)
JOB = ("noop", PAYLOAD, 0, 3)
INSERT_MANY = (
    "INSERT INTO background_service_jobs (job_key, payload, priority, max_attempts, status) "
    "SELECT *, 'PENDING' FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[]) RETURNING id"
)
COPY = "COPY background_service_jobs (job_key, payload, priority, max_attempts, status) FROM STDIN"
FILL = (
    "INSERT INTO background_service_jobs (job_key, payload, priority, max_attempts, status) "
    "SELECT %s, %s, 0, 3, 'PENDING' FROM generate_series(1, %s)"
)
NOW = "to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
CLAIM = (
    "WITH best AS MATERIALIZED (SELECT id FROM background_service_jobs"
    " WHERE status = 'PENDING' AND run_at IS NULL AND hold IS NULL AND constraints IS NULL"
    " AND alone = 0 AND queue = 'default' AND job_key = 'noop'"
    " ORDER BY coalesce(priority, 0) DESC, id LIMIT %s FOR UPDATE SKIP LOCKED) "
    "UPDATE background_service_jobs AS job SET status = 'RUNNING', attempts = attempts + 1, lease_owner = 1,"
    f" lease_token = %s, last_attempt_at = {NOW}, updated_at = {NOW} FROM best WHERE job.id = best.id "
    "RETURNING job.id, job_key, payload, attempts, max_attempts, lease_token"
)
SETTLE = (
    "UPDATE background_service_jobs AS job SET status = 'COMPLETED',"
    f" finished_at = (extract(epoch FROM now()) * 1000000)::bigint, updated_at = {NOW},"
    " lease_owner = NULL, lease_token = NULL"
    " FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS done (id, attempt, token)"
    " WHERE job.id = done.id AND job.attempts = done.attempt AND job.lease_token = done.token"
    " AND job.status = 'RUNNING'"
)


def connect(room: Room, *, flushes: bool = True, rings: bool = False) -> psycopg.Connection[Any]:
    """A connection to this contender's database, with the schema of Windlass in it."""
    connection = psycopg.connect(own_database(room), autocommit=True)
    if connection.execute("SELECT to_regclass('background_service_jobs')").fetchone() == (None,):
        for script in sorted(SCHEMA.glob("*.sql")):
            text: Any = script.read_text(encoding="utf-8")
            connection.execute(text)
        if not rings:
            connection.execute("DROP TRIGGER windlass_ring ON background_service_jobs")
    connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    if not flushes:
        connection.execute("SET synchronous_commit = off")
    connection.prepare_threshold = 1
    return connection


@contextmanager
def producer(room: Room, rings: bool = False) -> Iterator[Callable[[], Any]]:
    """One ``INSERT`` in autocommit, which gives the job's id."""
    with connect(room, rings=rings) as connection:
        execute = connection.execute
        yield lambda: execute(INSERT, JOB).fetchone()


@contextmanager
def bulk(room: Room) -> Iterator[Callable[[], None]]:
    """A thousand by one ``INSERT`` from arrays, which gives their ids."""
    with connect(room) as connection:
        columns = [list(column) for column in zip(*[JOB] * 1000, strict=True)]
        yield lambda: connection.execute(INSERT_MANY, columns).fetchall()


@contextmanager
def copying(room: Room) -> Iterator[Callable[[], None]]:
    """A thousand by ``COPY``: the quickest there is, but nobody learns their ids."""
    with connect(room) as connection:

        def enqueue_many() -> None:
            with connection.cursor() as cursor, cursor.copy(COPY) as copy:
                for _ in range(1000):
                    copy.write_row((*JOB, "PENDING"))

        yield enqueue_many


def noop(payload: str) -> None:
    """All the work is the queue's."""


class SettleAndClaim:
    """The loop: one transaction settles the last batch and claims the next."""

    def __init__(self, connection: psycopg.Connection[Any], batch: int) -> None:
        self.connection = connection
        self._batch = batch
        self._token = int.from_bytes(os.urandom(7))

    def fill(self, count: int) -> None:
        self.connection.execute(FILL, ("noop", PAYLOAD, count))

    def work_off(self) -> None:
        claimed = self.turn([])
        while claimed:
            for row in claimed:
                noop(row[2])
            claimed = self.turn(claimed)

    def turn(self, done: list[Any], limit: int | None = None) -> list[Any]:
        """Settles ``done`` and claims the next."""
        execute = self.connection.execute
        limit = self._batch if limit is None else limit
        execute("BEGIN")
        if done:
            ids, attempts, tokens = ([row[place] for row in done] for place in (0, 3, 5))
            if execute(SETTLE, (ids, attempts, tokens)).rowcount != len(done):
                raise RuntimeError("a job was settled by someone else")
        claimed = execute(CLAIM, (limit, self._token)).fetchall() if limit else []
        execute("COMMIT")
        return claimed


@contextmanager
def worker(room: Room, batch: int = 100, flushes: bool = False) -> Iterator[SettleAndClaim]:
    """``flushes=False``: as Windlass claims, a commit does not wait for the disk."""
    with connect(room, flushes=flushes) as connection:
        yield SettleAndClaim(connection, batch)


@contextmanager
def consumer(room: Room) -> Iterator[Consumer]:
    """A second process that listens: insert, notice, claim, run, settle."""
    with connect(room, rings=True) as connection, spawned("pg_raw", room.folder) as process:

        def hand_over(slot: int) -> None:
            connection.execute(INSERT, ("noop", json.dumps({"slot": slot}), 0, 3))

        yield Consumer([process.pid], hand_over)


def consume(folder: Path, ready: Callable[[], None]) -> None:
    """The consumer's own process."""
    loop = SettleAndClaim(connect(Room(folder, quick=False), flushes=False), 100)
    stamps = Stamps(folder / "stamps")
    listening = psycopg.connect(url(database_name(folder)), autocommit=True)
    listening.execute('LISTEN "windlass.public"')
    ready()
    while True:
        select.select([listening.pgconn.socket], [], [])
        list(listening.notifies(timeout=0))
        claimed = loop.turn([])
        for row in claimed:
            stamps.mark(json.loads(row[2])["slot"])
        loop.turn(claimed, limit=0)

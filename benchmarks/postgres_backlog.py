"""On PostgreSQL: a million jobs that wait must not slow what runs. Measured as in ``backlog.py``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.backlog import QUICK_SLICES, SLICES, rate, raw_rate
from benchmarks.model import Benchmark, Figure, Measure, Room, Subject, ratio_at_least
from benchmarks.postgres_server import serving, url

MANY, FEW = 1_000_000, 1_000
BASE = "windlass, 1,000 pending"


def lay(connection: Any, count: int) -> None:
    """So many ready jobs, by SQL, and what autovacuum would do afterwards, before the clock starts."""
    connection.execute(
        "INSERT INTO background_service_jobs (job_key, payload, status, priority, max_attempts) "
        "SELECT 'noop', json_build_object('number', n, 'text', repeat('x', 78))::text, 'PENDING', 0, 3"
        f" FROM generate_series(1, {count}) AS n"
    )
    connection.execute("VACUUM (ANALYZE) background_service_jobs")


def settled_down() -> None:
    """What was written is on the disk: no checkpoint of it falls into a slice."""
    import psycopg

    with psycopg.connect(url("postgres", user="postgres"), autocommit=True) as connection:
        connection.execute("CHECKPOINT")


def service_beside(count: int) -> Subject:
    """Jobs per second of the service with one isolate, by slices."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        from benchmarks.contenders import ours, pg_ours

        module = pg_ours.program(room, isolates=1)
        module.app.queues.pause("default")
        with ours.service(module):
            worker = pg_ours.WindlassWorker(room, module)
            lay(worker.judge.connection, count)
            settled_down()
            rate(worker, 2)
            yield lambda: rate(worker, QUICK_SLICES if room.quick else SLICES)

    return subject


def raw_beside(count: int) -> Subject:
    """The raw loop, by slices as long."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        from benchmarks.contenders import pg_raw

        with pg_raw.worker(room) as loop:
            lay(loop.connection, count)
            settled_down()
            yield lambda: raw_rate(loop, QUICK_SLICES if room.quick else SLICES)

    return subject


BENCHMARKS = [
    Benchmark(
        (Figure("postgres_backlog_1m", "jobs/s", (ratio_at_least(0.85),), base=BASE),),
        {"windlass": service_beside(MANY), "raw": raw_beside(MANY), BASE: service_beside(FEW)},
        rounds=3,
        quick_rounds=2,
        around=serving,
    ),
]

"""On PostgreSQL: how fast jobs go in and come out, how soon an idle consumer starts, what idling asks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.contenders import opener
from benchmarks.enqueue import one_by_one
from benchmarks.model import (
    Benchmark,
    Figure,
    Measure,
    Room,
    Subject,
    percentile,
    ratio_at_least,
    times_best_peer,
    value_at_most,
)
from benchmarks.postgres_server import asked, serving
from benchmarks.process import jobs_per_second
from benchmarks.wake import waking

OBAN = "oban"
IDLE_S, QUICK_IDLE_S, SETTLE_S = 60.0, 15.0, 5.0
"""A whole minute, since some look at things once a minute."""


def working_off(contender: str, verb: str = "worker", /, *, jobs: int, **options: object) -> Subject:
    """Jobs per second: as many jobs each as take it about as long."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        count = jobs // 2 if room.quick else jobs
        with opener(contender, verb, **options)(room) as worker:
            yield lambda: jobs_per_second(worker, count)

    return subject


def idling(contender: str, /, **options: object) -> Subject:
    """Statements a second that the server is asked."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        with opener(contender, "consumer", **options)(room):
            time.sleep(SETTLE_S)
            yield lambda: questions_per_second(room)

    return subject


def questions_per_second(room: Room) -> float:
    seconds = QUICK_IDLE_S if room.quick else IDLE_S
    start = time.monotonic()
    _, place = asked(room.folder, 0)
    time.sleep(seconds)
    count, _ = asked(room.folder, place)
    return count / (time.monotonic() - start)


RAW = working_off("pg_raw", jobs=20_000)
PEERS = {
    "pgqueuer, asyncpg": working_off("with_pgqueuer", jobs=8_000),
    "pgqueuer, psycopg": working_off("with_pgqueuer", jobs=8_000, driver="psycopg"),
    "pgqueuer, commits not flushed": working_off("with_pgqueuer", jobs=8_000, flushes=False),
    OBAN: working_off("with_oban", jobs=4_000),
    "procrastinate": working_off("with_procrastinate", jobs=500),
}

BENCHMARKS = [
    Benchmark(
        (Figure("postgres_enqueue", "jobs/s", (ratio_at_least(0.7),)),),
        {
            "windlass": one_by_one("pg_ours"),
            "raw": one_by_one("pg_raw"),
            "raw, with the trigger": one_by_one("pg_raw", rings=True),
            "pgqueuer": one_by_one("with_pgqueuer"),
            OBAN: one_by_one("with_oban"),
            "procrastinate": one_by_one("with_procrastinate"),
        },
        rounds=5,
        turns=10,
        around=serving,
        newer=frozenset({OBAN}),
    ),
    Benchmark(
        (Figure("postgres_enqueue_many_1000", "jobs/s"),),
        {
            "windlass": one_by_one("pg_ours", "bulk", jobs=1000),
            "raw": one_by_one("pg_raw", "bulk", jobs=1000),
            "raw, COPY": one_by_one("pg_raw", "copying", jobs=1000),
            "pgqueuer": one_by_one("with_pgqueuer", "bulk", jobs=1000),
            OBAN: one_by_one("with_oban", "bulk", jobs=1000),
            "procrastinate": one_by_one("with_procrastinate", "bulk", jobs=1000),
        },
        rounds=3,
        turns=4,
        around=serving,
        newer=frozenset({OBAN}),
    ),
    Benchmark(
        (Figure("postgres_process", "jobs/s", (ratio_at_least(0.5), times_best_peer(2))),),
        {
            "windlass": working_off("pg_ours", "service_worker", jobs=20_000, isolates=1),
            "raw": RAW,
            "raw, batches of 500": working_off("pg_raw", jobs=20_000, batch=500),
            "windlass, inprocess": working_off("pg_ours", "embedded_worker", jobs=20_000, threads=1),
            **PEERS,
        },
        rounds=5,
        around=serving,
        newer=frozenset({OBAN}),
    ),
    Benchmark(
        (
            Figure("postgres_wake_p50_ms", "ms", (value_at_most(3),), percentile(0.50)),
            Figure("postgres_wake_p99_ms", "ms", (), percentile(0.99)),
        ),
        {
            "windlass": waking("pg_ours"),
            "raw": waking("pg_raw"),
            "pgqueuer": waking("with_pgqueuer"),
            OBAN: waking("with_oban"),
            "procrastinate": waking("with_procrastinate"),
        },
        rounds=6,
        around=serving,
        newer=frozenset({OBAN}),
    ),
    Benchmark(
        (Figure("postgres_idle_queries", "1/s", (value_at_most(1),)),),
        {
            "windlass": idling("pg_ours"),
            "raw": idling("pg_raw"),
            "pgqueuer": idling("with_pgqueuer"),
            OBAN: idling("with_oban"),
            "procrastinate": idling("with_procrastinate"),
        },
        rounds=1,
        quick_rounds=1,
        together=True,
        around=lambda: serving({"log_statement": "all", "log_line_prefix": "%m [%p] %a @%d "}),
        newer=frozenset({OBAN}),
    ),
]

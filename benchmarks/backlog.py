"""What lies in the table must not slow what runs: the same slices of work, beside a large backlog and
beside none.

A slice: 1,000 jobs are added, the queue is let go, 1,000 jobs finish, the queue is paused. Its time is read
from the finishing times of the middle 600, so neither the start nor the end of a slice is in it; a round is
the jobs of several slices divided by their time, so a stall that only now and then meets a slice counts.
"""

from __future__ import annotations

import bisect
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.machine import family, pss_mb
from benchmarks.model import Benchmark, Figure, Measure, Room, Subject, ratio_at_least, value_at_most

if TYPE_CHECKING:
    from benchmarks.contenders.ours import WindlassWorker
    from benchmarks.contenders.pg_raw import SettleAndClaim as PostgresLoop
    from benchmarks.contenders.raw import SettleAndClaim

SLICE = 1000
SLICES, QUICK_SLICES = 10, 6
SETTLE_S = 3.0
BASE, FEW_DELAYED = "windlass, 1,000 pending", "windlass, 1,000 delayed"
CLOSED_QUEUE = "closed"


class Backlog(NamedTuple):
    """Rows that lie in the table, alike, by SQL: the API would take half a minute for a million."""

    count: int
    columns: str
    values: str

    def lay(self, connection: sqlite3.Connection) -> None:
        """Puts them there in one transaction."""
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            f"WITH RECURSIVE number (n) AS"
            f" (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {self.count}) "
            f"INSERT INTO background_service_jobs (payload, max_attempts, {self.columns}) "
            f"SELECT json_object('number', n, 'text', '{'x' * 78}'), 3, {self.values} FROM number"
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


NOW_US = "unixepoch() * 1000000"
TOMORROW = f"{NOW_US} + 86400000000 + n"
PENDING_1M = [Backlog(1_000_000, "job_key, status, priority", "'noop', 'PENDING', 0")]
FINISHED_1M = [
    Backlog(
        1_000_000,
        "job_key, status, attempts, finished_at",
        f"'noop', 'COMPLETED', 1, {NOW_US} - 3600000000 + n",
    )
]
FUTURE_100K = [Backlog(100_000, "job_key, status, priority, run_at", f"'noop', 'PENDING', 9, {TOMORROW}")]
BLOCKED_100K = [
    Backlog(50_000, "job_key, status, priority, queue", f"'noop', 'PENDING', 9, '{CLOSED_QUEUE}'"),
    Backlog(50_000, "job_key, status, priority", "'of another program', 'PENDING', 9"),
]


def service_beside(backlog: list[Backlog]) -> Subject:
    """Jobs per second of the service with one isolate, by slices."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        with _service(room, backlog) as (worker, _):
            rate(worker, 2)
            yield lambda: rate(worker, QUICK_SLICES if room.quick else SLICES)

    return subject


def rate(worker: WindlassWorker, slices: int) -> float:
    """Jobs per second over the middles of several slices."""
    middles = [middle(slice_times(worker)) for _ in range(slices)]
    return sum(jobs for jobs, _ in middles) / sum(seconds for _, seconds in middles)


def slice_times(worker: WindlassWorker) -> list[int]:
    """When each job of a slice finished, in microseconds, sorted."""
    worker.hold()
    since_us = time.time_ns() // 1000
    worker.add(SLICE)
    worker.app.queues.resume("default")
    return worker.judge.finish_times(since_us, SLICE)


def middle(times: list[int]) -> tuple[int, float]:
    """How many jobs finished from the first fifth to the last, and in how many seconds."""
    start, end = times[SLICE // 5], times[SLICE * 4 // 5]
    jobs = bisect.bisect_right(times, end) - bisect.bisect_right(times, start)
    return jobs, (end - start) / 1e6


def raw_beside(backlog: list[Backlog]) -> Subject:
    """The raw loop, by slices as long."""
    from benchmarks.contenders import raw

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        with raw.worker(room) as loop:
            for rows in backlog:
                rows.lay(loop.connection)
            yield lambda: raw_rate(loop, QUICK_SLICES if room.quick else SLICES)

    return subject


def raw_rate(loop: SettleAndClaim | PostgresLoop, slices: int) -> float:
    """As many jobs, batch after batch."""
    loop.fill(SLICE * slices)
    claimed, done = loop.turn([]), 0
    start = time.perf_counter()
    while done < SLICE * slices:
        done += len(claimed)
        claimed = loop.turn(claimed)
    elapsed_s = time.perf_counter() - start
    loop.turn(claimed, limit=0)
    return done / elapsed_s


def memory_beside(delayed: int) -> Subject:
    """MB of the service's processes, when it has run a job and then been idle for a while."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        with _service(room, [FUTURE_100K[0]._replace(count=delayed)]) as (_, pid):
            time.sleep(SETTLE_S)
            yield lambda: pss_mb(family(pid))

    return subject


@contextmanager
def _service(room: Room, backlog: list[Backlog]) -> Iterator[tuple[WindlassWorker, int]]:
    from benchmarks.contenders import ours

    module = ours.program(room.folder, isolates=1)
    module.app.queues.pause(CLOSED_QUEUE)
    module.app.queues.pause("default")
    with closing(sqlite3.connect(room.folder / "windlass.db", isolation_level=None)) as connection:
        for rows in backlog:
            rows.lay(connection)
    with ours.service(module) as pid:
        worker = ours.WindlassWorker(room, module)
        yield worker, pid


def _row(name: str, backlog: list[Backlog]) -> Benchmark:
    return Benchmark(
        (Figure(name, "jobs/s", (ratio_at_least(0.85),), base=BASE),),
        {"windlass": service_beside(backlog), "raw": raw_beside(backlog), BASE: service_beside([])},
        rounds=5,
        quick_rounds=2,
    )


BENCHMARKS = [
    _row("backlog_1m", PENDING_1M),
    _row("finished_1m", FINISHED_1M),
    _row("future_100k", FUTURE_100K),
    _row("blocked_100k", BLOCKED_100K),
    Benchmark(
        (Figure("delayed_1m_memory", "MB", (value_at_most(5),), base=FEW_DELAYED, less_base=True),),
        {"windlass": memory_beside(1_000_000), FEW_DELAYED: memory_beside(1_000)},
        rounds=3,
        quick_rounds=1,
        one_at_a_time=True,
    ),
]

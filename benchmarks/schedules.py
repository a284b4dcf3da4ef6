"""What schedules cost: while nothing is due, and when one of many is.

Those that wait are laid into the table by SQL, as copies of two that the API has made: by the API 100,000
would take minutes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.backlog import FUTURE_100K
from benchmarks.contenders import TEXT, ours
from benchmarks.machine import cpu_seconds, family, pss_mb, wakeups
from benchmarks.model import (
    Benchmark,
    Figure,
    Measure,
    Room,
    Sample,
    Subject,
    flat,
    ratio_at_most,
    value_at_most,
)

if TYPE_CHECKING:
    from windlass import Windlass

SETTLE_S = 3.0
IDLE_S, QUICK_IDLE_S = 60.0, 15.0
TICKS, QUICK_TICKS = 100, 50
FEW = 1_000
NOTHING = "windlass, nothing"
BASE = "windlass, 1,000 schedules"


def lay_schedules(app: Windlass, database: Path, count: int) -> None:
    """``count`` of them, half by elapsed time and half by the wall clock of a zone; none is due this year."""
    payload = {"number": 1, "text": TEXT}
    app.schedules.add("every", job="noop", payload=payload, every="400d", initial_delay="400d")
    app.schedules.add("yearly", job="noop", payload=payload, cron="30 2 31 12 *", tz="Europe/Zurich")
    others = "job_key, payload, spec, paused, next_at, next_at_boot, boot_id, last_at, last_job, turn"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(
            f"WITH RECURSIVE number (n) AS"
            f" (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < {count} / 2) "
            f"INSERT INTO windlass_schedules (name, {others})"
            f" SELECT name || ' ' || n, {others} FROM windlass_schedules, number"
        )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# ── nothing is due ───────────────────────────────────────────────────────────────────────────────
def resting(schedules: int, delayed: int) -> Subject:
    """Percent of a core, wake-ups of all threads in a minute, and MB that all processes grew by."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        module = ours.program(room.folder, isolates=1)
        database = room.folder / "windlass.db"
        if schedules:
            lay_schedules(module.app, database, schedules)
            with closing(sqlite3.connect(database, isolation_level=None)) as connection:
                FUTURE_100K[0]._replace(count=delayed).lay(connection)
        with ours.service(module) as pid:
            module.noop.enqueue(1, TEXT)
            ours.Judge(room.folder).wait_until_done()
            time.sleep(SETTLE_S)
            pids = family(pid)
            yield lambda: rest(pids, QUICK_IDLE_S if room.quick else IDLE_S)

    return subject


def rest(pids: list[int], seconds: float) -> list[float]:
    before_mb = pss_mb(pids)
    used_s, woken, start = cpu_seconds(pids), wakeups(pids), time.monotonic()
    time.sleep(seconds)
    elapsed_s = time.monotonic() - start
    used_s, woken = cpu_seconds(pids) - used_s, wakeups(pids) - woken
    return [100 * used_s / elapsed_s, 60 * woken / elapsed_s, pss_mb(pids) - before_mb]


def worst(place: int) -> Callable[[Sequence[Sample]], float]:
    return lambda samples: max(flat(samples)[place::3])


# ── one is due ───────────────────────────────────────────────────────────────────────────────────
def ticking(schedules: int) -> Subject:
    """Microseconds of processor time in which the dispatcher's source finds the one that is due, makes its
    job, and finds out how long it may rest; one number for each tick."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        from windlass import Windlass
        from windlass.testing import ManualClock
        from windlass.worker.periodic import Periodic

        clock = ManualClock()
        database = room.folder / "windlass.db"
        app = Windlass(database, clock=clock)
        lay_schedules(app, database, schedules)
        app.schedules.add("due", job="noop", payload={"number": 1, "text": TEXT}, every="1m", overlap=True)
        source = Periodic(app.store, clock)

        def tick() -> float:
            clock.advance(60)
            before_ns = time.process_time_ns()
            source.look()
            return (time.process_time_ns() - before_ns) / 1e3

        def measure(ticks: int) -> list[float]:
            before = sum(app.jobs.counts().values())
            found = [tick() for _ in range(ticks)]
            made = sum(app.jobs.counts().values()) - before
            if made != ticks:
                raise AssertionError(f"{ticks} ticks made {made} jobs")
            return found

        measure(10)  # statements prepared
        yield lambda: measure(QUICK_TICKS if room.quick else TICKS)
        source.close()
        app.close()

    return subject


def _tick_row(name: str, schedules: int) -> Benchmark:
    return Benchmark(
        (Figure(name, "µs", (ratio_at_most(1.25),), base=BASE),),
        {"windlass": ticking(schedules), BASE: ticking(FEW)},
        rounds=9,
        quick_rounds=5,
    )


BENCHMARKS = [
    Benchmark(
        (
            Figure("schedules_idle_cpu_percent", "% of a core", (value_at_most(0.3),), worst(0)),
            Figure("schedules_idle_wakeups", "a minute", reduce=worst(1)),
            Figure("schedules_idle_growth", "MB", (value_at_most(0.5),), worst(2)),
        ),
        {"windlass": resting(FEW, 100_000), NOTHING: resting(0, 0)},
        rounds=3,
        quick_rounds=1,
        together=True,
    ),
    _tick_row("tick_10k", 10_000),
    _tick_row("tick_100k", 100_000),
]

"""How fast jobs go in: one by one, from eight threads at once, a thousand in one call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks import slow_disk
from benchmarks.contenders import opener
from benchmarks.model import Benchmark, Figure, Measure, Room, Subject, ratio_at_least

TURN_S, QUICK_TURN_S, TURNS = 0.05, 0.025, 10
CROWD_TURN_S, QUICK_CROWD_TURN_S, CROWD_TURNS = 0.2, 0.1, 4
"""Longer for threads: those who wait for SQLite's lock sleep for up to 0.1 s at a time."""
WARM_UP = 50
THREADS = 8


def one_by_one(contender: str, verb: str = "producer", /, jobs: int = 1, **options: object) -> Subject:
    """One thread that does nothing but enqueue: how many jobs, in how many seconds."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        with opener(contender, verb, **options)(room) as enqueue:
            for _ in range(max(WARM_UP // jobs, 1)):
                enqueue()
            seconds = QUICK_TURN_S if room.quick else TURN_S
            yield lambda: calls(enqueue, seconds, jobs)

    return subject


def by_threads(
    contender: str,
    verb: str = "producer",
    /,
    threads: int = THREADS,
    slow: bool = False,
    **options: object,
) -> Subject:
    """Several threads that do nothing but enqueue: how many jobs together, in how many seconds."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        if slow:
            slow_disk.insist(room.folder)
        with opener(contender, verb, **options)(room) as enqueue:
            enqueue()
            seconds = QUICK_CROWD_TURN_S if room.quick else CROWD_TURN_S
            yield lambda: all_together(enqueue, threads, seconds)

    return subject


def calls(call: Callable[[], object], seconds: float, jobs: int = 1) -> list[float]:
    """Calls for this long; each call is so many jobs."""
    count = 0
    start = now = time.perf_counter()
    end = start + seconds
    while now < end:
        call()
        count += jobs
        now = time.perf_counter()
    return [count, now - start]


def all_together(call: Callable[[], object], threads: int, seconds: float) -> list[float]:
    """What several threads complete in the same while; what is under way at its end does not count."""
    counts: list[int] = []
    gate = threading.Barrier(threads)

    def run() -> None:
        gate.wait()
        count, end = 0, time.perf_counter() + seconds
        while True:
            call()
            if time.perf_counter() >= end:
                break
            count += 1
        counts.append(count)

    crowd = [threading.Thread(target=run) for _ in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    if len(counts) < threads:
        raise RuntimeError(f"{threads - len(counts)} of {threads} producers failed")
    return [sum(counts), seconds]


BENCHMARKS = [
    Benchmark(
        (Figure("enqueue_durable", "jobs/s", (ratio_at_least(0.85),)),),
        {
            "windlass": one_by_one("ours", durability="full"),
            "raw": one_by_one("raw", synchronous="FULL"),
            "huey, fsync on": one_by_one("with_huey", fsync=True),
            "litequeue, FULL": one_by_one("with_litequeue", synchronous="FULL"),
            "persist-queue": one_by_one("with_persistqueue"),
        },
        turns=TURNS,
    ),
    Benchmark(
        (Figure("enqueue_fast", "jobs/s", (ratio_at_least(0.6),)),),
        {
            "windlass": one_by_one("ours", durability="fast"),
            "raw": one_by_one("raw", synchronous="NORMAL"),
            "huey, fsync off": one_by_one("with_huey", fsync=False),
            "litequeue": one_by_one("with_litequeue", synchronous="NORMAL"),
            "honker": one_by_one("with_honker"),
        },
        turns=TURNS,
    ),
    Benchmark(
        (Figure("enqueue_threads_8", "jobs/s", (ratio_at_least(1.3),)),),
        {
            "windlass": by_threads("ours", durability="full"),
            "raw": by_threads("raw", threads=1, synchronous="FULL"),
            "raw, 8 threads": by_threads("raw", "producer_per_thread"),
            "huey, fsync on": by_threads("with_huey", fsync=True),
        },
        turns=CROWD_TURNS,
    ),
    Benchmark(
        (Figure("enqueue_threads_8_slow_disk", "jobs/s", (ratio_at_least(4),)),),
        {
            "windlass": by_threads("ours", slow=True, durability="full"),
            "raw": by_threads("raw", slow=True, threads=1, synchronous="FULL"),
            "raw, 8 threads": by_threads("raw", "producer_per_thread", slow=True),
            "huey, fsync on": by_threads("with_huey", slow=True, fsync=True),
        },
        turns=CROWD_TURNS,
        environment=slow_disk.environment,
    ),
    Benchmark(
        (Figure("enqueue_many_1000", "jobs/s", (ratio_at_least(0.5),)),),
        {
            "windlass": one_by_one("ours", "bulk", jobs=1000),
            "raw": one_by_one("raw", "bulk", jobs=1000),
            "litequeue, FULL": one_by_one("with_litequeue", "bulk", jobs=1000),
        },
        turns=TURNS,
    ),
]

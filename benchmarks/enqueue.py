"""How fast jobs go in: one by one, from eight threads at once, a thousand in one call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks import slow_disk
from benchmarks.contenders import opener
from benchmarks.model import Benchmark, Figure, Measure, Room, Subject, ratio_at_least

SLICE_S, QUICK_SLICE_S = 0.4, 0.2
WARM_UP = 50
THREADS = 8


def one_by_one(contender: str, verb: str = "producer", /, jobs: int = 1, **options: object) -> Subject:
    """Jobs per second of one thread that does nothing but enqueue."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        with opener(contender, verb, **options)(room) as enqueue:
            for _ in range(max(WARM_UP // jobs, 1)):
                enqueue()
            yield lambda: jobs * calls_per_second(enqueue, slice_s(room))

    return subject


def by_threads(
    contender: str,
    verb: str = "producer",
    /,
    threads: int = THREADS,
    slow: bool = False,
    **options: object,
) -> Subject:
    """Jobs per second of several threads that do nothing but enqueue, all together."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        if slow:
            slow_disk.insist(room.folder)
        with opener(contender, verb, **options)(room) as enqueue:
            enqueue()
            yield lambda: all_together(enqueue, threads, slice_s(room))

    return subject


def calls_per_second(call: Callable[[], object], seconds: float) -> float:
    """Calls for this long, and counts."""
    count = 0
    start = now = time.perf_counter()
    end = start + seconds
    while now < end:
        call()
        count += 1
        now = time.perf_counter()
    return count / (now - start)


def all_together(call: Callable[[], object], threads: int, seconds: float) -> float:
    """The sum of what each of several threads reaches in the same time."""
    rates: list[float] = []
    gate = threading.Barrier(threads)

    def run() -> None:
        gate.wait()
        rates.append(calls_per_second(call, seconds))

    crowd = [threading.Thread(target=run) for _ in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    if len(rates) < threads:
        raise RuntimeError(f"{threads - len(rates)} of {threads} producers failed")
    return sum(rates)


def slice_s(room: Room) -> float:
    return QUICK_SLICE_S if room.quick else SLICE_S


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
    ),
    Benchmark(
        (Figure("enqueue_threads_8", "jobs/s", (ratio_at_least(1.3),)),),
        {
            "windlass": by_threads("ours", durability="full"),
            "raw": by_threads("raw", threads=1, synchronous="FULL"),
            "raw, 8 threads": by_threads("raw", "producer_per_thread"),
            "huey, fsync on": by_threads("with_huey", fsync=True),
        },
    ),
    Benchmark(
        (Figure("enqueue_threads_8_slow_disk", "jobs/s", (ratio_at_least(4),)),),
        {
            "windlass": by_threads("ours", slow=True, durability="full"),
            "raw": by_threads("raw", slow=True, threads=1, synchronous="FULL"),
            "raw, 8 threads": by_threads("raw", "producer_per_thread", slow=True),
            "huey, fsync on": by_threads("with_huey", slow=True, fsync=True),
        },
        rounds=5,
        environment=slow_disk.environment,
    ),
    Benchmark(
        (Figure("enqueue_many_1000", "jobs/s", (ratio_at_least(0.5),)),),
        {
            "windlass": one_by_one("ours", "bulk", jobs=1000),
            "raw": one_by_one("raw", "bulk", jobs=1000),
            "litequeue, FULL": one_by_one("with_litequeue", "bulk", jobs=1000),
        },
    ),
]

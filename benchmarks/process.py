"""How fast jobs are worked off: no-op jobs that wait in the queue already, until the last one's commit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from benchmarks.contenders import Worker, opener
from benchmarks.model import Benchmark, Figure, Measure, Room, Subject, ratio_at_least, times_peer

MANY, QUICK_MANY = 20_000, 8_000
FEW, QUICK_FEW = 2_000, 1_000
"""For those who commit job by job, so that a round takes all about as long."""
THREADS = 4


def working_off(contender: str, verb: str = "worker", /, *, many: bool = False, **options: object) -> Subject:
    """Jobs per second from the moment work may begin until the last job is done."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        count = (QUICK_MANY if room.quick else MANY) if many else (QUICK_FEW if room.quick else FEW)
        with opener(contender, verb, **options)(room) as worker:
            yield lambda: jobs_per_second(worker, count)

    return subject


def jobs_per_second(worker: Worker, count: int) -> float:
    worker.fill(count)
    start = time.perf_counter()
    worker.work_off()
    return count / (time.perf_counter() - start)


RAW = working_off("raw", many=True)

BENCHMARKS = [
    Benchmark(
        (Figure("process_isolate", "jobs/s", (ratio_at_least(0.5), times_peer(4, "huey, fsync off"))),),
        {
            "windlass": working_off("ours", "service_worker", many=True, isolates=1),
            "raw": RAW,
            "windlass, 2 isolates": working_off("ours", "service_worker", many=True, isolates=2),
            "huey, fsync off": working_off("with_huey", fsync=False, kind="process"),
            "huey, fsync on": working_off("with_huey", fsync=True, kind="process"),
        },
    ),
    Benchmark(
        (Figure("process_inprocess", "jobs/s", (ratio_at_least(0.6), times_peer(4, "huey, fsync off"))),),
        {
            "windlass": working_off("ours", "embedded_worker", many=True, threads=1),
            "raw": RAW,
            "huey, fsync off": working_off("with_huey", fsync=False),
            "huey, fsync on": working_off("with_huey", fsync=True),
            "litequeue": working_off("with_litequeue"),
            "persist-queue": working_off("with_persistqueue"),
            "honker": working_off("with_honker", many=True),
        },
    ),
    Benchmark(
        (Figure("process_threads", "jobs/s"),),
        {
            "windlass": working_off("ours", "embedded_worker", many=True, threads=THREADS),
            "raw": RAW,
            "windlass, ThreadPoolExecutor": working_off(
                "ours", "embedded_worker", many=True, executor=lambda: ThreadPoolExecutor(THREADS)
            ),
            "huey, fsync off": working_off("with_huey", fsync=False, workers=THREADS),
        },
    ),
]

"""How soon an idle consumer starts a job: from before the enqueue call to the handler's first line, in
other processes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.contenders import Consumer, opener
from benchmarks.model import Benchmark, Figure, Measure, Room, Subject, percentile, value_at_most
from benchmarks.stamps import Stamps

JOBS, QUICK_JOBS = 40, 15
PAUSE_S = (0.02, 0.08)
"""Between jobs, at random: long enough to be idle, and no poller's rhythm is met or missed."""


def waking(contender: str, /, **options: object) -> Subject:
    """Milliseconds, one number for each job."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        stamps = Stamps(room.folder / "stamps")
        with opener(contender, "consumer", **options)(room) as consumer:
            slots = iter(range(4096))
            for _ in range(5):  # statements prepared, modules imported
                latency_ms(consumer, stamps, next(slots))
            jobs = QUICK_JOBS if room.quick else JOBS
            yield lambda: [latency_ms(consumer, stamps, next(slots)) for _ in range(jobs)]

    return subject


def latency_ms(consumer: Consumer, stamps: Stamps, slot: int) -> float:
    time.sleep(random.uniform(*PAUSE_S))
    before_ns = time.monotonic_ns()
    consumer.hand_over(slot)
    return (stamps.wait(slot) - before_ns) / 1e6


BENCHMARKS = [
    Benchmark(
        (
            Figure("wake_p50_ms", "ms", (value_at_most(1),), percentile(0.50)),
            Figure("wake_p99_ms", "ms", (value_at_most(10),), percentile(0.99)),
        ),
        {
            "windlass": waking("ours", durability="fast"),
            "raw": waking("raw"),
            "windlass, durable": waking("ours", durability="full"),
            "huey, 100 ms poll": waking("with_huey", poll_s=0.1),
            "huey, 10 ms poll": waking("with_huey", poll_s=0.01),
            "litequeue, 50 ms poll": waking("with_litequeue", poll_s=0.05),
            "honker": waking("with_honker"),
        },
        rounds=6,
        quick_rounds=3,
    ),
]

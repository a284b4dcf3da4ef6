"""What a consumer costs while it has nothing to do: processor time, and memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.contenders import opener
from benchmarks.machine import cpu_seconds, pss_mb
from benchmarks.model import Benchmark, Figure, Measure, Room, Subject, value_at_most

SETTLE_S = 2.0
"""After its start: what belongs to starting is over."""
IDLE_S, QUICK_IDLE_S = 10.0, 5.0


def idling(contender: str, /, **options: object) -> Subject:
    """Percent of one core, over all its processes."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        with opener(contender, "consumer", **options)(room) as consumer:
            time.sleep(SETTLE_S)
            yield lambda: idle_percent(consumer.pids, QUICK_IDLE_S if room.quick else IDLE_S)

    return subject


def idle_percent(pids: list[int], seconds: float) -> float:
    used_s, start = cpu_seconds(pids), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(pids) - used_s) / (time.monotonic() - start)


def resident(contender: str, verb: str = "consumer", /, **options: object) -> Subject:
    """Proportional set size of all its processes, in MB, when they have run a job and are idle again."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        with opener(contender, verb, **options)(room) as consumer:
            consumer.hand_over(0)
            time.sleep(SETTLE_S)
            yield lambda: pss_mb(consumer.pids)

    return subject


BENCHMARKS = [
    Benchmark(
        (Figure("idle_cpu_percent", "% of a core", (value_at_most(0.3),)),),
        {
            "windlass": idling("ours"),
            "raw": idling("raw"),
            "huey, 100 ms poll": idling("with_huey", poll_s=0.1),
            "huey, 10 ms poll": idling("with_huey", poll_s=0.01),
            "litequeue, 50 ms poll": idling("with_litequeue", poll_s=0.05),
            "honker": idling("with_honker"),
        },
        rounds=3,
        quick_rounds=1,
        together=True,
    ),
    Benchmark(
        (Figure("memory_pss_mb", "MB", (value_at_most(70),)),),
        {
            "windlass": resident("ours"),
            "raw": resident("raw"),
            "huey": resident("with_huey", poll_s=0.1),
            "litequeue": resident("with_litequeue", poll_s=0.05),
            "honker": resident("with_honker"),
        },
        rounds=3,
        quick_rounds=1,
        one_at_a_time=True,
    ),
]

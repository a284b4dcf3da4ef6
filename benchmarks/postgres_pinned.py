"""On PostgreSQL: claims while somebody's transaction stays open, as a dump's does for an hour.

The server keeps the index entries of all that is claimed meanwhile. Measured is one turn of a dispatcher: it
settles a hundred jobs, looks for lanes and claims the next hundred, which were enqueued just now; ``raw`` is
the raw loop's turn. Before the clock starts, 100,000 jobs have come and gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from benchmarks.model import Benchmark, Figure, Measure, Room, Subject, percentile, ratio_at_most
from benchmarks.postgres_server import own_database, serving

AT_ONCE, BEFORE, SAMPLES = 100, 100_000, 200
FREE = "windlass, no old transaction"
Turn = Callable[[], None]


@contextmanager
def windlass(room: Room) -> Iterator[tuple[Turn, Turn]]:
    """Enqueues a hundred; and the turn."""
    from windlass.outcome import Completed
    from windlass.store.postgres.store import PostgresStore
    from windlass.store.protocol import ClaimRequest, NewJob, Settlement

    store = PostgresStore(own_database(room))
    store.migrate()
    jobs = [NewJob(key="noop")] * AT_ONCE
    done: list[Settlement] = []

    def turn() -> None:
        caps = dict.fromkeys(store.lanes(), AT_ONCE)
        claimed = store.settle_and_claim(done, ClaimRequest(1, AT_ONCE, caps, lambda _: True)).claimed
        assert len(claimed) == AT_ONCE
        done[:] = [Settlement(one.job_id, one.attempt, one.token, Completed()) for one in claimed]

    try:
        yield (lambda: (store.insert(jobs), None)[1]), turn
    finally:
        store.close()


@contextmanager
def raw(room: Room) -> Iterator[tuple[Turn, Turn]]:
    from benchmarks.contenders import pg_raw

    with pg_raw.worker(room, AT_ONCE) as loop:
        done: list[Any] = []

        def turn() -> None:
            done[:] = loop.turn(done)
            assert len(done) == AT_ONCE

        yield (lambda: loop.fill(AT_ONCE)), turn


@contextmanager
def old_transaction(room: Room) -> Iterator[None]:
    import psycopg

    with psycopg.connect(own_database(room)) as dump:
        dump.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        dump.execute("SELECT count(*) FROM background_service_jobs").fetchone()
        yield


def turning(contender: Callable[[Room], Any], *, pinned: bool = True) -> Subject:
    """Milliseconds of each turn."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        with contender(room) as (enqueue, turn), old_transaction(room) if pinned else nullcontext():

            def timed() -> float:
                enqueue()
                began = time.perf_counter()
                turn()
                return (time.perf_counter() - began) * 1000

            for _ in range((BEFORE // 10 if room.quick else BEFORE) // AT_ONCE):
                timed()
            yield lambda: [timed() for _ in range(SAMPLES)]

    return subject


BENCHMARKS = [
    Benchmark(
        (
            Figure("postgres_pinned_p50_ms", "ms", (), percentile(0.5), base=FREE),
            Figure("postgres_pinned_p99_ms", "ms", (ratio_at_most(5),), percentile(0.99), base=FREE),
        ),
        {"windlass": turning(windlass), "raw": turning(raw), FREE: turning(windlass, pinned=False)},
        rounds=5,
        around=serving,
    ),
]

"""Windlass on PostgreSQL, through its public API alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from types import ModuleType

import psycopg

from benchmarks.contenders import TEXT, Consumer, ours
from benchmarks.machine import family
from benchmarks.model import Room
from benchmarks.postgres_server import own_database


def program(room: Room, **settings: str | int) -> ModuleType:
    """The measured program, on a database of its own."""
    # What this machine keeps beside a database of many machines goes here.
    os.environ["XDG_STATE_HOME"] = str(room.folder / "state")
    return ours.program(room.folder, database=own_database(room), **settings)


NEWEST_WAITS = (
    "SELECT status IN ('PENDING', 'RUNNING') AND job_key = 'noop' FROM background_service_jobs"
    " ORDER BY id DESC LIMIT 1"
)


@contextmanager
def producer(room: Room, durability: str = "full") -> Iterator[Callable[[], None]]:
    enqueue = program(room, durability=durability).noop.enqueue
    yield lambda: enqueue(12345, TEXT)


@contextmanager
def bulk(room: Room) -> Iterator[Callable[[], None]]:
    noop = program(room).noop
    payloads = [{"number": number, "text": TEXT} for number in range(1000)]
    yield lambda: noop.enqueue_many(payloads)


class Judge(ours.Judge):
    """Sees from outside, by plain SQL on the contract table, what is done."""

    look_every_s = 0.02
    """Its questions take the server's time, of which the measured program has less then."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        # What waits is found by its index, also while the server has not counted yet.
        self.connection.execute("SET enable_seqscan = off")

    def finish_times(self, since_us: int, at_least: int) -> list[int]:
        deadline = time.monotonic() + ours.PATIENCE_S
        while True:
            rows = self.connection.execute(
                "SELECT finished_at FROM background_service_jobs"
                " WHERE status = 'COMPLETED' AND finished_at > %s ORDER BY finished_at LIMIT %s",
                (since_us, at_least),
            ).fetchall()
            if len(rows) >= at_least:
                return [row[0] for row in rows]
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(rows)} of {at_least} jobs done after {ours.PATIENCE_S:g} s")
            time.sleep(0.005)

    def wait_until_done(self) -> None:
        # First by the newest job alone: to find that nothing is left, the server walks over all that was
        # there, and each look would take a quarter of the processor's time from the measured program.
        self._wait(lambda: not self._holds(NEWEST_WAITS), "the newest job is left")
        super().wait_until_done()

    def _holds(self, question: str) -> bool:
        row = self.connection.execute(question).fetchone()
        return bool(row and row[0])


class WindlassWorker(ours.WindlassWorker):
    """Whatever runs the app's jobs: it waits behind a paused queue until the clock starts."""

    def __init__(self, room: Room, module: ModuleType) -> None:
        self.app = module.app
        self._noop = module.noop
        self.judge = Judge(own_database(room))


@contextmanager
def service_worker(room: Room, isolates: int = 1) -> Iterator[WindlassWorker]:
    """The background service: a dispatcher and its isolates, in processes of their own."""
    module = program(room, isolates=isolates)
    with ours.service(module):
        worker = WindlassWorker(room, module)
        worker.warm()
        yield worker


@contextmanager
def embedded_worker(
    room: Room, *, threads: int = 1, executor: Callable[[], Executor] | None = None
) -> Iterator[WindlassWorker]:
    """``with app.running():`` in this process."""
    module = program(room)
    with module.app.running(**({"executor": executor()} if executor else {"threads": threads})):
        worker = WindlassWorker(room, module)
        worker.warm()
        yield worker


@contextmanager
def consumer(room: Room, durability: str = "full") -> Iterator[Consumer]:
    """An idle service with one isolate."""
    module = program(room, durability=durability, isolates=1)
    with ours.service(module) as pid:
        module.noop.enqueue(1, TEXT)
        Judge(own_database(room)).wait_until_done()
        yield Consumer(family(pid), module.stamp.enqueue)

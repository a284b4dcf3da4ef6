"""Windlass, through its public API alone."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from benchmarks.contenders import TEXT, Consumer
from benchmarks.machine import family
from benchmarks.model import Room

TARGET = "benchmarks.contenders.windlass_app:app"
PATIENCE_S = 60.0
PAUSE_S = 0.05
"""For a pause to reach the dispatcher: nothing of what is added next may run before its time."""

RUNNING = "SELECT EXISTS (SELECT 1 FROM background_service_jobs WHERE status = 'RUNNING')"
READY = (
    "SELECT EXISTS (SELECT 1 FROM background_service_jobs WHERE status = 'PENDING'"
    " AND run_at IS NULL AND hold IS NULL AND alone = 0 AND queue = 'default' AND job_key = 'noop')"
)


def program(folder: Path, **settings: str | int) -> ModuleType:
    """The measured program, with its database in ``folder``."""
    os.environ["WINDLASS_DATABASE"] = str(folder / "windlass.db")
    os.environ["BENCH_STAMPS"] = str(folder / "stamps")
    os.environ |= {f"WINDLASS_{name.upper()}": str(value) for name, value in settings.items()}
    from benchmarks.contenders import windlass_app

    return windlass_app


@contextmanager
def producer(room: Room, durability: str = "full") -> Iterator[Callable[[], None]]:
    enqueue = program(room.folder, durability=durability).noop.enqueue
    yield lambda: enqueue(12345, TEXT)


@contextmanager
def bulk(room: Room) -> Iterator[Callable[[], None]]:
    noop = program(room.folder).noop
    payloads = [{"number": number, "text": TEXT} for number in range(1000)]
    yield lambda: noop.enqueue_many(payloads)


class Judge:
    """Sees from outside, by plain SQL on the contract table, what is done."""

    look_every_s = 0.002

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / "windlass.db", isolation_level=None, timeout=30)

    def wait_until_done(self) -> None:
        """Returns when no ``noop`` waits or runs any more, at most ``look_every_s`` later."""
        self._wait(lambda: not self._holds(READY) and not self._holds(RUNNING), "jobs are left")

    def wait_until_still(self) -> None:
        """Returns when nothing is running."""
        self._wait(lambda: not self._holds(RUNNING), "jobs are still running")

    def finish_times(self, since_us: int, at_least: int) -> list[int]:
        """When the first ``at_least`` jobs that completed after ``since_us`` did, in microseconds, sorted."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            rows = self._connection.execute(
                "SELECT finished_at FROM background_service_jobs"
                " WHERE status = 'COMPLETED' AND finished_at > ? ORDER BY finished_at LIMIT ?",
                (since_us, at_least),
            ).fetchall()
            if len(rows) >= at_least:
                return [row[0] for row in rows]
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(rows)} of {at_least} jobs done after {PATIENCE_S:g} s")
            time.sleep(0.005)

    def _wait(self, is_over: Callable[[], bool], else_: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_over():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{else_} after {PATIENCE_S:g} s")
            time.sleep(self.look_every_s)

    def _holds(self, question: str) -> bool:
        return bool(self._connection.execute(question).fetchone()[0])


class WindlassWorker:
    """Whatever runs the app's jobs: it waits behind a paused queue until the clock starts."""

    def __init__(self, room: Room, module: ModuleType) -> None:
        self.app = module.app
        self._noop = module.noop
        self.judge = Judge(room.folder)

    def fill(self, count: int) -> None:
        self.hold()
        self.add(count)

    def hold(self) -> None:
        """Pauses the queue, and returns when nothing runs any more."""
        self.app.queues.pause("default")
        self.judge.wait_until_still()
        time.sleep(PAUSE_S)

    def add(self, count: int) -> None:
        """More of the same jobs."""
        self._noop.enqueue_many({"number": number, "text": TEXT} for number in range(count))

    def work_off(self) -> None:
        self.app.queues.resume("default")
        self.judge.wait_until_done()

    def warm(self) -> None:
        """One round that does not count: every process is up, every statement prepared."""
        self.fill(200)
        self.work_off()


@contextmanager
def service_worker(room: Room, isolates: int = 1) -> Iterator[WindlassWorker]:
    """The background service: a dispatcher and its isolates, in processes of their own."""
    module = program(room.folder, isolates=isolates)
    with service(module):
        worker = WindlassWorker(room, module)
        worker.warm()
        yield worker


@contextmanager
def embedded_worker(
    room: Room, *, threads: int = 1, executor: Callable[[], Executor] | None = None
) -> Iterator[WindlassWorker]:
    """``with app.running():`` in this process."""
    module = program(room.folder)
    with module.app.running(**({"executor": executor()} if executor else {"threads": threads})):
        worker = WindlassWorker(room, module)
        worker.warm()
        yield worker


@contextmanager
def consumer(room: Room, durability: str = "fast") -> Iterator[Consumer]:
    """An idle service with one isolate."""
    module = program(room.folder, durability=durability, isolates=1)
    with service(module) as pid:
        module.noop.enqueue(1, TEXT)
        Judge(room.folder).wait_until_done()
        yield Consumer(family(pid), module.stamp.enqueue)


@contextmanager
def service(module: ModuleType) -> Iterator[int]:
    """The background service, from start to stop; its first process's id."""
    pid = module.app.service.start(TARGET, wait=120)
    try:
        yield pid
    finally:
        module.app.service.stop(wait=120)

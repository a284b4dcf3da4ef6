"""Huey 3 on SQLite: one connection per process, pickled tasks, deleted when they are taken.

At its best: a thread worker (a process worker where isolation is compared), no results kept, the consumer's
log off, a consumer that starts when the work is there, so that no poll delays it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huey import SqliteHuey
from huey.consumer import Consumer as HueyConsumer

from benchmarks.contenders import TEXT, Consumer
from benchmarks.contenders.consuming import spawned
from benchmarks.model import Room
from benchmarks.stamps import Stamps


def queue(folder: Path, *, fsync: bool) -> tuple[SqliteHuey, Any]:
    """A queue and its no-op task."""
    logging.getLogger("huey").setLevel(logging.ERROR)
    huey = SqliteHuey("bench", filename=str(folder / "huey.db"), fsync=fsync, results=False)

    def noop(number: int, text: str) -> None:
        pass

    return huey, huey.task()(noop)


@contextmanager
def producer(room: Room, *, fsync: bool) -> Iterator[Callable[[], None]]:
    huey, noop = queue(room.folder, fsync=fsync)
    yield lambda: noop(12345, TEXT)
    huey.storage.close()


class HueyWorker:
    def __init__(self, folder: Path, *, fsync: bool, kind: str, workers: int) -> None:
        self._huey, self._noop = queue(folder, fsync=fsync)
        self._path = folder / "huey.db"
        self._kind, self._workers = kind, workers

    def fill(self, count: int) -> None:
        # As its own enqueue writes it, in one transaction: what is timed is working off.
        rows = [
            ("bench", self._huey.serialize_task(self._noop.s(number, TEXT)), 0) for number in range(count)
        ]
        connection = sqlite3.connect(self._path)
        with connection:
            connection.executemany("INSERT INTO task (queue, data, priority) VALUES (?, ?, ?)", rows)
        connection.close()

    def work_off(self) -> None:
        options = {
            "workers": self._workers,
            "worker_type": self._kind,
            "periodic": False,
            "initial_delay": 0.01,
        }
        consumer = quiet(HueyConsumer(self._huey, **options))
        consumer.start()
        while self._huey.pending_count():
            time.sleep(0.005)
        consumer.stop(graceful=True)


def quiet(consumer: HueyConsumer) -> HueyConsumer:
    """Without signal handlers: a benchmark's process is ended by its runner."""
    consumer._set_signal_handlers = lambda: None
    return consumer


@contextmanager
def worker(room: Room, *, fsync: bool, kind: str = "thread", workers: int = 1) -> Iterator[HueyWorker]:
    yield HueyWorker(room.folder, fsync=fsync, kind=kind, workers=workers)


def stamping(folder: Path) -> tuple[SqliteHuey, Any]:
    """A queue and the task that stamps."""
    logging.getLogger("huey").setLevel(logging.ERROR)
    huey = SqliteHuey("bench", filename=str(folder / "huey.db"), fsync=False, results=False)
    stamps = Stamps(folder / "stamps")

    def stamp(slot: int) -> None:
        stamps.mark(slot)

    return huey, huey.task()(stamp)


@contextmanager
def consumer(room: Room, *, poll_s: float) -> Iterator[Consumer]:
    _, stamp = stamping(room.folder)
    with spawned("with_huey", room.folder, str(poll_s)) as process:
        yield Consumer([process.pid], stamp)


def consume(folder: Path, ready: Callable[[], None], poll_s: str) -> None:
    """The consumer's own process: one thread worker that polls this often, and no more rarely when idle."""
    huey, _ = stamping(folder)
    polls = {"initial_delay": float(poll_s), "max_delay": float(poll_s), "backoff": 1.0}
    quiet(HueyConsumer(huey, workers=1, **polls)).start()
    ready()
    threading.Event().wait()

"""litequeue: a queue in one table, without a worker of its own: pop, work, done.

At its best: autocommit on one connection. It sets ``synchronous = NORMAL``; where durable enqueues are
compared, its connection is set to FULL.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from litequeue import LiteQueue

from benchmarks.contenders import TEXT, Consumer
from benchmarks.contenders.consuming import spawned
from benchmarks.model import Room
from benchmarks.stamps import Stamps

PAYLOAD = json.dumps({"number": 12345, "text": TEXT})


def queue(folder: Path, synchronous: str = "NORMAL") -> LiteQueue:
    connection = sqlite3.connect(folder / "litequeue.db", timeout=30, check_same_thread=False)
    made = LiteQueue(connection)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    return made


@contextmanager
def producer(room: Room, synchronous: str) -> Iterator[Callable[[], None]]:
    put = queue(room.folder, synchronous).put
    yield lambda: put(json.dumps({"number": 12345, "text": TEXT}))


@contextmanager
def bulk(room: Room) -> Iterator[Callable[[], None]]:
    jobs = queue(room.folder, "FULL")

    def enqueue_many() -> None:
        with jobs.transaction("IMMEDIATE"):
            for number in range(1000):
                jobs.put(json.dumps({"number": number, "text": TEXT}))

    yield enqueue_many


class LitequeueWorker:
    def __init__(self, folder: Path) -> None:
        self._queue = queue(folder)

    def fill(self, count: int) -> None:
        with self._queue.transaction("IMMEDIATE"):
            for _ in range(count):
                self._queue.put(PAYLOAD)

    def work_off(self) -> None:
        while message := self._queue.pop():
            json.loads(message.data)
            self._queue.done(message.message_id)


@contextmanager
def worker(room: Room) -> Iterator[LitequeueWorker]:
    yield LitequeueWorker(room.folder)


@contextmanager
def consumer(room: Room, *, poll_s: float) -> Iterator[Consumer]:
    put = queue(room.folder).put
    with spawned("with_litequeue", room.folder, str(poll_s)) as process:
        yield Consumer([process.pid], lambda slot: put(json.dumps({"slot": slot})))


def consume(folder: Path, ready: Callable[[], None], poll_s: str) -> None:
    """The consumer's own process: looks, and sleeps where there is nothing."""
    jobs, stamps, pause_s = queue(folder), Stamps(folder / "stamps"), float(poll_s)
    ready()
    while True:
        message = jobs.pop()
        if message is None:
            time.sleep(pause_s)
            continue
        stamps.mark(json.loads(message.data)["slot"])
        jobs.done(message.message_id)

"""honker: a queue written in Rust, its own SQLite inside, NORMAL durability.

At its best: jobs enqueued and taken in batches where that is compared, its update watcher where waking is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import honker

from benchmarks.contenders import TEXT, Consumer
from benchmarks.contenders.consuming import spawned
from benchmarks.model import Room
from benchmarks.stamps import Stamps

BATCH = 100


def queue(folder: Path) -> tuple[honker.Database, honker.Queue]:
    database = honker.open(str(folder / "honker.db"))
    return database, database.queue("bench")


@contextmanager
def producer(room: Room) -> Iterator[Callable[[], None]]:
    database, jobs = queue(room.folder)
    yield lambda: jobs.enqueue({"number": 12345, "text": TEXT})
    database.close()


class HonkerWorker:
    def __init__(self, room: Room) -> None:
        self._database, self._queue = queue(room.folder)

    def fill(self, count: int) -> None:
        with self._database.transaction() as transaction:
            for number in range(count):
                self._queue.enqueue({"number": number, "text": TEXT}, tx=transaction)

    def work_off(self) -> None:
        while jobs := self._queue.claim_batch("bench", BATCH):
            for job in jobs:
                assert job.payload
            self._queue.ack_batch([job.id for job in jobs], "bench")


@contextmanager
def worker(room: Room) -> Iterator[HonkerWorker]:
    yield HonkerWorker(room)


@contextmanager
def consumer(room: Room) -> Iterator[Consumer]:
    database, jobs = queue(room.folder)
    with spawned("with_honker", room.folder) as process:
        yield Consumer([process.pid], lambda slot: jobs.enqueue({"slot": slot}))
    database.close()


def consume(folder: Path, ready: Callable[[], None]) -> None:
    """The consumer's own process: its asynchronous iterator over the queue."""
    _, jobs = queue(folder)
    stamps = Stamps(folder / "stamps")

    async def loop() -> None:
        ready()
        async for job in jobs.claim("bench"):
            stamps.mark(job.payload["slot"])
            job.ack()

    asyncio.run(loop())

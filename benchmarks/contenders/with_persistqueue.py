"""persist-queue's ``SQLiteAckQueue``: put, get, ack; pickled items, one commit each.

At its best: auto-commit with one connection per process. It leaves ``synchronous`` at SQLite's default, FULL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from persistqueue import Empty, SQLiteAckQueue

from benchmarks.contenders import TEXT
from benchmarks.model import Room


@contextmanager
def producer(room: Room) -> Iterator[Callable[[], None]]:
    put = SQLiteAckQueue(str(room.folder / "persistqueue"), multithreading=True).put
    yield lambda: put({"number": 12345, "text": TEXT})


class PersistqueueWorker:
    def __init__(self, room: Room) -> None:
        self._queue = SQLiteAckQueue(str(room.folder / "persistqueue"), multithreading=True)

    def fill(self, count: int) -> None:
        for number in range(count):
            self._queue.put({"number": number, "text": TEXT})

    def work_off(self) -> None:
        try:
            while True:
                self._queue.ack(self._queue.get(block=False))
        except Empty:
            return


@contextmanager
def worker(room: Room) -> Iterator[PersistqueueWorker]:
    yield PersistqueueWorker(room)

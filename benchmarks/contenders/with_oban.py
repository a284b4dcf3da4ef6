"""Oban for Python: needs Python 3.12, so it runs in an environment of its own.

At its best: one queue with a limit of 200, so that it fetches as many at once, a pool of ten connections,
finished jobs acknowledged together, which it does by itself, and ``uvloop``, which it brings along.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import uvloop
from oban import Oban
from oban import worker as oban_worker
from oban.schema import install
from psycopg_pool import AsyncConnectionPool

from benchmarks.contenders import TEXT, Consumer
from benchmarks.contenders.consuming import spawned
from benchmarks.model import Room
from benchmarks.postgres_server import database_name, own_database, url
from benchmarks.stamps import Stamps

LIMIT = 200
JOB: dict[str, Any] = {"number": 12345, "text": TEXT}
DONE = "SELECT NOT EXISTS (SELECT 1 FROM oban_jobs WHERE state IN ('available', 'executing'))"


@oban_worker(queue="default")
class Noop:
    async def process(self, job: Any) -> None:
        pass


class Client:
    """Enqueues from a program that is not asynchronous itself."""

    def __init__(self, place: str, *, is_new: bool) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._runner.run(self._open(place, is_new=is_new))

    async def _open(self, place: str, *, is_new: bool) -> None:
        self._pool = AsyncConnectionPool(place, min_size=1, max_size=2, open=False)
        await self._pool.open()
        if is_new:
            await install(self._pool)
        self._oban = Oban(pool=self._pool)

    def enqueue(self, worker: Any, jobs: list[dict[str, Any]]) -> None:
        self._runner.run(self._oban.enqueue_many([worker.new(job) for job in jobs]))

    def close(self) -> None:
        self._runner.run(self._pool.close())
        self._runner.close()


@contextmanager
def client(room: Room) -> Iterator[Client]:
    one = Client(own_database(room), is_new=True)
    yield one
    one.close()


@contextmanager
def producer(room: Room) -> Iterator[Callable[[], None]]:
    with client(room) as one:
        yield lambda: one.enqueue(Noop, [JOB])


@contextmanager
def bulk(room: Room) -> Iterator[Callable[[], None]]:
    with client(room) as one:
        yield lambda: one.enqueue(Noop, [JOB] * 1000)


@asynccontextmanager
async def running(place: str) -> AsyncIterator[None]:
    """Works on the queue."""
    async with (
        AsyncConnectionPool(place, min_size=4, max_size=10, open=False) as pool,
        Oban(pool=pool, queues={"default": LIMIT}),
    ):
        yield


class ObanWorker:
    def __init__(self, place: str, one: Client) -> None:
        self._place, self._client = place, one

    def fill(self, count: int) -> None:
        for _ in range(0, count, 1000):
            self._client.enqueue(Noop, [JOB] * 1000)

    def work_off(self) -> None:
        uvloop.run(self._drain())

    async def _drain(self) -> None:
        async with (
            running(self._place),
            await psycopg.AsyncConnection.connect(self._place, autocommit=True) as judge,
        ):
            while (await (await judge.execute(DONE)).fetchone()) != (True,):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)


@contextmanager
def worker(room: Room) -> Iterator[ObanWorker]:
    with client(room) as one:
        loop = ObanWorker(own_database(room), one)
        loop.fill(1000)
        loop.work_off()
        yield loop


def stamping(folder: Path) -> Any:
    stamps = Stamps(folder / "stamps")

    @oban_worker(queue="default")
    class Stamp:
        async def process(self, job: Any) -> None:
            stamps.mark(job.args["slot"])

    return Stamp


@contextmanager
def consumer(room: Room) -> Iterator[Consumer]:
    with client(room) as one, spawned("with_oban", room.folder) as process:
        stamp = stamping(room.folder)
        yield Consumer([process.pid], lambda slot: one.enqueue(stamp, [{"slot": slot}]))


def consume(folder: Path, ready: Callable[[], None]) -> None:
    """The consumer's own process."""
    stamping(folder)

    async def run() -> None:
        async with running(url(database_name(folder))):
            ready()
            await asyncio.Event().wait()

    uvloop.run(run())

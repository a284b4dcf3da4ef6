"""PgQueuer, on asyncpg (the driver of its own benchmark) or psycopg, batches of 200.

At its best: ``uvloop``, no tracing, an asynchronous entrypoint without a limit, ``batch_size=200``, of which
larger ones gave no more; what it logs of each job goes out in batches by itself. It enqueues by its
synchronous driver, which is psycopg's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import uvloop
from pgqueuer.db import AsyncpgDriver, PsycopgDriver, SyncPsycopgDriver
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries, SyncQueries
from pgqueuer.types import QueueExecutionMode

from benchmarks.contenders import TEXT, Consumer
from benchmarks.contenders.consuming import spawned
from benchmarks.model import Room
from benchmarks.postgres_server import database_name, own_database, url
from benchmarks.stamps import Stamps

BATCH = 200
PAYLOAD = json.dumps({"number": 12345, "text": TEXT}).encode()


def installed(room: Room, *, flushes: bool = True) -> str:
    """The URL of a database with its tables."""
    place = own_database(room)
    if not flushes:
        with psycopg.connect(place, autocommit=True) as connection:
            database: Any = f"ALTER DATABASE {database_name(room.folder)} SET synchronous_commit = off"
            connection.execute(database)

    async def install() -> None:
        async with driver_to(place, "asyncpg") as driver:
            await Queries(driver).install()

    asyncio.run(install())
    return place


@asynccontextmanager
async def driver_to(place: str, kind: str) -> AsyncIterator[AsyncpgDriver | PsycopgDriver]:
    if kind == "asyncpg":
        connection = await asyncpg.connect(place)
        try:
            yield AsyncpgDriver(connection)
        finally:
            await connection.close()
    else:
        async with await psycopg.AsyncConnection.connect(place, autocommit=True) as connection:
            yield PsycopgDriver(connection)


@contextmanager
def producer(room: Room) -> Iterator[Callable[[], Any]]:
    with psycopg.connect(installed(room), autocommit=True) as connection:
        enqueue = SyncQueries(SyncPsycopgDriver(connection)).enqueue
        yield lambda: enqueue("noop", PAYLOAD)


@contextmanager
def bulk(room: Room) -> Iterator[Callable[[], Any]]:
    with psycopg.connect(installed(room), autocommit=True) as connection:
        enqueue = SyncQueries(SyncPsycopgDriver(connection)).enqueue
        yield lambda: enqueue(["noop"] * 1000, [PAYLOAD] * 1000, [0] * 1000)


class PgQueuerWorker:
    def __init__(self, place: str, kind: str) -> None:
        self._place, self._kind = place, kind
        self._connection = psycopg.connect(place, autocommit=True)
        self._queries = SyncQueries(SyncPsycopgDriver(self._connection))

    def fill(self, count: int) -> None:
        for _ in range(0, count, 1000):
            self._queries.enqueue(["noop"] * 1000, [PAYLOAD] * 1000, [0] * 1000)

    def work_off(self) -> None:
        uvloop.run(self._drain())

    async def _drain(self) -> None:
        async with driver_to(self._place, self._kind) as driver:
            manager = QueueManager(Queries(driver))

            @manager.entrypoint("noop")
            async def noop(job: Job) -> None:
                pass

            await manager.run(
                dequeue_timeout=timedelta(seconds=5), batch_size=BATCH, mode=QueueExecutionMode.drain
            )


@contextmanager
def worker(room: Room, *, driver: str = "asyncpg", flushes: bool = True) -> Iterator[PgQueuerWorker]:
    loop = PgQueuerWorker(installed(room, flushes=flushes), driver)
    loop.fill(1000)
    loop.work_off()
    yield loop


@contextmanager
def consumer(room: Room, *, driver: str = "asyncpg") -> Iterator[Consumer]:
    with psycopg.connect(installed(room), autocommit=True) as connection:
        queries = SyncQueries(SyncPsycopgDriver(connection))
        with spawned("with_pgqueuer", room.folder, driver) as process:
            yield Consumer([process.pid], lambda slot: queries.enqueue("stamp", str(slot).encode()))


def consume(folder: Path, ready: Callable[[], None], kind: str) -> None:
    """The consumer's own process."""
    stamps = Stamps(folder / "stamps")

    async def run() -> None:
        async with driver_to(url(database_name(folder)), kind) as driver:
            manager = QueueManager(Queries(driver))

            @manager.entrypoint("stamp")
            async def stamp(job: Job) -> None:
                assert job.payload is not None
                stamps.mark(int(job.payload))

            asyncio.get_running_loop().call_later(1.0, ready)
            await manager.run(batch_size=BATCH)

    uvloop.run(run())

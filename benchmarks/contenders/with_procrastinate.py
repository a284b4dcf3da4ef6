"""Procrastinate 3: one task at a time is fetched, run and marked, as many at once as it is told.

At its best: asynchronous tasks, ``concurrency=30`` and a pool of as many connections; finished jobs are
deleted (``delete_jobs="always"``), so that its table stays small; its log is off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from benchmarks.contenders import TEXT, Consumer
from benchmarks.contenders.consuming import spawned
from benchmarks.model import Room
from benchmarks.postgres_server import database_name, own_database, url
from benchmarks.stamps import Stamps

CONCURRENCY = 30
JOB: dict[str, Any] = {"number": 12345, "text": TEXT}


def queue(connector: Any, stamps: Stamps | None = None) -> tuple[App, Any, Any]:
    """An app and its tasks: one does nothing, one stamps."""
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    app = App(connector=connector)

    async def noop(number: int, text: str) -> None:
        pass

    async def stamp(slot: int) -> None:
        assert stamps is not None
        stamps.mark(slot)

    return app, app.task(name="noop")(noop), app.task(name="stamp")(stamp)


@contextmanager
def opened(room: Room) -> Iterator[tuple[Any, Any]]:
    """The two tasks, to be deferred one after another by one connection."""
    app, noop, stamp = queue(SyncPsycopgConnector(conninfo=own_database(room), min_size=1, max_size=1))
    with app.open():
        app.schema_manager.apply_schema()
        yield noop, stamp


@contextmanager
def producer(room: Room) -> Iterator[Callable[[], Any]]:
    with opened(room) as (noop, _):
        yield lambda: noop.defer(**JOB)


@contextmanager
def bulk(room: Room) -> Iterator[Callable[[], Any]]:
    with opened(room) as (noop, _):
        jobs = [JOB] * 1000
        yield lambda: noop.batch_defer(*jobs)


class ProcrastinateWorker:
    def __init__(self, place: str, noop: Any) -> None:
        self._place, self._noop = place, noop

    def fill(self, count: int) -> None:
        self._noop.batch_defer(*[JOB] * count)

    def work_off(self) -> None:
        asyncio.run(self._drain())

    async def _drain(self) -> None:
        app, _, _ = queue(pool(self._place))
        async with app.open_async():
            await app.run_worker_async(
                wait=False, concurrency=CONCURRENCY, delete_jobs="always", install_signal_handlers=False
            )


def pool(place: str) -> PsycopgConnector:
    return PsycopgConnector(conninfo=place, min_size=4, max_size=CONCURRENCY)


@contextmanager
def worker(room: Room) -> Iterator[ProcrastinateWorker]:
    with opened(room) as (noop, _):
        loop = ProcrastinateWorker(own_database(room), noop)
        loop.fill(10)
        loop.work_off()
        yield loop


@contextmanager
def consumer(room: Room) -> Iterator[Consumer]:
    with opened(room) as (_, stamp), spawned("with_procrastinate", room.folder) as process:
        yield Consumer([process.pid], lambda slot: stamp.defer(slot=slot))


def consume(folder: Path, ready: Callable[[], None]) -> None:
    """The consumer's own process."""
    app, _, _ = queue(pool(url(database_name(folder))), Stamps(folder / "stamps"))

    async def run() -> None:
        async with app.open_async():
            asyncio.get_running_loop().call_later(1.0, ready)
            await app.run_worker_async(
                concurrency=CONCURRENCY, delete_jobs="always", install_signal_handlers=False
            )

    asyncio.run(run())

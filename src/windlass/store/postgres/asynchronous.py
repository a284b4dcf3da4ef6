"""An asynchronous connection of psycopg as a caller's own: ``await job.using(connection=it).aenqueue(...)``.

Nothing of ours is written twice for it. It is locked, and lends its session of libpq to a synchronous half on
a thread, while the event loop goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus

from windlass.errors import InvalidJob
from windlass.joining import Joined, Plain, Spawn
from windlass.store.postgres.faults import translated
from windlass.store.postgres.joining import plain_half_of

R = TypeVar("R")
AnyConnection = psycopg.AsyncConnection[Any]

_lent: ContextVar[AnyConnection | None] = ContextVar("windlass_lent", default=None)
"""Whose session the call on this thread may use."""


def join(given: AnyConnection) -> Joined:
    """Its transaction: see ``windlass.joining``."""
    return _Joined(given)


def spawn_of(given: AnyConnection) -> Spawn:
    """How to reach it from a coroutine: see ``windlass.joining``."""
    return partial(_lend, given)


class _Joined(Plain):
    """The transaction of a connection that is lent to this thread."""

    def __init__(self, given: AnyConnection) -> None:
        super().__init__(given)
        self._given = given

    def run(self, work: Callable[[Any], R]) -> R:
        given = self._given
        if _lent.get() is not given:
            raise InvalidJob(
                "the connection is asynchronous: await job.using(connection=connection).aenqueue(...)"
            )
        half = plain_half_of(given)
        if half.pgconn.transaction_status == TransactionStatus.IDLE:
            # Where each statement is a transaction, so is each of ours, and none is left open.
            half.set_autocommit(given.autocommit)
        return work(half)


async def _lend(given: AnyConnection, call: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
    if given.closed:
        raise InvalidJob("the connection cannot be used here (it is closed): nothing was written")
    if given.pgconn.pipeline_status != PipelineStatus.OFF:
        raise InvalidJob("a pipeline is open on the connection: enqueue before it, or after it")
    if not given.autocommit and given.info.transaction_status == TransactionStatus.IDLE:
        # Begun by a statement of its own: what it has set for its transactions holds.
        with translated(given.info.dsn):
            await given.execute("SELECT 1")
    # Who is cancelled leaves the session to nobody before the thread has done with it.
    return await asyncio.shield(asyncio.ensure_future(_alone(given, partial(call, *args, **kwargs))))


async def _alone(given: AnyConnection, call: Callable[[], R]) -> R:
    def run() -> R:
        _lent.set(given)
        return call()

    async with given.lock:
        return await asyncio.to_thread(run)

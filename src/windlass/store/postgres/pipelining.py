"""The driver's connection, but for the last word of its pipelines.

After the end of a pipeline (a Sync, at which the server answers) psycopg asks for a flush, which has nothing
to do any more. But the server, which has begun to count for how long the transaction idles, takes it for a
sign of life and stops counting, and then no limit ends the session of a program that is stopped or cut off
there: it would keep the lock that all turns need, behind a pooler for hours.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.abc import PQGen
from psycopg.generators import send
from psycopg.rows import tuple_row


class _Pipeline(psycopg.Pipeline):
    """Ends with its Sync."""

    def _fetch_gen(self, *, flush: bool) -> PQGen[None]:
        if flush and self.result_queue:
            # What has to go out has to go out, though.
            yield from send(self.pgconn)
        yield from super()._fetch_gen(flush=False)


class Connection(psycopg.Connection[Any]):
    """One that the server counts idle from the moment at which it has nothing more to do for it."""

    knows_enqueue: bool | None = False
    """Its session has the statement of ``direct.py`` prepared; None: it is not to be."""
    lent = unsure = False
    """A program has it; a program had it, and its session may have been told to forget what was prepared."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.prepared: dict[tuple[str, tuple[int, ...]], bytes] = {}
        """What its session has prepared for ``bundling.py``: names, by text and types."""

    def _deallocate(self, name: bytes | None) -> PQGen[None]:
        if name is None:
            # After a rollback the driver lets its session forget everything, not only what is its own.
            self.prepared.clear()
        yield from super()._deallocate(name)

    @contextmanager
    def pipeline(self) -> Generator[psycopg.Pipeline]:
        with super().pipeline() as pipeline:
            pipeline.__class__ = _Pipeline
            yield pipeline


@contextmanager
def lent(raw: psycopg.Connection[Any]) -> Generator[None]:
    """While a program has a connection of the store: what it sets on it ends with it."""
    ours = raw if isinstance(raw, Connection) else None
    if ours is not None:
        ours.lent = True
    try:
        yield
    finally:
        raw.row_factory = tuple_row
        if ours is not None:
            ours.lent, ours.unsure = False, True

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

    @contextmanager
    def pipeline(self) -> Generator[psycopg.Pipeline]:
        with super().pipeline() as pipeline:
            pipeline.__class__ = _Pipeline
            yield pipeline

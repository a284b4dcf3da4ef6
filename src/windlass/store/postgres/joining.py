"""A caller's own psycopg connection: whether it may be used, and how to work inside its transaction."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import TransactionStatus

from windlass.errors import InvalidJob
from windlass.store.postgres.faults import translated
from windlass.store.postgres.statements import Statements

_known: WeakKeyDictionary[psycopg.Connection[Any], str] = WeakKeyDictionary()
_halves: WeakKeyDictionary[psycopg.AsyncConnection[Any], psycopg.Connection[Any]] = WeakKeyDictionary()


def check_connection(connection: Any) -> psycopg.Connection[Any]:
    """A connection that can be used here.

    Raises:
        InvalidJob: it is none of psycopg's, or closed.
    """
    if not isinstance(connection, psycopg.Connection):
        raise InvalidJob(f"expected connection to be a psycopg.Connection, got {type(connection).__name__}")
    if connection.closed:
        raise InvalidJob("the connection cannot be used here (it is closed): nothing was written")
    return connection  # pyright: ignore[reportUnknownVariableType]


def plain_half_of(connection: psycopg.AsyncConnection[Any]) -> psycopg.Connection[Any]:
    """A synchronous connection with the same session of libpq, for whoever has the other one's lock.

    The asynchronous one is in its transaction already: this one would begin another kind of it.
    """
    half = _halves.get(connection)
    if half is None:
        session = connection.pgconn
        hears = session.notice_handler, session.notify_handler
        half = psycopg.Connection[Any](session)
        # It listens for nobody, and gives no statement a name that the other one may give.
        session.notice_handler, session.notify_handler = hears
        half.prepare_threshold = None
        _halves[connection] = half
    return half


def identity_of(raw: psycopg.Connection[Any], name: str) -> str:
    """What all connections to the same schema have in common, and no others; empty: no Windlass there."""
    known = _known.get(raw)
    if known is None:
        with kept(raw, name):
            connection = Statements(raw)
            known = ""
            if connection.execute("SELECT to_regclass('windlass_meta') IS NOT NULL").fetchone()[0]:
                row = connection.execute("SELECT value FROM windlass_meta WHERE name = 'identity'").fetchone()
                known = "" if row is None else row[0]
        _known[raw] = known
    return known


@contextmanager
def kept(raw: psycopg.Connection[Any], name: str) -> Generator[None]:
    """Leaves the connection as it was: in the caller's transaction, or in none."""
    idle = raw.pgconn.transaction_status == TransactionStatus.IDLE
    try:
        with translated(name):
            yield
    finally:
        if idle and raw.pgconn.transaction_status != TransactionStatus.IDLE:
            raw.rollback()


@contextmanager
def joined(raw: psycopg.Connection[Any], name: str, *, apart: bool) -> Generator[None]:
    """Inside the caller's transaction, or psycopg's implicit one; ``apart``: what fails here is undone alone.

    Raises:
        StoreUnavailable: nothing was written.
    """
    with translated(name):
        if not apart:
            yield
        elif raw.autocommit and raw.pgconn.transaction_status == TransactionStatus.IDLE:
            with raw.transaction():
                yield
        else:
            raw.execute("SAVEPOINT windlass")
            try:
                yield
            except BaseException:
                with suppress(psycopg.Error):  # the error itself is raised
                    raw.execute("ROLLBACK TO windlass")
                    raw.execute("RELEASE windlass")
                raise
            raw.execute("RELEASE windlass")

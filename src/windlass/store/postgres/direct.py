"""The one statement that is worth a way of its own: a plain enqueue, prepared once and sent as it is.

A cursor finds out for each statement how its values are told, whether it is prepared by now, and what became
of it. A program that enqueues one job after the other spends more on that than on anything but waiting.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count
from typing import Any

import psycopg
from psycopg import errors, generators
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from windlass.store.postgres.dialect import SQL
from windlass.store.postgres.pipelining import Connection

_NAME = b"windlass_enqueue"
_places = count(1)
_TEXT = re.sub("%s", lambda _: f"${next(_places)}", SQL["insert_plain"]).encode()
_FINE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


def insert_plain(raw: psycopg.Connection[Any], values: Sequence[str | int | None]) -> int | None:
    """The id of a new job of these values of ``insert_plain.sql``, committed; None: nothing was done, and it
    has to go the long way.

    Each statement commits by itself on that connection, and nobody else has it.

    Raises:
        psycopg.Error: as a cursor would.
    """
    if not isinstance(raw, Connection) or raw.prepare_threshold is None or raw.knows_enqueue is None:
        return None  # behind a pooler the next session knows of nothing prepared
    pgconn = raw.pgconn
    if not raw.autocommit or pgconn.transaction_status != TransactionStatus.IDLE:
        return None
    told = _told(values) if pgconn.parameter_status(b"client_encoding") == b"UTF8" else None
    if told is None:
        return None
    try:
        if not raw.knows_enqueue:
            pgconn.send_prepare(_NAME, _TEXT)
            _answer(raw)
            raw.knows_enqueue = True
        pgconn.send_query_prepared(_NAME, told)
        made = _answer(raw).get_value(0, 0)
    except (errors.InvalidSqlStatementName, errors.DuplicatePreparedStatement):
        # A block of app.transaction() had this connection, and has told it to forget, or to know, something.
        raw.knows_enqueue = None
        return None
    assert made is not None
    return int(made)


def _told(values: Sequence[str | int | None]) -> list[bytes | None] | None:
    """The values as libpq takes them: text that ends at a NUL. None: one of them cannot be told so."""
    try:
        told = [_text(value) for value in values]
    except UnicodeEncodeError:
        return None
    return None if any(value is not None and b"\0" in value for value in told) else told


def _text(value: str | int | None) -> bytes | None:
    # Not str(value): of an enumeration's member that may be its name.
    if value is None:
        return None
    return value.encode() if isinstance(value, str) else b"%d" % value


def _answer(raw: psycopg.Connection[Any]) -> PGresult:
    [result] = raw.wait(generators.execute(raw.pgconn))
    if result.status not in _FINE:
        raise errors.error_from_result(result)
    return result

"""The logs of attempts: kept in the turn that hears of them, bounded, and read as lines."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from windlass.clock import from_us
from windlass.job import LogLine
from windlass.store.logbook import ATTEMPTS_MOST, BYTES_MOST, LINES_MOST, LogChunk
from windlass.store.relational.base import Role
from windlass.store.relational.engine import Connection
from windlass.store.relational.statements import SQL

log = logging.getLogger("windlass.store")

_ANY = 2**62
_read_lines = msgspec.json.Decoder(list[tuple[int, str, str, str]]).decode


class Keeping(Role):
    """What handlers logged."""

    def logs(self, job_id: int, attempt: int | None = None) -> list[LogLine]:
        which = (0, _ANY) if attempt is None else (attempt, attempt)
        with self.database.read() as connection:
            rows = connection.execute(SQL["logs"], (job_id, *which)).fetchall()
        by_attempt: dict[int, list[Any]] = {}
        for row in rows:
            by_attempt.setdefault(row[1], []).append(row)
        return [line for found in by_attempt.values() for line in _newest(_lines(job_id, found))]


def keep_logs(connection: Connection, chunks: Iterable[LogChunk]) -> None:
    """Adds what was logged, in the transaction of a turn, and drops what is too much of it."""
    for job_id, attempt, token, first, count, lines in chunks:
        connection.execute(SQL["add_log"], (job_id, attempt, token, first, count, len(lines.encode()), lines))
        if connection.execute(SQL["more_logs"], (job_id,)).fetchone() is not None:
            oldest = attempt - ATTEMPTS_MOST
            connection.execute(SQL["trim_logs"], (job_id, attempt, oldest, LINES_MOST, BYTES_MOST))


def keep_apart(
    connection: Connection, chunks: Iterable[LogChunk], refusals: tuple[type[Exception], ...]
) -> None:
    """The same, each under a savepoint: what the database refuses is not kept."""
    for chunk in chunks:
        connection.execute("SAVEPOINT log")
        try:
            keep_logs(connection, [chunk])
        except refusals as error:
            connection.execute("ROLLBACK TO log")
            log.warning("what job %d logged is not kept: %s", chunk.job_id, error)
        connection.execute("RELEASE log")


def _lines(job_id: int, rows: Sequence[Any]) -> list[LogLine]:
    # A run's parts are told in two ways, and may overtake each other; the runs of an attempt never do.
    began: dict[int, int] = {}
    for row_id, _, token, *_ in rows:
        began.setdefault(token, row_id)
    ordered = sorted(rows, key=lambda row: (began[row[2]], row[3]))
    return [
        LogLine(
            job_id=job_id, attempt=attempt, number=number, at=from_us(at_us), level=level, logger=logger,
            text=text,
        )
        for _, attempt, _, first, lines in ordered
        for number, (at_us, level, logger, text) in enumerate(_readable(lines), first)
    ]  # fmt: skip


def _readable(lines: Any) -> list[tuple[int, str, str, str]]:
    try:
        return _read_lines(lines)
    except (msgspec.DecodeError, TypeError, UnicodeError):
        return []  # foreign hands


def _newest(lines: list[LogLine]) -> list[LogLine]:
    return lines[-LINES_MOST:]

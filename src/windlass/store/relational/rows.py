"""A row of the contract table as a ``Job``: tolerant, because foreign hands write there, too."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

import msgspec

from windlass.clock import from_us
from windlass.constraints import Constraints, from_text
from windlass.errors import InvalidJob
from windlass.job import Job, JobStatus, Progress

COLUMNS = (
    "id, job_key, payload, status, queue, priority, attempts, max_attempts, created_at, updated_at, run_at, "
    "last_attempt_at, finished_at, last_error, result, progress, tags, meta, timeout_us, idempotency_key, "
    "hold, reason, crashes, cancel_requested, ifnull(unique_key, unique_next), waits_for, "
    "unique_next IS NOT NULL AND unique_key IS NULL, deadline, constraints"
)
NUL = "\ufdd0"
"""Stands for a NUL in the texts of a database that cannot keep one: what no text may contain."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Steps = tuple[float, float | None, str | None]
"""Progress as it is stored."""


def job_of(row: tuple[Any, ...]) -> Job:
    """The job of a row of ``COLUMNS``."""
    status = row[3]
    known = status in JobStatus.__members__
    return Job(
        id=row[0],
        key=str(row[1]),
        payload=object_of(row[2]),
        status=JobStatus(status) if known else JobStatus.PENDING,
        queue=str(row[4]),
        priority=_int(row[5], 0),
        attempts=_int(row[6], 0),
        max_attempts=_int(row[7], 3),
        created_at=moment(row[8]) or _EPOCH,
        updated_at=moment(row[9]) or _EPOCH,
        run_at=_moment_of(row[10]),
        started_at=moment(row[11]),
        finished_at=_moment_of(row[12]),
        last_error=error_text(row[13]),
        result=_json(row[14]),
        progress=_progress(row[15]),
        tags=_texts(row[16]),
        meta=object_of(row[17]) or {},
        timeout_s=row[18] / 1_000_000 if isinstance(row[18], int) else None,
        idempotency_key=_text(row[19]),
        hold=_text(row[20]) if known else f"status is {status!r}, expected PENDING",
        reason=_text(row[21]),
        crashes=_int(row[22], 0),
        cancel_requested=bool(row[23]),
        unique=_text(row[24]),
        waits_for=row[25] if isinstance(row[25], int) else None,
        in_line=bool(row[26]),
        deadline=_moment_of(row[27]),
        constraints=_constraints(row[28]) if isinstance(row[28], str) else None,
    )


def _json(text: Any) -> Any:
    if not isinstance(text, str):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def object_of(text: Any) -> dict[str, Any] | None:
    """The JSON object in a text; None where it is none."""
    value = _json(text)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _texts(text: Any) -> tuple[str, ...]:
    value = _json(text)
    return tuple(map(str, cast("list[Any]", value))) if isinstance(value, list) else ()


def _progress(text: Any) -> Progress | None:
    try:
        return Progress(*msgspec.json.decode(text, type=_Steps)) if isinstance(text, str) else None
    except msgspec.DecodeError:
        return None


@lru_cache(maxsize=256)
def _constraints(text: str) -> Constraints | None:
    try:
        return from_text(text)
    except (InvalidJob, RecursionError):
        return None  # the dispatcher holds it, with the reason


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def error_text(value: Any) -> str | None:
    """An error as it was told: it alone may contain a NUL."""
    return value.replace(NUL, "\0") if isinstance(value, str) and NUL in value else _text(value)


def _int(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default


def _moment_of(wall_us: Any) -> datetime | None:
    try:
        return from_us(wall_us) if isinstance(wall_us, int) else None
    except (OverflowError, ValueError, OSError):
        return None


def moment(text: Any) -> datetime | None:
    """The time in a contract column; None where it is absent or cannot be read."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

"""A row of the contract table as a ``Job``: tolerant, because foreign hands write there, too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from windlass.clock import from_us
from windlass.job import Job, JobStatus, Progress

COLUMNS = (
    "id, job_key, payload, status, queue, priority, attempts, max_attempts, created_at, updated_at, run_at, "
    "last_attempt_at, finished_at, last_error, result, progress, tags, meta, timeout_us, idempotency_key, "
    "hold, reason, crashes, cancel_requested"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def job_of(row: tuple[Any, ...]) -> Job:
    """The job of a row of ``COLUMNS``."""
    status = row[3]
    known = status in JobStatus.__members__
    progress = _json(row[15])
    return Job(
        id=row[0],
        key=str(row[1]),
        payload=_object(row[2]),
        status=JobStatus(status) if known else JobStatus.PENDING,
        queue=str(row[4]),
        priority=_int(row[5], 0),
        attempts=_int(row[6], 0),
        max_attempts=_int(row[7], 3),
        created_at=moment(row[8]) or _EPOCH,
        updated_at=moment(row[9]) or _EPOCH,
        run_at=from_us(row[10]) if isinstance(row[10], int) else None,
        started_at=moment(row[11]),
        finished_at=from_us(row[12]) if isinstance(row[12], int) else None,
        last_error=None if row[13] is None else str(row[13]),
        result=_json(row[14]),
        progress=Progress(*progress) if isinstance(progress, list) else None,
        tags=tuple(_json(row[16]) or ()),
        meta=_json(row[17]) or {},
        timeout_s=row[18] / 1_000_000 if isinstance(row[18], int) else None,
        idempotency_key=row[19],
        hold=row[20] if known else f"status is {status!r}, expected PENDING",
        reason=row[21],
        crashes=_int(row[22], 0),
        cancel_requested=bool(row[23]),
    )


def _json(text: Any) -> Any:
    if not isinstance(text, str):
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None


def _object(text: Any) -> dict[str, Any] | None:
    value = _json(text)
    return value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _int(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default


def moment(text: Any) -> datetime | None:
    """The time in a contract column; None where it is absent or cannot be read."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

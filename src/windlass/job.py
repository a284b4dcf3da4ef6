"""What a job is: its row as a value, its statuses, and which may follow which."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import msgspec

from windlass.constraints import Constraints

Existing = Literal["keep", "replace", "update", "append", "append_or_replace"]
"""What an enqueue does where an unfinished job has the unique key that it asks for."""

Disposition = Literal["created", "kept", "replaced", "updated", "appended", "debounced"]
"""What an enqueue did."""


class JobStatus(StrEnum):
    """Where a job stands. *Scheduled*, *retrying*, *held* and *blocked* are reasons for PENDING."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """True where no further attempt follows by itself."""
        return self in FINAL


FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})

TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset(
        {JobStatus.PENDING, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
    ),
    # Final, until a person asks for a retry.
    JobStatus.COMPLETED: frozenset({JobStatus.PENDING}),
    JobStatus.FAILED: frozenset({JobStatus.PENDING}),
    JobStatus.CANCELLED: frozenset({JobStatus.PENDING}),
}
"""Which status may follow which; nothing else ever happens to a job."""


class Progress(msgspec.Struct, frozen=True):
    """How far a running handler says it is."""

    done: float
    total: float | None = None
    message: str | None = None

    @property
    def fraction(self) -> float | None:
        """Between 0 and 1, or None where the total is unknown."""
        return min(self.done / self.total, 1.0) if self.total else None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job as it stood when it was read. Times are aware UTC datetimes."""

    id: int
    key: str
    payload: dict[str, Any] | None
    status: JobStatus
    queue: str = "default"
    priority: int = 0
    attempts: int = 0
    """Runs counted so far, the current one included."""
    max_attempts: int = 3
    """Total runs allowed."""
    created_at: datetime
    updated_at: datetime
    run_at: datetime | None = None
    """When it becomes due; None for at once."""
    started_at: datetime | None = None
    """When its latest attempt began."""
    finished_at: datetime | None = None
    last_error: str | None = None
    result: Any = None
    progress: Progress | None = None
    tags: tuple[str, ...] = ()
    meta: dict[str, Any] = {}
    timeout_s: float | None = None
    idempotency_key: str | None = None
    unique: str | None = None
    """Its unique key: no other unfinished job has it, but for those that are in line for it."""
    in_line: bool = False
    """It takes its unique key only when those before it are over; until then it is held."""
    constraints: Constraints | None = None
    """What must hold while it runs; None too where what another program wrote there cannot be read."""
    deadline: datetime | None = None
    """When it is to have ended, retries and waits included."""
    hold: str | None = None
    """Why it is held, where it is."""
    waits_for: int | None = None
    """For how many jobs it still waits; None where it was enqueued to wait for none."""
    reason: str | None = None
    """Why it ended, in one word, where it did not complete: ``permanent``, ``exhausted``, ``invalid``,
    ``crashed``, ``timeout``, ``deadline``, ``cancelled`` or ``replaced``."""
    crashes: int = 0
    """How often the process that ran it died under it."""
    cancel_requested: bool = False
    created: bool = True
    """False where an enqueue found a job with the same idempotency key, or an unfinished one with the same
    unique key, and made none."""
    disposition: Disposition = "created"
    """What the enqueue that gave this job did: ``created``, ``replaced`` and ``appended`` made it, while
    ``kept``, ``updated`` and ``debounced`` found it."""

    @property
    def awaits_others(self) -> bool:
        """It is held only until other jobs are over: nobody has to mend anything."""
        hold = self.hold or ""
        return (self.in_line and hold.startswith("it runs once ")) or (
            bool(self.waits_for) and hold.startswith("waits for ")
        )


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One past attempt that did not simply succeed."""

    job_id: int
    attempt: int
    outcome: str
    """``retried``, ``snoozed``, ``cancelled``, ``failed``, ``crashed``, or ``lost`` with its dispatcher."""
    started_at: datetime | None
    finished_at: datetime
    error: str | None = None


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line that a job's handler logged."""

    job_id: int
    attempt: int
    number: int
    """Which line of its run it is, from 1. Only the newest are kept: they may begin with a high one."""
    at: datetime
    level: str
    """As `logging` calls it: ``INFO``, ``WARNING`` …"""
    logger: str
    text: str
    """Without secrets; what is long is cut in its middle. It may have several lines, such as a traceback."""


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job is not running: a code for programs, a sentence for people."""

    job_id: int
    status: JobStatus
    code: str
    """``running``, ``final``, ``ready``, ``scheduled``, ``retrying``, ``held``, ``waiting``, ``in_line``,
    ``paused``, ``limit``, ``constraint``, ``unknown_key``, ``no_service``."""
    reason: str
    until: datetime | None = None

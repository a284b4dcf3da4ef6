"""Rows that other programs wrote: what they may leave out, and what is held because it cannot be read.

The contract lets any program enqueue with a plain INSERT. So every value is looked at when its job is
claimed: an explicit NULL means the default, a time in another spelling is written anew (mixed ones sort
wrongly as text), and what cannot be a job is held with a reason. One such row stops nobody else's.
"""

from __future__ import annotations

from typing import Any

from windlass.job import JobStatus
from windlass.store.relational.engine import Connection
from windlass.store.relational.statements import SQL

ATTEMPTS_MOST = 1_000_000_000


def unreadable(
    key: object,
    queue: object,
    payload: object,
    attempts: object,
    allowed: object,
    priority: object,
    timeout_us: object,
) -> str | None:
    """Why a row that is ready by its looks cannot be run, or None."""
    if type(key) is not str:
        return f"job_key is {_shown(key)}, expected text"
    if type(queue) is not str:
        return f"queue is {_shown(queue)}, expected text"
    if type(payload) is not str and payload is not None:
        return f"payload is {type(payload).__name__}, expected JSON text"
    if type(attempts) is not int or not 0 <= attempts <= ATTEMPTS_MOST:
        return f"attempts is {_shown(attempts)}, expected a number of runs"
    if type(allowed) is not int or allowed < 1:
        return f"max_attempts is {_shown(allowed)}, expected a positive number of runs"
    if type(priority) is not int and priority is not None:
        return f"priority is {_shown(priority)}, expected a number"
    if type(timeout_us) is not int and timeout_us is not None:
        return f"timeout_us is {_shown(timeout_us)}, expected microseconds"
    return None


def rewrite_created_at(connection: Connection, job_id: int) -> str | None:
    """Writes a time of another spelling in ours; why that cannot be done, or None."""
    if connection.execute(SQL["rewrite_created_at"], (job_id,)).rowcount:
        return None
    return "created_at is not a time in ISO 8601"


def oddity(status: object, run_at: object, run_at_boot: object, owner: object) -> str:
    """What is wrong with a row of the index of odd ones."""
    if type(run_at) is not int and run_at is not None:
        return f"run_at is {_shown(run_at)}, expected microseconds since the epoch"
    if status == "RUNNING" and owner is None:
        return "status is RUNNING, but no dispatcher runs it: enqueue with PENDING"
    if status not in JobStatus.__members__:
        return f"status is {_shown(status)}, expected PENDING"
    return f"run_at_boot is {_shown(run_at_boot)}, expected microseconds since the machine started"


def _shown(value: Any) -> str:
    return f"{value!r:.80}"

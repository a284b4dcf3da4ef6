"""Why a push or a pull that is asked for does not start: what its job tells."""

from __future__ import annotations

from windlass.blocking import NOT_LOOKED
from windlass.job import Job, JobStatus, Why
from windlass.jobs import JobManager

_CODES = frozenset(("paused", "pinned", "unknown_key", "constraint", "limit", "rate"))


def why_not_started(jobs: JobManager, job: Job) -> Why | None:
    """What keeps a job that waits from being started; None: nothing but its time or a free worker."""
    if job.status is not JobStatus.PENDING or job.hold is not None or job.run_at is not None:
        return None
    why = jobs.why(job.id)
    return why if why.code in _CODES and NOT_LOOKED not in why.reason else None

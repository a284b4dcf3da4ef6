"""What is in the database when the show is over: asks the rows alone, believes nothing told on the way."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from windlass.job import Job, JobStatus

if TYPE_CHECKING:
    from windlass.app import Windlass

_SLOWEST = 5


class Failure(msgspec.Struct, frozen=True):
    """A file that could not be indexed."""

    path: str
    reason: str
    attempts: int
    error: str


class Slow(msgspec.Struct, frozen=True):
    """A file that took long."""

    path: str
    ms: float
    lines: int


class Rerun(msgspec.Struct, frozen=True):
    """A job that a kill hit while it ran, and what became of it."""

    path: str
    hit_by: str
    """``crashed``: its isolate was killed; ``lost``: its dispatcher."""
    runs_counted: int
    status: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The summary; ``complaints`` is empty where every file has exactly one result."""

    files: int
    jobs: dict[str, int]
    retries: int
    failures: list[Failure]
    slowest: list[Slow]
    reruns: list[Rerun]
    modules: int
    lines: int
    functions: int
    classes: int
    complaints: list[str]

    @property
    def holds(self) -> bool:
        """Every file has exactly one job, and that exactly one outcome."""
        return not self.complaints


def judge(app: Windlass, paths: list[str], key: str) -> Verdict:
    """Reads all jobs, their histories and the rows they wrote, and checks them against the files."""
    jobs = app.jobs.list(key=key, order="id", limit=len(paths) * 2 + 1000)
    rows = _rows(app)
    histories = {job.id: app.jobs.attempts(job.id) for job in jobs}
    outcomes = Counter(attempt.outcome for history in histories.values() for attempt in history)
    reruns = [
        Rerun(_path(job), attempt.outcome, job.attempts, job.status.value)
        for job in jobs
        for attempt in histories[job.id]
        if attempt.outcome in ("crashed", "lost")
    ]
    failed = [job for job in jobs if job.status is JobStatus.FAILED]
    slowest = sorted(rows, key=lambda row: -row["ms"])[:_SLOWEST]
    return Verdict(
        files=len(paths),
        jobs=dict(Counter(job.status.value for job in jobs)),
        retries=outcomes["retried"],
        failures=[Failure(_path(job), job.reason or "", job.attempts, _said(job)) for job in failed],
        slowest=[Slow(row["path"], row["ms"], row["lines"]) for row in slowest],
        reruns=reruns,
        modules=len(rows),
        lines=sum(row["lines"] for row in rows),
        functions=sum(row["functions"] for row in rows),
        classes=sum(row["classes"] for row in rows),
        complaints=complaints(paths, jobs, Counter(row["path"] for row in rows)),
    )


def complaints(paths: list[str], jobs: list[Job], results: Counter[str]) -> list[str]:
    """Everything that is not as promised: one job for each file, one result for each completed job."""
    found: list[str] = []
    by_path: dict[str, list[Job]] = {}
    for job in jobs:
        by_path.setdefault(_path(job), []).append(job)
    for path in paths:
        mine = by_path.get(path, [])
        if len(mine) != 1:
            found.append(f"{path} has {len(mine)} jobs")
            continue
        job, count = mine[0], results[path]
        match job.status:
            case JobStatus.COMPLETED if count != 1:
                found.append(f"{path} is COMPLETED with {count} results")
            case JobStatus.FAILED if count or not job.last_error:
                found.append(f"{path} is FAILED with {count} results and the error {job.last_error!r}")
            case JobStatus.PENDING | JobStatus.RUNNING | JobStatus.CANCELLED:
                found.append(f"{path} ended as {job.status}")
            case _:
                pass
    strangers = sorted(results.keys() - set(paths)) + sorted(by_path.keys() - set(paths))
    found += [f"{path} has a result or a job, but is none of the files" for path in strangers]
    return found


def _rows(app: Windlass) -> list[dict[str, Any]]:
    connection = app.store.connect()
    try:
        cursor = connection.execute("SELECT path, lines, functions, classes, ms FROM modules")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]
    finally:
        app.store.disconnect(connection)


def _path(job: Job) -> str:
    return str((job.payload or {}).get("path"))


def _said(job: Job) -> str:
    return (job.last_error or "").splitlines()[0] if job.last_error else ""

"""Dispatchers, their processes, and what they run."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from windlass.app import Windlass
from windlass.clock import from_us
from windlass.job import Job, JobStatus
from windlass.living import is_alive
from windlass.store.hosts import DispatcherRow
from windlass.web.processes import children, resident_bytes
from windlass.web.routing import Call, Routes
from windlass.web.shapes.jobs import Command
from windlass.web.shapes.system import ProcessRow, RunningJob, Worker, Workers

routes = Routes("workers")

JOBS_MOST = 100
_RUNNING_MOST = 1000


@routes.get("/api/workers")
def every(call: Call) -> Workers:
    """All registered dispatchers with their processes and running jobs, the living first."""
    app = call.app
    rows = app.store.dispatchers()
    running = running_by_owner(app)
    known = children()
    status = app.service.status()
    supervisor = {} if status is None or status.pid is None else {status.dispatcher: status.pid}
    workers = [_worker(row, running.get(row.id, []), known, supervisor.get(row.pid)) for row in rows]
    return Workers(
        workers=sorted(workers, key=lambda one: (not one.alive, one.id)),
        running=sum(map(len, running.values())),
        commands=[
            Command(does="How the service is", command="windlass status"),
            Command(does="Run more processes", command="windlass scale 4"),
            Command(does="What runs", command="windlass jobs list --status RUNNING"),
        ],
    )


def running_by_owner(app: Windlass) -> Mapping[int, list[Job]]:
    """The running jobs of each dispatcher, the oldest first."""
    owners = {lease.job_id: lease.owner for lease in app.store.leases(limit=_RUNNING_MOST)}
    found: dict[int, list[Job]] = {}
    for job in app.jobs.list(status=JobStatus.RUNNING, order="id", limit=_RUNNING_MOST):
        if job.id in owners:
            found.setdefault(owners[job.id], []).append(job)
    return found


def _worker(
    row: DispatcherRow, jobs: list[Job], known: Mapping[int, list[int]], supervisor: int | None
) -> Worker:
    alive = is_alive(row)
    here = row.host == socket.gethostname()
    processes = _processes(row.pid, known, supervisor) if alive and here else []
    if row.mode == "embedded":
        # The children of a program that has more to do are not ours to count.
        processes = processes[:1]
    sizes = [one.memory_bytes for one in processes if one.memory_bytes is not None]
    return Worker(
        id=row.id,
        host=row.host,
        pid=row.pid,
        mode=row.mode,
        version=row.version,
        started_at=from_us(row.started_at_us),
        alive=alive,
        here=here,
        job_keys=None if row.job_keys is None else list(row.job_keys),
        memory_bytes=sum(sizes) if sizes else None,
        processes=processes,
        running=len(jobs),
        jobs=[_running(job) for job in jobs[:JOBS_MOST]],
    )


def _processes(pid: int, known: Mapping[int, list[int]], supervisor: int | None) -> list[ProcessRow]:
    found = [ProcessRow(pid=pid, role="dispatcher", memory_bytes=resident_bytes(pid))]
    if supervisor is not None:
        found.insert(
            0, ProcessRow(pid=supervisor, role="supervisor", memory_bytes=resident_bytes(supervisor))
        )
    return found + [
        ProcessRow(pid=child, role="isolate", memory_bytes=resident_bytes(child))
        for child in known.get(pid, [])
    ]


def _running(job: Job) -> RunningJob:
    return RunningJob(
        id=job.id,
        key=job.key,
        queue=job.queue,
        attempt=job.attempts,
        started_at=job.started_at,
        progress=None if job.progress is None else job.progress.fraction,
    )

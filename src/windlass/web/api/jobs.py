"""Jobs: find, look at, enqueue, retry, cancel, delete, one by one and many at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn

import msgspec
from msgspec import UNSET

from windlass.app import Windlass
from windlass.job import Job, JobStatus
from windlass.payload import check_json
from windlass.web.api.matching import bulk_step, find_page
from windlass.web.redacting import restored
from windlass.web.routing import Call, Problem, Routes
from windlass.web.shapes.jobs import (
    Bulk,
    BulkDone,
    Done,
    Enqueued,
    JobCopy,
    JobDetail,
    JobId,
    JobLogs,
    JobOptions,
    JobPage,
    JobQuery,
    NewJob,
    Suggestions,
    SuggestQuery,
)
from windlass.web.telling import detail_of, logs_of, row_of

routes = Routes("jobs")


@routes.get("/api/jobs")
def find(call: Call, query: JobQuery) -> JobPage:
    """Jobs that match, a page of them."""
    return find_page(call.app, query)


@routes.get("/api/jobs/suggest")
def suggest(call: Call, query: SuggestQuery) -> Suggestions:
    """Job keys, queues or tags that begin as typed."""
    return Suggestions(values=call.app.jobs.suggest(query.field, query.prefix, limit=query.limit))


@routes.post("/api/jobs", status=201)
def enqueue(call: Call, body: NewJob) -> Enqueued:
    """Enqueues a job by key. Its payload is checked where this program has the handler."""
    payload = body.payload if body.payload_text is None else _read_payload(body.payload_text)
    made = call.app.enqueue(body.key, payload, **_options(body.options))
    return _enqueued(made)


@routes.get("/api/jobs/{job_id}")
def show(call: Call, job_id: JobId) -> JobDetail:
    """A job with all that is known about it."""
    return detail_of(call.app, _get(call.app, job_id))


@routes.get("/api/jobs/{job_id}/logs")
def logs(call: Call, job_id: JobId) -> JobLogs:
    """What its handler logged, attempt by attempt: the newest lines of each."""
    _get(call.app, job_id)
    return logs_of(call.app, job_id)


@routes.post("/api/jobs/{job_id}/retry")
def retry(call: Call, job_id: JobId) -> Done:
    """Makes an ended, held or waiting job ready now, with at least one attempt left."""
    if not call.app.jobs.retry(job_id):
        _refuse(call.app, job_id, "retried")
    return _done(call.app, job_id)


@routes.post("/api/jobs/{job_id}/cancel")
def cancel(call: Call, job_id: JobId) -> Done:
    """Cancels a pending job, and those that wait for it; asks a running one to stop."""
    before = _get(call.app, job_id)
    if before.status.is_final:
        _refuse(call.app, job_id, "cancelled")
    call.app.jobs.cancel(job_id)
    return _done(call.app, job_id)


@routes.delete("/api/jobs/{job_id}")
def delete(call: Call, job_id: JobId) -> Done:
    """Deletes a job that is not running, with its history."""
    if not call.app.jobs.delete(job_id):
        _refuse(call.app, job_id, "deleted")
    return Done(id=job_id, status=None)


@routes.post("/api/jobs/{job_id}/copy", status=201)
def copy(call: Call, job_id: JobId, body: JobCopy) -> Enqueued:
    """Enqueues a new job after the model of this one, edited; this one stays as it is."""
    model = _get(call.app, job_id)
    given: Any = model.payload if body.payload is UNSET else body.payload
    if body.payload_text is not None:
        given = _read_payload(body.payload_text)
    chosen: dict[str, Any] = {
        "queue": model.queue,
        "priority": model.priority,
        "max_attempts": model.max_attempts,
        "tags": model.tags,
    }
    edited = {name: getattr(body, name) for name in chosen}
    chosen |= {name: value for name, value in edited.items() if value is not UNSET}
    made = call.app.enqueue(
        model.key,
        restored(given, model.payload),
        **chosen,
        timeout=model.timeout_s,
        meta=model.meta or None,
        constraints=model.constraints,
        delay=body.delay,
    )
    return _enqueued(made)


@routes.post("/api/jobs/bulk")
def bulk(call: Call, body: Bulk) -> BulkDone:
    """Does one action to all jobs that match, a bounded part in each request; or counts them first."""
    return bulk_step(call.app, body)


def _get(app: Windlass, job_id: int) -> Job:
    job = app.jobs.get(job_id)
    if job is None:
        raise Problem(404, "no_such_job", f"there is no job {job_id}", way_out="windlass jobs list")
    return job


def _done(app: Windlass, job_id: int) -> Done:
    job = app.jobs.get(job_id)
    return Done(id=job_id, status=None if job is None else job.status)


def _refuse(app: Windlass, job_id: int, done: str) -> NoReturn:
    job = _get(app, job_id)
    if done == "deleted" and job.status is not JobStatus.RUNNING:
        reason = "a job that waits for it is not over"
    else:
        reason = app.jobs.why(job_id).reason
    raise Problem(
        409, "as_it_stands", f"job {job_id} cannot be {done}: {reason}", way_out=f"windlass jobs why {job_id}"
    )


def _enqueued(made: Job) -> Enqueued:
    return Enqueued(id=made.id, created=made.created, disposition=made.disposition, job=row_of(made))


def _read_payload(text: str) -> dict[str, Any] | None:
    try:
        payload = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Problem(422, "payload", f"the payload is no JSON: {error}") from error
    check_json(payload)
    return payload


def _options(given: JobOptions) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        "queue": given.queue,
        "priority": given.priority,
        "delay": given.delay,
        "run_at": given.run_at,
        "max_attempts": given.max_attempts,
        "timeout": given.timeout,
        "tags": given.tags,
        "unique": given.unique,
        "existing": given.existing,
        "idempotency_key": given.idempotency_key,
        "deadline": None if given.deadline is None else _read_deadline(given.deadline),
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _read_deadline(given: str) -> str | datetime:
    try:
        return datetime.fromisoformat(given)
    except ValueError:
        return given

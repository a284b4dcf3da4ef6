"""Which jobs match: a page of them, words to look for, and one action on all of them, part by part."""

from __future__ import annotations

from shlex import quote
from typing import Any

from windlass.app import Windlass
from windlass.errors import InvalidJob
from windlass.job import Job, JobStatus
from windlass.web.routing import Problem
from windlass.web.shapes.jobs import Bulk, BulkDone, BulkFilter, JobPage, JobQuery, SuggestQuery
from windlass.web.telling import row_of

STEP = 500
COUNT_MOST = 10_000


def find_page(app: Windlass, query: JobQuery) -> JobPage:
    """A page of jobs, and how many there are."""
    where = _where(query)
    offset = _offset(query.after)
    found = _look(app, where, query.q, order=query.order, limit=query.limit + 1, offset=offset)
    more = len(found) > query.limit
    return JobPage(
        jobs=[row_of(job) for job in found[: query.limit]],
        next=str(offset + query.limit) if more else None,
        total=offset + len(found),
        total_is_least=more,
        command=" ".join(["windlass jobs list", *_flags(where)]),
    )


def suggest_values(app: Windlass, query: SuggestQuery) -> list[str]:
    """What is being typed, complete."""
    match query.field:
        case "queue":
            known = [one.queue for one in app.queues.list()]
        case "key":
            known = [one.key for one in app.registry.handlers()]
        case "tag":
            known = [tag for job in app.jobs.list(limit=1000) for tag in job.tags]
    return sorted({one for one in known if one.startswith(query.prefix)})[: query.limit]


def bulk_step(app: Windlass, body: Bulk) -> BulkDone:
    """One bounded part of an action on all that match."""
    asked = body.filter
    where = {name: value for name, value in _where(asked).items() if value is not None}
    if asked.ids is None and not where and asked.q is None and not asked.all:
        raise Problem(
            422, "no_filter", "expected ids or something to match, got neither", way_out='say "all": true'
        )
    flags = [str(one) for one in asked.ids[:20]] if asked.ids else _flags(where)
    simple = asked.q is None and (asked.ids is None or len(asked.ids) <= 20)
    command = " ".join(["windlass jobs", body.action, *flags]) if simple and flags else None
    offset = _offset(body.after)
    if asked.ids is not None:
        ids = list(asked.ids[offset : offset + STEP])
        following = str(offset + STEP) if offset + STEP < len(asked.ids) else None
        count, least = len(asked.ids), False
    else:
        found = [job.id for job in _look(app, where, asked.q, order="id", limit=COUNT_MOST, offset=0)]
        count, least = len(found), len(found) == COUNT_MOST
        ids = [job_id for job_id in found if job_id > offset][:STEP]
        following = str(ids[-1]) if len(ids) == STEP else None
    changed = 0 if body.preview else _change(app, body.action, ids)
    return BulkDone(
        action=body.action,
        matching=count if body.preview else len(ids),
        matching_is_least=least and body.preview,
        changed=changed,
        next=None if body.preview else following,
        command=command,
    )


def _change(app: Windlass, action: str, ids: list[int]) -> int:
    match action:
        case "retry":
            return len(app.jobs.retry(ids))
        case "delete":
            return len(app.jobs.delete(ids))
        case _:
            return sum(status != JobStatus.COMPLETED for status in app.jobs.cancel(ids).values())


def _look(app: Windlass, where: dict[str, Any], q: str | None, **page: Any) -> list[Job]:
    if q is None:
        return app.jobs.list(**where, **page)
    if q.isdecimal() and len(q) < 19:
        found = app.jobs.get(int(q))
        return [] if found is None else [found]
    return [job for job in app.jobs.list(**where, **page) if q in job.key]


def _where(query: JobQuery | BulkFilter) -> dict[str, Any]:
    status: Any = query.status
    if isinstance(status, str):
        status = [one for one in status.split(",") if one]
    return {
        "status": status,
        "key": query.key,
        "queue": query.queue,
        "tag": query.tag,
        "unique": query.unique,
        "held": query.held,
    }


def _flags(where: dict[str, Any]) -> list[str]:
    named = [name for name in ("key", "queue", "tag", "unique") if where.get(name)]
    flags = [f"--status {status}" for status in where.get("status") or ()]
    flags += [f"--{name} {quote(where[name])}" for name in named]
    return [*flags, "--held"] if where.get("held") else flags


def _offset(after: str | None) -> int:
    if after is None:
        return 0
    if not after.isdecimal() or len(after) > 18:
        raise InvalidJob(f"expected after to be what the page before gave as next, got {after!r:.80}")
    return int(after)

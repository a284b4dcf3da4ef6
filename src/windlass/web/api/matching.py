"""Which jobs match: a page of them, words to look for, and one action on all of them, part by part."""

from __future__ import annotations

from shlex import quote
from typing import Any

from windlass.app import Windlass
from windlass.web.alike import kind
from windlass.web.routing import Problem
from windlass.web.shapes.jobs import Bulk, BulkDone, BulkFilter, JobPage, JobQuery
from windlass.web.telling import row_of

FAILURES_LOOKED_AT = 500
"""Only so many of the newest are told apart by their errors: no index has what errors have in common."""
_IDS_SHOWN = 20


def find_page(app: Windlass, query: JobQuery) -> JobPage:
    """A page of jobs, and how many there are."""
    where = _where(query)
    found = app.jobs.page(
        **where,
        search=query.q,
        ids=_alike(app, query.like),
        order=query.order,
        limit=query.limit,
        after=query.after,
    )
    return JobPage(
        jobs=[row_of(job) for job in found.jobs],
        next=found.next,
        total=found.total,
        total_is_least=found.total_is_least,
        complete=found.complete,
        command=" ".join(["windlass jobs list", *_flags(where)]),
    )


def bulk_step(app: Windlass, body: Bulk) -> BulkDone:
    """One bounded part of an action on all that match, or how many those are."""
    asked = body.filter
    ids = asked.ids
    if (alike := _alike(app, asked.like)) is not None:
        ids = tuple(sorted(alike & set(ids))) if ids is not None else tuple(sorted(alike))
    where: dict[str, Any] = {**_where(asked), "search": asked.q, "ids": ids}
    if not asked.all and all(value is None for value in where.values()):
        raise Problem(
            422, "no_filter", "expected ids or something to match, got neither", way_out='say "all": true'
        )
    if body.preview:
        count, is_least = app.jobs.matching(body.action, **where)
        return BulkDone(
            action=body.action,
            matching=count,
            matching_is_least=is_least,
            changed=0,
            next=None,
            command=_command(body),
        )
    done = app.jobs.step(body.action, **where, everything=asked.all, after=body.after)
    return BulkDone(
        action=body.action,
        matching=done.looked,
        matching_is_least=False,
        changed=done.changed,
        next=done.next,
        command=_command(body),
    )


def _command(body: Bulk) -> str | None:
    """What does the same in a terminal, where one command can."""
    asked = body.filter
    if (
        asked.q is not None
        or asked.like is not None
        or (asked.ids is not None and len(asked.ids) > _IDS_SHOWN)
    ):
        return None
    flags = [str(one) for one in asked.ids] if asked.ids else _flags(_where(asked))
    if not flags and body.action == "cancel":
        flags = ["--all"]
    return " ".join(["windlass jobs", body.action, *flags]) if flags else None


def _alike(app: Windlass, like: str | None) -> set[int] | None:
    """Of the newest failed jobs those whose errors have this in common; None where nothing is asked."""
    if like is None:
        return None
    return {one.job_id for one in app.store.failures(FAILURES_LOOKED_AT) if kind(one.message) == like}


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

"""How a job is enqueued: what callers choose, checked, and the row that it makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypedDict, cast, get_args

import msgspec

from windlass.clock import to_wall_us
from windlass.constraints import Constraints, to_text
from windlass.duration import Duration
from windlass.errors import InvalidJob
from windlass.fields import (
    checked_job_id,
    checked_max_attempts,
    checked_name,
    checked_priority,
    checked_span,
    checked_tags,
    checked_text,
    checked_timeout,
)
from windlass.handlers import Handler
from windlass.handlers.options import Options as HandlerOptions
from windlass.job import Existing
from windlass.payload import check_json
from windlass.store.protocol import Durability, NewJob

_DEFAULTS = HandlerOptions()
_POLICIES = get_args(Existing)


class EnqueueOptions(TypedDict, total=False):
    """The options of ``enqueue`` and ``using``. What is not given is the handler's own, or the default."""

    queue: str | None
    """Whose switches and limits it is under."""
    priority: int | None
    """Higher first; among equals, the one that was enqueued first."""
    delay: Duration | None
    """Not before this long from now, in elapsed time, whatever is done to the wall clock."""
    run_at: datetime | None
    """Not before this time of the wall clock; a naive datetime is local time."""
    max_attempts: int | None
    """Runs in total."""
    timeout: Duration | None
    """How long one run may take."""
    tags: Iterable[str]
    """Words to find it by, beside those of the handler."""
    meta: Mapping[str, Any] | None
    """Anything that is to stay with it, as JSON."""
    idempotency_key: str | None
    """A second enqueue of this job key with it finds the first job and makes none, for as long as that job is
    kept (see the retention settings)."""
    after: Iterable[int]
    """Ids of jobs that are to complete before it, and whose results it gets. One that has failed or was
    cancelled leaves it held, with the reason, until that one is retried and completes."""
    unique: str | None
    """At most one unfinished job has this name, whatever its job key; ``existing`` says what an enqueue does
    where there is one. Once it is over, the next one is made."""
    existing: Existing
    """``"keep"`` (unless you say otherwise): finds that one and makes none. ``"replace"``: cancels it; where
    it runs, it is asked to stop, and the new one starts when it has. ``"update"``: gives it the new payload
    and options; a run that goes on keeps the old ones. ``"append"``: the new one runs once that one, and
    what was appended before, has completed. ``"append_or_replace"``: the same, but what is held because one
    before it failed or was cancelled makes room."""
    debounce: Duration | None
    """With ``unique``: not before this long after the last of many calls. Each call moves the job that has
    not started and gives it the newest payload; while one runs, they make one that follows."""
    debounce_most: Duration | None
    """But never later than this after the first of these calls."""
    deadline: Duration | datetime | None
    """To have ended by then, all its runs and waits included: else it is FAILED, with the reason
    ``deadline``. A span counts from now; both go by the wall clock."""
    constraints: Constraints | None
    """What must hold while it runs: ``Constraints(network="unmetered")``. Until then it waits, and ``why``
    says for what; ``Constraints()`` lifts those of its handler."""
    connection: Any
    """A connection of the caller's, of ``sqlite3`` or psycopg, or a session or connection of SQLAlchemy or
    Django: the job is inserted inside the caller's own transaction and exists if and only if it commits. That
    connection's settings decide how durably."""
    durability: Durability | None
    """``"full"`` is on the disk before the call returns; ``"fast"`` is there within about a second, and a
    power cut before that loses the job."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """``EnqueueOptions`` as they are passed on."""

    queue: str | None = None
    priority: int | None = None
    delay: Duration | None = None
    run_at: datetime | None = None
    max_attempts: int | None = None
    timeout: Duration | None = None
    tags: Iterable[str] = ()
    meta: Mapping[str, Any] | None = None
    idempotency_key: str | None = None
    after: Iterable[int] = ()
    unique: str | None = None
    existing: Existing = "keep"
    debounce: Duration | None = None
    debounce_most: Duration | None = None
    deadline: Duration | datetime | None = None
    constraints: Constraints | None = None
    connection: Any = None
    durability: Durability | None = None


PLAIN = Options()
"""Nothing chosen: most jobs."""


def new_job(key: str, payload: str | None, handler: Handler | None, options: Options) -> NewJob:
    """The row of a job with these options, which are checked here.

    Raises:
        InvalidJob: one of them cannot be right.
    """
    if options.delay is not None and options.run_at is not None:
        raise InvalidJob("expected delay or run_at, got both: say either how long to wait or until when")
    own = _DEFAULTS if handler is None else handler.options
    if options is PLAIN and not own.tags:
        return NewJob(
            key=key,
            payload=payload,
            queue=own.queue,
            priority=own.priority,
            max_attempts=own.max_attempts,
            constraints=own.constraints,
        )
    tags = checked_tags((*own.tags, *checked_tags(options.tags))) if options.tags else own.tags
    return NewJob(
        key=key,
        payload=payload,
        queue=own.queue if options.queue is None else checked_name("queue", options.queue),
        priority=own.priority if options.priority is None else checked_priority(options.priority),
        max_attempts=own.max_attempts
        if options.max_attempts is None
        else checked_max_attempts(options.max_attempts),
        timeout_us=checked_timeout(options.timeout),
        idempotency_key=checked_text("idempotency_key", options.idempotency_key),
        after=_checked_after(options.after),
        unique=checked_text("unique", options.unique),
        constraints=own.constraints if options.constraints is None else to_text(options.constraints),
        **(_wait(options) | _about_others(options) | _deadline(options.deadline)),
        tags=msgspec.json.encode(tags).decode() if tags else None,
        meta=check_json(options.meta, name="meta"),
    )


def _about_others(options: Options) -> dict[str, Any]:
    """What becomes of an unfinished job with the same unique key."""
    if options.existing not in _POLICIES:
        raise InvalidJob(
            f"expected existing to be one of {', '.join(_POLICIES)}, got {options.existing!r:.80}"
        )
    if options.debounce is None and options.debounce_most is not None:
        raise InvalidJob(
            "expected debounce beside debounce_most: it says how long each call puts the job off"
        )
    if options.debounce is None:
        if options.existing != "keep" and options.unique is None:
            raise InvalidJob(
                f'expected unique beside existing="{options.existing}": it names the existing job'
            )
        return {"existing": options.existing}
    if options.unique is None:
        raise InvalidJob("expected unique beside debounce: it names the job that each call puts off")
    if options.existing != "keep":
        raise InvalidJob(
            "expected existing or debounce, got both: debounce says what it does to an existing job"
        )
    if options.delay is not None or options.run_at is not None:
        raise InvalidJob("expected debounce, or delay or run_at, got both: debounce is a delay of its own")
    debounce_us = checked_span("debounce", options.debounce)
    most_us = None if options.debounce_most is None else checked_span("debounce_most", options.debounce_most)
    if debounce_us == 0:
        raise InvalidJob("expected debounce to be longer than nothing, got 0: leave it out to run at once")
    if most_us is not None and most_us < debounce_us:
        raise InvalidJob(
            f"expected debounce_most to be no shorter than debounce, {options.debounce!r}, "
            f"got {options.debounce_most!r}"
        )
    return {"delay_us": debounce_us, "debounce_us": debounce_us, "debounce_most_us": most_us}


def _wait(options: Options) -> dict[str, Any]:
    """Until when it waits in any case."""
    return {
        "delay_us": None if options.delay is None else checked_span("delay", options.delay),
        "run_at_us": None if options.run_at is None else _checked_moment("run_at", options.run_at),
    }


def _deadline(given: Duration | datetime | None) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, datetime):
        return {"deadline_us": _checked_moment("deadline", given)}
    return {"deadline_in_us": checked_span("deadline", given)}


def _checked_after(given: Any) -> tuple[int, ...]:
    if isinstance(given, (int, str)) or not isinstance(given, Iterable):
        raise InvalidJob(f"expected after to be several ids of jobs, such as [12, 13], got {given!r:.80}")
    return tuple(checked_job_id(job_id) for job_id in cast("Iterable[Any]", given))


def _checked_moment(what: str, value: Any) -> int:
    if not isinstance(value, datetime):
        raise InvalidJob(f"expected {what} to be a datetime, got {value!r:.80}")
    try:
        return to_wall_us(value)
    except (OverflowError, OSError, ValueError) as error:
        raise InvalidJob(f"expected {what} to be a time this machine can tell, got {value!r}") from error

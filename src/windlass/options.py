"""How a job is enqueued: what callers choose, checked, and the row that it makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypedDict

import msgspec

from windlass.clock import to_wall_us
from windlass.duration import Duration
from windlass.errors import InvalidJob
from windlass.fields import (
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
from windlass.payload import check_json
from windlass.store.protocol import Durability, NewJob

_DEFAULTS = HandlerOptions()


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
    unique: str | None
    """While a job with this name is unfinished, whatever its job key, an enqueue finds that one and makes
    none; once it is over, the next one is made."""
    connection: Any
    """A ``sqlite3`` connection of the caller's: the job is inserted inside the caller's own transaction and
    exists if and only if it commits. That connection's ``synchronous`` setting decides how durably."""
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
    unique: str | None = None
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
        delay_us=None if options.delay is None else checked_span("delay", options.delay),
        run_at_us=None if options.run_at is None else _checked_moment("run_at", options.run_at),
        timeout_us=checked_timeout(options.timeout),
        idempotency_key=checked_text("idempotency_key", options.idempotency_key),
        unique=checked_text("unique", options.unique),
        tags=msgspec.json.encode(tags).decode() if tags else None,
        meta=check_json(options.meta, name="meta"),
    )


def _checked_moment(what: str, value: Any) -> int:
    if not isinstance(value, datetime):
        raise InvalidJob(f"expected {what} to be a datetime, got {value!r:.80}")
    try:
        return to_wall_us(value)
    except (OverflowError, OSError, ValueError) as error:
        raise InvalidJob(f"expected {what} to be a time this machine can tell, got {value!r}") from error

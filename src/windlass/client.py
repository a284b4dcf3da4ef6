"""Enqueue: validate, insert, ring. Works in any process, whether or not a handler or a service is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import msgspec

from windlass.bridge import asynchronous
from windlass.clock import Clock, from_us, to_wall_us
from windlass.context import Context, current
from windlass.duration import Duration, to_us
from windlass.errors import InvalidJob
from windlass.handlers import Handler, Registry
from windlass.job import Job, JobStatus
from windlass.names import checked_name
from windlass.payload import check_json
from windlass.store.protocol import Durability, Inserted, NewJob, Store

P = ParamSpec("P")
R = TypeVar("R")

_INT64 = 2**63


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a job is enqueued. None leaves it to the handler's own setting, or the default."""

    queue: str | None = None
    priority: int | None = None
    delay: Duration | None = None
    run_at: datetime | None = None
    max_attempts: int | None = None
    timeout: Duration | None = None
    tags: Iterable[str] = ()
    meta: Mapping[str, Any] | None = None
    idempotency_key: str | None = None
    connection: Any = None
    durability: Durability | None = None


class Client:
    """The producers' side of an app."""

    def __init__(
        self,
        store: Callable[[], Store],
        registry: Registry,
        clock: Clock,
        durability: Callable[[], Durability],
    ) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._durability = durability
        self.submitted: Callable[[], None] | None = None
        """Called after each submission that is committed: the inline mode of the testing kit."""

    def enqueue(self, key: str, payload: Mapping[str, Any] | None, options: Options) -> Job:
        """One job by key. The payload is checked against the handler where this program has one."""
        handler = self._registry.get_own(key)
        text = check_json(payload) if handler is None else handler.encode_mapping(payload)
        return self.submit([self._build(key, text, handler, options)], options)[0]

    def enqueue_call(
        self, handler: Handler, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options
    ) -> Job:
        """One job of a known handler, from the arguments of a call."""
        text = handler.encode(args, kwargs)
        return self.submit([self._build(handler.key, text, handler, options)], options)[0]

    def enqueue_many(
        self, key: str, payloads: Iterable[Mapping[str, Any] | None], options: Options
    ) -> list[Job]:
        """Many jobs of one key in one commit: all or none."""
        handler = self._registry.get_own(key)
        encode = check_json if handler is None else handler.encode_mapping
        if options.idempotency_key is not None:
            raise InvalidJob("expected no idempotency_key for many jobs at once: they would all be one job")
        template = self._build(key, None, handler, options)
        jobs = [msgspec.structs.replace(template, payload=encode(payload)) for payload in payloads]
        return self.submit(jobs, options)

    def submit(self, jobs: list[NewJob], options: Options) -> list[Job]:
        """Inserts validated jobs and says what became of each."""
        if not jobs:
            return []
        durability = options.durability or self._durability()
        connection = options.connection
        if connection is None and (ctx := current()) is not None:
            # Inside ctx.transaction() the write lock is ours already: a second connection would wait for it.
            connection = ctx.open_connection
        store = self._store()
        inserted = store.insert(jobs, durability=durability, connection=connection)
        committed = connection is None
        told = [self._told(store, job, row, committed) for job, row in zip(jobs, inserted, strict=True)]
        if self.submitted is not None and committed:
            self.submitted()
        return told

    def _told(self, store: Store, job: NewJob, row: Inserted, committed: bool) -> Job:
        if not row.created and committed:
            kept = store.get(row.job_id)
            if kept is not None:
                return msgspec.structs.replace(kept, created=False)
        created_at = datetime.fromisoformat(row.created_at)
        run_at_us = job.run_at_us
        if job.delay_us:
            run_at_us = to_wall_us(created_at) + job.delay_us
        return Job(
            id=row.job_id,
            key=job.key,
            payload=None if job.payload is None else msgspec.json.decode(job.payload),
            status=JobStatus.PENDING,
            queue=job.queue,
            priority=job.priority,
            max_attempts=job.max_attempts,
            created_at=created_at,
            updated_at=created_at,
            run_at=None if run_at_us is None else from_us(run_at_us),
            tags=() if job.tags is None else tuple(msgspec.json.decode(job.tags)),
            meta={} if job.meta is None else msgspec.json.decode(job.meta),
            timeout_s=None if job.timeout_us is None else job.timeout_us / 1_000_000,
            idempotency_key=job.idempotency_key,
            created=row.created,
        )

    def _build(self, key: str, payload: str | None, handler: Handler | None, options: Options) -> NewJob:
        if options.delay is not None and options.run_at is not None:
            raise InvalidJob("expected delay or run_at, got both: say either how long to wait or until when")
        own = handler.options if handler is not None else None
        queue = options.queue or (own.queue if own else "default")
        priority = options.priority if options.priority is not None else (own.priority if own else 0)
        max_attempts = (
            options.max_attempts if options.max_attempts is not None else (own.max_attempts if own else 3)
        )
        tags = [*(own.tags if own else ()), *options.tags]
        return NewJob(
            key=checked_name("job key", key),
            payload=payload,
            queue=checked_name("queue", queue),
            priority=_checked_int("priority", priority, -_INT64, _INT64 - 1),
            max_attempts=_checked_int("max_attempts", max_attempts, 1, 1_000_000),
            delay_us=None if options.delay is None else to_us(options.delay, name="delay"),
            run_at_us=None if options.run_at is None else to_wall_us(options.run_at),
            timeout_us=None if options.timeout is None else to_us(options.timeout, name="timeout"),
            idempotency_key=_checked_text("idempotency_key", options.idempotency_key),
            tags=_tags(tags) if tags else None,
            meta=None if options.meta is None else check_json(options.meta, name="meta"),
        )


class Call(Generic[P]):
    """A handler with options chosen, ready to be enqueued: what ``using`` gives."""

    def __init__(self, client: Client, handler: Handler, options: Options) -> None:
        self._client = client
        self._handler = handler
        self._options = options

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Writes the job and returns it; when this returns, the job is as safe as its durability says.

        Raises:
            InvalidPayload: the arguments do not fit the handler. Nothing was written.
            StoreUnavailable: nothing was written.
            OutcomeUnknown: retry with the same idempotency key.
        """
        return self._client.enqueue_call(self._handler, args, kwargs, self._options)

    aenqueue = asynchronous(enqueue)

    def enqueue_many(self, payloads: Iterable[Mapping[str, Any]]) -> list[Job]:
        """Writes one job for each payload, all in one commit or none."""
        return self._client.enqueue_many(self._handler.key, payloads, self._options)

    aenqueue_many = asynchronous(enqueue_many)


class JobFunction(Call[P], Generic[P, R]):
    """What ``@app.job`` makes of a function: still callable, and able to be enqueued."""

    def __init__(self, client: Client, handler: Handler) -> None:
        super().__init__(client, handler, Options())
        self.__wrapped__: Callable[..., R] = handler.fn
        self.__name__ = getattr(handler.fn, "__name__", handler.key)
        self.__doc__ = handler.fn.__doc__
        self.__module__ = handler.fn.__module__

    @property
    def key(self) -> str:
        """The job key."""
        return self._handler.key

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        """Runs the function here and now: no job, no queue."""
        return self.__wrapped__(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<job {self.key!r}: {self.__module__}.{self.__name__}>"

    def using(
        self,
        *,
        queue: str | None = None,
        priority: int | None = None,
        delay: Duration | None = None,
        run_at: datetime | None = None,
        max_attempts: int | None = None,
        timeout: Duration | None = None,
        tags: Iterable[str] = (),
        meta: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        connection: Any = None,
        durability: Durability | None = None,
    ) -> Call[P]:
        """The same job with other options.

        ``connection``: insert inside the caller's own transaction on that ``sqlite3`` connection; the job exists
        if and only if it commits, and that connection's ``synchronous`` setting decides how durably.

        ``idempotency_key``: a second enqueue of this job key with it finds the first job and makes none.
        """
        options = Options(
            queue=queue,
            priority=priority,
            delay=delay,
            run_at=run_at,
            max_attempts=max_attempts,
            timeout=timeout,
            tags=tags,
            meta=meta,
            idempotency_key=idempotency_key,
            connection=connection,
            durability=durability,
        )
        return Call(self._client, self._handler, options)


class JobDecorator:
    """What ``app.job(...)`` gives: turns a function into a ``JobFunction``. A leading ``ctx`` is not the caller's."""

    def __init__(self, register: Callable[[Callable[..., Any]], JobFunction[..., Any]]) -> None:
        self._register = register

    @overload
    def __call__(self, fn: Callable[Concatenate[Context, P], R]) -> JobFunction[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R]) -> JobFunction[P, R]: ...
    def __call__(self, fn: Callable[..., Any]) -> JobFunction[..., Any]:
        return self._register(fn)


def _checked_int(what: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        kind = "a positive integer" if least == 1 else "an integer of 64 bits"
        raise InvalidJob(f"expected {what} to be {kind}, got {value!r}")
    return value


def _checked_text(what: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= 512:
        raise InvalidJob(f"expected {what} to be a text of 1 to 512 characters, got {value!r}")
    return _storable(what, value)


def _tags(tags: list[Any]) -> str:
    for tag in tags:
        if not isinstance(tag, str) or not 1 <= len(tag) <= 128:
            raise InvalidJob(f"expected tags to be texts of 1 to 128 characters, got {tag!r}")
        _storable("tags", tag)
    return msgspec.json.encode(tags).decode()


def _storable(what: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidJob(
            f"expected {what} to be text that UTF-8 can hold, got {text!r} with a lone surrogate"
        ) from None
    return text

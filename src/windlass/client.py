"""Enqueue: validate, insert, ring. Works in any process, whether or not a handler or a service is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, Unpack, overload

import msgspec

from windlass.bridge import Spawn, asynchronous
from windlass.clock import Clock, from_us
from windlass.constraints import from_text
from windlass.context import Context, current
from windlass.errors import InvalidJob
from windlass.fields import checked_name
from windlass.flow import Step
from windlass.handlers import Handler, Registry
from windlass.job import Job, JobStatus
from windlass.joining import here, join
from windlass.options import PLAIN, EnqueueOptions, Options, new_job
from windlass.payload import check_json
from windlass.store import open_store
from windlass.store.protocol import Durability, Inserted, NewJob, Store

P = ParamSpec("P")
R = TypeVar("R")

Around = Callable[[list[NewJob], Callable[[list[NewJob]], list[Job]]], list[Job]]
"""Gets the jobs of a submission and what inserts them; gives what that gave, and may add to ``meta``."""


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
        self.around: Around | None = None
        """What stands around each submission, such as the span of a trace."""

    def enqueue(self, key: str, payload: Mapping[str, Any] | None, options: Options) -> Job:
        """One job by key. The payload is checked against the handler where this program has one."""
        handler = self._registry.get_own(checked_name("job key", key))
        text = check_json(payload) if handler is None else handler.encode_mapping(payload)
        return self.submit([new_job(key, text, handler, options)], options)[0]

    def enqueue_many(
        self, key: str, payloads: Iterable[Mapping[str, Any] | None], options: Options
    ) -> list[Job]:
        """Many jobs of one key in one commit: all or none."""
        handler = self._registry.get_own(checked_name("job key", key))
        encode = check_json if handler is None else handler.encode_mapping
        if options.idempotency_key is not None:
            raise InvalidJob("expected no idempotency_key for many jobs at once: they would all be one job")
        if options.unique is not None and options.existing not in ("append", "append_or_replace"):
            raise InvalidJob(
                'expected existing="append" or "append_or_replace" beside unique for many jobs at once, '
                f'got "{options.existing}": all but one would find that one'
            )
        template = new_job(key, None, handler, options)
        jobs = [msgspec.structs.replace(template, payload=encode(payload)) for payload in payloads]
        return self.submit(jobs, options)

    def step(self, key: str, payload: Mapping[str, Any] | None, options: Options) -> Step:
        """One job by key, to be enqueued with others."""
        handler = self._registry.get_own(checked_name("job key", key))
        text = check_json(payload) if handler is None else handler.encode_mapping(payload)
        return self._step(key, text, handler, options)

    def step_call(
        self, handler: Handler, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options
    ) -> Step:
        """One job of a known handler, from the arguments of a call, to be enqueued with others."""
        return self._step(handler.key, handler.encode(args, kwargs), handler, options)

    def _step(self, key: str, text: str | None, handler: Handler | None, options: Options) -> Step:
        for name in ("connection", "durability"):
            if getattr(options, name) is not None:
                raise InvalidJob(
                    f"expected {name} in the enqueue of all steps together, got it for one of them"
                )
        return Step(self, new_job(key, text, handler, options))

    def open_store(self) -> Store:
        """Where the jobs are kept."""
        return self._store()

    def submit(self, jobs: list[NewJob], options: Options) -> list[Job]:
        """Inserts validated jobs and says what became of each."""
        if not jobs:
            return []
        if self.around is None:
            return self._submit(jobs, options)
        return self.around(jobs, lambda given: self._submit(given, options))

    def _submit(self, jobs: list[NewJob], options: Options) -> list[Job]:
        durability = self._durability() if options.durability is None else options.durability
        if durability not in ("full", "fast"):
            raise InvalidJob(f'expected durability to be "full" or "fast", got {durability!r:.80}')
        connection = options.connection
        store = self._store()
        if connection is None and (ctx := current()) is not None:
            # Inside ctx.transaction() the write lock is ours already: a second connection would wait for it.
            connection = ctx.open_connection_to(store)
        if connection is None:
            told = self._insert(store, jobs, durability, None)
            if self.submitted is not None:
                self.submitted()
        else:
            joined = join(connection)
            told = joined.run(lambda driver: self._insert(store, jobs, durability, driver))
            joined.after_commit(store.ring)
        return told

    def _insert(self, store: Store, jobs: list[NewJob], durability: Durability, connection: Any) -> list[Job]:
        inserted = store.insert(jobs, durability=durability, connection=connection)
        seen: Store | None = None
        if any(row.disposition != "created" for row in inserted):
            seen = store if connection is None else open_store(connection)
        return [self._told(job, row, seen) for job, row in zip(jobs, inserted, strict=True)]

    def _told(self, job: NewJob, row: Inserted, seen: Store | None) -> Job:
        if seen is not None and row.disposition != "created":
            found = seen.get(row.job_id)
            if found is not None:
                return msgspec.structs.replace(found, created=row.created, disposition=row.disposition)
        created_at = datetime.fromisoformat(row.created_at)
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
            run_at=None if row.hold is not None and job.delay_us else _due(job, created_at),
            tags=() if job.tags is None else tuple(msgspec.json.decode(job.tags)),
            meta={} if job.meta is None else msgspec.json.decode(job.meta),
            timeout_s=None if job.timeout_us is None else job.timeout_us / 1_000_000,
            idempotency_key=job.idempotency_key,
            unique=job.unique,
            deadline=_deadline(job, created_at),
            constraints=None if job.constraints is None else from_text(job.constraints),
            hold=row.hold,
            created=row.created,
            disposition=row.disposition,
        )


class Call(Generic[P]):
    """A handler with options chosen, ready to be enqueued: what ``using`` gives."""

    def __init__(self, client: Client, handler: Handler, options: Options) -> None:
        self._client = client
        self._handler = handler
        self._options = options
        self._template: NewJob | None = None

    def _job(self, payload: str | None) -> NewJob:
        # The options are checked once, not for each job: that takes longer than all else that is ours.
        if self._template is None:
            self._template = new_job(self._handler.key, None, self._handler, self._options)
        return msgspec.structs.replace(self._template, payload=payload)

    def _joins(self, *_: Any, **__: Any) -> bool | Spawn:
        return here(self._options.connection)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Writes the job and returns it; when this returns, the job is as safe as its durability says.

        Raises:
            InvalidPayload: the arguments do not fit the handler. Nothing was written.
            StoreUnavailable: nothing was written.
            OutcomeUnknown: retry with the same idempotency key.
        """
        job = self._job(self._handler.encode(args, kwargs))
        return self._client.submit([job], self._options)[0]

    aenqueue = asynchronous(enqueue, here=_joins)

    def step(self, *args: P.args, **kwargs: P.kwargs) -> Step:
        """The job as a step of a chain or group: nothing is written before their ``enqueue``.

        Raises:
            InvalidPayload: the arguments do not fit the handler.
        """
        return self._client.step_call(self._handler, args, kwargs, self._options)

    def enqueue_many(self, payloads: Iterable[Mapping[str, Any]]) -> list[Job]:
        """Writes one job for each payload, all in one commit or none."""
        return self._client.enqueue_many(self._handler.key, payloads, self._options)

    aenqueue_many = asynchronous(enqueue_many, here=_joins)


class JobFunction(Call[P], Generic[P, R]):
    """What ``@app.job`` makes of a function: still callable, and able to be enqueued."""

    def __init__(self, client: Client, handler: Handler) -> None:
        super().__init__(client, handler, PLAIN)
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

    def using(self, **options: Unpack[EnqueueOptions]) -> Call[P]:
        """The same job with other options: see ``EnqueueOptions``."""
        return Call(self._client, self._handler, Options(**options))


class JobDecorator:
    """What ``app.job(...)`` gives: turns a function into a ``JobFunction``.

    A leading ``ctx`` parameter is not the caller's.
    """

    def __init__(self, register: Callable[[Callable[..., Any]], JobFunction[..., Any]]) -> None:
        self._register = register

    @overload
    def __call__(self, fn: Callable[Concatenate[Context, P], R]) -> JobFunction[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R]) -> JobFunction[P, R]: ...
    def __call__(self, fn: Callable[..., Any]) -> JobFunction[..., Any]:
        return self._register(fn)


def joins(*_: Any, connection: Any = None, **__: Any) -> bool | Spawn:
    """Where an enqueue with these arguments runs: a caller's connection may be bound to its thread."""
    return here(connection)


def _deadline(job: NewJob, created_at: datetime) -> datetime | None:
    if job.deadline_in_us is not None:
        return created_at + timedelta(microseconds=job.deadline_in_us)
    return None if job.deadline_us is None else from_us(job.deadline_us)


def _due(job: NewJob, created_at: datetime) -> datetime | None:
    if job.delay_us:
        return created_at + timedelta(microseconds=job.delay_us)
    if job.run_at_us is None:
        return None
    run_at = from_us(job.run_at_us)
    return run_at if run_at > created_at else None

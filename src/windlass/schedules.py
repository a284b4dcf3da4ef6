"""Schedules: what is enqueued again and again, written down once and kept by the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from windlass.clock import Clock, from_us
from windlass.duration import Duration, describe
from windlass.errors import InvalidJob, RegistrationError
from windlass.fields import checked_name, checked_span
from windlass.handlers import Registry
from windlass.handlers.options import Options as HandlerOptions
from windlass.job import Job
from windlass.payload import check_json
from windlass.schedule import SHORTEST_US, Spec, from_text, to_text
from windlass.store.protocol import Store
from windlass.store.timetable import ScheduleRow

_DEFAULTS = HandlerOptions()
_TRIES = 100
"""Somebody else changes the same schedule at the same moment: so often in a row means a loop, not chance."""


class HasKey(Protocol):
    """A job function."""

    @property
    def key(self) -> str: ...


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as it stood when it was read. Times are aware UTC datetimes."""

    name: str
    key: str
    """The job key."""
    payload: dict[str, Any] | None
    every: timedelta
    paused: bool
    next_at: datetime | None
    """When it is due, as far as the wall clock can tell."""
    last_at: datetime | None
    """When its latest run was due."""
    last_job_id: int | None


class _Wanted(msgspec.Struct, frozen=True):
    job: str
    payload: Mapping[str, Any] | None
    every_us: int
    initial_delay_us: int


class ScheduleManager:
    """What there is to know and do about schedules: ``app.schedules``."""

    def __init__(self, store: Callable[[], Store], registry: Registry, clock: Callable[[], Clock]) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._declared: dict[str, _Wanted] = {}

    def add(
        self,
        name: str,
        *,
        job: str | HasKey,
        payload: Mapping[str, Any] | None = None,
        every: Duration,
        initial_delay: Duration | None = None,
    ) -> Schedule:
        """Enqueues the job now, and again after each span ``every``, for ever.

        Meant to be called at each start of the program: where there is a schedule of that name it is brought
        up to date, and keeps its phase; it is not begun again. ``initial_delay`` puts off the first run.
        ``every`` follows elapsed time, whatever is done to the wall clock. What was missed while nobody ran
        jobs is one run. While a job of it is unfinished no other is made: the next one comes after it.

        Raises:
            InvalidJob: the name, a span or the payload cannot be right.
        """
        wanted = _wanted(name, job, payload, every, initial_delay)
        return self._put(name, wanted)

    def declare(
        self,
        name: str,
        *,
        job: str | HasKey,
        payload: Mapping[str, Any] | None = None,
        every: Duration,
        initial_delay: Duration | None = None,
    ) -> None:
        """Adds it when a service or ``app.running()`` starts, as ``@app.periodic`` does. Opens nothing now.

        Raises:
            RegistrationError: the name is taken, or a span cannot be right.
        """
        if name in self._declared:
            raise RegistrationError(f"there are two schedules called {name!r}: give one another name")
        try:
            self._declared[name] = _wanted(name, job, payload, every, initial_delay)
        except InvalidJob as error:
            raise RegistrationError(f"the schedule {name!r:.80}: {error}") from error

    def check(self) -> None:
        """Finds now what would keep a declared schedule from ever making a job.

        Raises:
            RegistrationError: its payload does not fit its handler.
        """
        for name, wanted in self._declared.items():
            try:
                self._payload(wanted)
            except InvalidJob as error:
                raise RegistrationError(f"the schedule {name!r}: {error}") from error

    def put_declared(self) -> None:
        """Writes down what the program declares."""
        for name, wanted in self._declared.items():
            self._put(name, wanted)

    def list(self) -> list[Schedule]:
        """All of them, by name."""
        return [self._shown(row) for row in self._store().schedules()]

    def get(self, name: str) -> Schedule | None:
        """The schedule, or None where there is none of that name."""
        row = self._store().schedule(name)
        return None if row is None else self._shown(row)

    def remove(self, name: str) -> bool:
        """Makes no more jobs of it; those that are there stay. False where there was none."""
        return self._store().drop_schedule(name)

    def pause(self, name: str) -> Schedule:
        """Makes no jobs until it is resumed."""
        return self._change(name, lambda row: msgspec.structs.replace(row, paused=True))

    def resume(self, name: str) -> Schedule:
        """Goes on in its old rhythm; what was due meanwhile is not made up for."""

        def resumed(row: ScheduleRow) -> ScheduleRow:
            if not row.paused:
                return row
            clock, spec = self._clock(), from_text(row.spec)
            row = msgspec.structs.replace(row, paused=False).on_this_boot(spec, clock)
            wait_us = row.wait_us(clock)
            if wait_us is None or wait_us > 0:
                return row
            next_us = spec.rule.next_after(wait_us, 0)
            if next_us is None:
                return msgspec.structs.replace(row, next_at_us=None, next_boot_us=None)
            return row.due_in(next_us, clock)

        return self._change(name, resumed)

    def run_now(self, name: str) -> Job:
        """Enqueues its job now, besides its rhythm; while one is unfinished, gives that one.

        Raises:
            InvalidJob: there is no such schedule.
        """
        store = self._store()
        row = self._row(name)
        (made,) = store.insert([row.job(from_text(row.spec), self._clock().wall_us())])
        job = store.get(made.job_id)
        if job is None:
            raise InvalidJob(f"the job {made.job_id} of the schedule {name!r} was deleted at this moment")
        return msgspec.structs.replace(job, created=made.created)

    def _put(self, name: str, wanted: _Wanted) -> Schedule:
        payload, spec = self._payload(wanted), self._spec(wanted)
        store, clock = self._store(), self._clock()
        for _ in range(_TRIES):
            known = store.schedule(name)
            if known is None:
                new = ScheduleRow(
                    name=name, job_key=wanted.job, payload=payload, spec=to_text(spec), next_at_us=None,
                    next_boot_us=None, boot_id=None,
                ).due_in(spec.initial_delay, clock)  # fmt: skip
                if store.put_schedule(new, replaces=None):
                    return self._shown(new)
                continue
            row = _updated(known, wanted.job, payload, spec, clock)
            if row == known or store.put_schedule(row, replaces=known.turn):
                return self._shown(row)
        raise InvalidJob(f"the schedule {name!r} is changed by somebody else all the time")

    def _change(self, name: str, change: Callable[[ScheduleRow], ScheduleRow]) -> Schedule:
        for _ in range(_TRIES):
            known = self._row(name)
            row = change(known)
            if row == known or self._store().put_schedule(row, replaces=known.turn):
                return self._shown(row)
        raise InvalidJob(f"the schedule {name!r} is changed by somebody else all the time")

    def _row(self, name: str) -> ScheduleRow:
        row = self._store().schedule(name)
        if row is None:
            raise InvalidJob(f"there is no schedule {name!r:.80}")
        return row

    def _payload(self, wanted: _Wanted) -> str | None:
        handler = self._registry.get_own(wanted.job)
        return check_json(wanted.payload) if handler is None else handler.encode_mapping(wanted.payload)

    def _spec(self, wanted: _Wanted) -> Spec:
        handler = self._registry.get_own(wanted.job)
        own = _DEFAULTS if handler is None else handler.options
        return Spec(
            every=wanted.every_us, initial_delay=wanted.initial_delay_us, queue=own.queue,
            priority=own.priority, max_attempts=own.max_attempts, tags=own.tags,
        )  # fmt: skip

    def _shown(self, row: ScheduleRow) -> Schedule:
        clock = self._clock()
        wait_us = row.wait_us(clock)
        return Schedule(
            name=row.name,
            key=row.job_key,
            payload=None if row.payload is None else msgspec.json.decode(row.payload),
            every=timedelta(microseconds=from_text(row.spec).every),
            paused=row.paused,
            next_at=None if wait_us is None else from_us(clock.wall_us() + wait_us),
            last_at=None if row.last_at_us is None else from_us(row.last_at_us),
            last_job_id=row.last_job,
        )


def _wanted(
    name: str,
    job: str | HasKey,
    payload: Mapping[str, Any] | None,
    every: Duration,
    initial_delay: Duration | None,
) -> _Wanted:
    checked_name("the name of a schedule", name)
    key = checked_name("job key", job if isinstance(job, str) else job.key)
    every_us = checked_span("every", every)
    if every_us < SHORTEST_US:
        raise InvalidJob(f"expected every to be at least {describe(SHORTEST_US)}, got {every!r}")
    delay_us = 0 if initial_delay is None else checked_span("initial_delay", initial_delay)
    return _Wanted(key, payload, every_us, delay_us)


def _updated(row: ScheduleRow, key: str, payload: str | None, spec: Spec, clock: Clock) -> ScheduleRow:
    """The row as it is now wanted, in its phase: with another span, counted from its last due time."""
    text = to_text(spec)
    changed = msgspec.structs.replace(row, job_key=key, payload=payload, spec=text)
    try:
        old = from_text(row.spec)
    except ValueError:
        return changed.due_in(0, clock)
    wait_us = changed.on_this_boot(old, clock).wait_us(clock)
    if old.every == spec.every or row.last_at_us is None or wait_us is None:
        return changed
    return changed.due_in(max(wait_us - old.every + spec.every, 0), clock)

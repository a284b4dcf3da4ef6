"""The schedule manager: write down, look at, change, pause, and run now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, Unpack

import msgspec

from windlass.bridge import asynchronous
from windlass.clock import from_us
from windlass.errors import InvalidJob, RegistrationError
from windlass.fields import checked_count, checked_name
from windlass.handlers import Registry
from windlass.handlers.options import Options as HandlerOptions
from windlass.job import Job
from windlass.payload import check_json
from windlass.platform import local_zone
from windlass.schedule import Once, Spec, from_text, to_text
from windlass.schedule.zones import zone_named
from windlass.schedules.calendar import Day, Missed, days_of, missed_by
from windlass.schedules.choices import Chosen, ScheduleChanges, ScheduleOptions, changed, chosen
from windlass.schedules.shown import Schedule, shown
from windlass.store.protocol import JobFilter, Store
from windlass.store.timetable import Instant, ScheduleRow

_DEFAULTS = HandlerOptions()
_LOOKED_AT = 5000
_TRIES = 100
"""Somebody else changes the same schedule at the same moment: so often in a row means a loop, not chance."""


class HasKey(Protocol):
    """A job function."""

    @property
    def key(self) -> str: ...


class _Wanted(msgspec.Struct, frozen=True):
    job: str
    payload: Mapping[str, Any] | None
    chosen: Chosen


class ScheduleManager:
    """What there is to know and do about schedules: ``app.schedules``."""

    def __init__(self, store: Callable[[], Store], registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._declared: dict[str, _Wanted] = {}

    def add(
        self,
        name: str,
        *,
        job: str | HasKey,
        payload: Mapping[str, Any] | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> Schedule:
        """Enqueues the job at each time that ``every``, ``cron`` or ``at`` names: see ``ScheduleOptions``.

        Meant to be called at each start of the program: where there is a schedule of that name it is brought
        up to date, and keeps its phase; it is not begun again, and what a person paused stays paused.

        Raises:
            InvalidJob: the name, an option or the payload cannot be right.
        """
        return self._put(name, _wanted(name, job, payload, options))

    aadd = asynchronous(add)

    def declare(
        self,
        name: str,
        *,
        job: str | HasKey,
        payload: Mapping[str, Any] | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        """Adds it when a service or ``app.running()`` starts, as ``@app.periodic`` does. Opens nothing now.

        Raises:
            RegistrationError: the name is taken, or an option cannot be right.
        """
        if name in self._declared:
            raise RegistrationError(f"there are two schedules called {name!r}: give one another name")
        try:
            self._declared[name] = _wanted(name, job, payload, options)
        except InvalidJob as error:
            raise RegistrationError(f"the schedule {name!r:.80}: {error}") from error

    def check(self) -> None:
        """Finds now what would keep a declared schedule from ever making a job.

        Raises:
            RegistrationError: its payload does not fit its handler.
        """
        for name, wanted in self._declared.items():
            try:
                self._payload(wanted.job, wanted.payload)
            except InvalidJob as error:
                raise RegistrationError(f"the schedule {name!r}: {error}") from error

    def put_declared(self) -> None:
        """Writes down what the program declares."""
        for name, wanted in self._declared.items():
            self._put(name, wanted)

    def next(self, name: str, n: int = 5) -> tuple[datetime, ...]:
        """The next ``n`` times at which it is due, as things are now, in UTC; fewer where it ends before.

        A first one that has passed is due now, or waits for the end of the last run. With ``fixed="delay"``
        the times are told as if runs took none.

        Raises:
            InvalidJob: there is no such schedule, or what is stored cannot be read.
        """
        row, now = self._row(name), self._now()
        rule = _spec_of(row).rule
        times: list[datetime] = []
        due_us = row.due_us(rule, now)
        while due_us is not None and len(times) < checked_count("n", n):
            times.append(from_us(now.wall_of(rule, due_us)))
            due_us = rule.next_after(due_us, max(due_us, now.on_clock_of(rule)))
        return tuple(times)

    anext = asynchronous(next)

    def list(self) -> list[Schedule]:
        """All of them, by name."""
        now = self._now()
        return [shown(row, now) for row in self._store().schedules()]

    alist = asynchronous(list)

    def get(self, name: str) -> Schedule | None:
        """The schedule, or None where there is none of that name."""
        row = self._store().schedule(name)
        return None if row is None else shown(row, self._now())

    aget = asynchronous(get)

    def runs(self, name: str, n: int = 30) -> list[Job]:
        """The last ``n`` jobs that it made, as far as they are kept, newest first.

        Of one that may overlap itself, they are looked for among the newest 5,000 jobs of all.

        Raises:
            InvalidJob: there is no such schedule.
        """
        row, wanted = self._row(name), checked_count("n", n)
        found = self._store().last_runs(row.unique, wanted)
        spec = _readable(row)
        if spec is not None and spec.overlap:
            newest = self._store().select(JobFilter(), limit=1)
            where = JobFilter(key=row.job_key, after_id=newest[0].id - _LOOKED_AT if newest else 0)
            found = self._store().select(where, limit=_LOOKED_AT)
        return [job for job in found if job.meta.get("schedule") == name][:wanted]

    aruns = asynchronous(runs)

    def missed(self, name: str) -> Missed:
        """The times that no run was made for, since the oldest run that is kept: see ``Missed``.

        Nobody ran jobs then, it was paused, or by ``missed="latest"`` one run stood for several.

        Raises:
            InvalidJob: there is no such schedule, or what is stored cannot be read.
        """
        row = self._row(name)
        return missed_by(row, _spec_of(row), self.runs(name, 200), self._now())

    amissed = asynchronous(missed)

    def calendar(self, days: int = 7, *, tz: str | None = None, name: str | None = None) -> tuple[Day, ...]:
        """What is due on each of the next days, today first, as the clocks of a zone count them.

        ``tz``: such as ``"Europe/Zurich"``; without it, this machine's. ``name``: of that schedule alone,
        also while it is paused; without it, of all that are not.

        Raises:
            InvalidJob: there is no such zone or schedule.
        """
        zone, now = zone_named(tz or local_zone()), self._now()
        rows = self._store().schedules() if name is None else [self._row(name)]
        readable = [(row, spec) for row in rows if (spec := _readable(row)) and not (row.paused and not name)]
        return tuple(days_of(readable, now, zone, checked_count("days", days)))

    acalendar = asynchronous(calendar)

    def update(self, name: str, **changes: Unpack[ScheduleChanges]) -> Schedule:
        """Changes what is given, and leaves the rest as it is: see ``ScheduleChanges``.

        With another span the next run is counted from the last one. What the program itself adds or declares
        with that name is as the program has it again at its next start.

        Raises:
            InvalidJob: there is no such schedule, or it cannot be right that way.
        """
        options: dict[str, Any] = {**changes}
        job, payload = options.pop("job", None), options.pop("payload", msgspec.UNSET)

        def updated(row: ScheduleRow) -> ScheduleRow:
            key = row.job_key if job is None else _key_of(job)
            text = row.payload
            if payload is not msgspec.UNSET or key != row.job_key:
                given = None if text is None else msgspec.json.decode(text)
                text = self._payload(key, given if payload is msgspec.UNSET else payload)
            return _updated(row, key, text, changed(_spec_of(row), options), self._now())

        return self._change(name, updated)

    aupdate = asynchronous(update)

    def pause(self, name: str) -> Schedule:
        """Makes no jobs until it is resumed."""
        return self._change(name, lambda row: msgspec.structs.replace(row, paused=True))

    apause = asynchronous(pause)

    def resume(self, name: str) -> Schedule:
        """Goes on in its old rhythm; what was due meanwhile is not made up for."""

        def resumed(row: ScheduleRow) -> ScheduleRow:
            if not row.paused:
                return row
            now, spec = self._now(), _spec_of(row)
            row = msgspec.structs.replace(row, paused=False).on_this_boot(spec, now)
            due_us, now_us = row.due_us(spec.rule, now), now.on_clock_of(spec.rule)
            if due_us is None or due_us > now_us:
                return row
            return row.waiting_for(spec.rule, spec.rule.next_after(due_us, now_us), now)

        return self._change(name, resumed)

    aresume = asynchronous(resume)

    def run_now(self, name: str) -> Job:
        """Enqueues its job now, besides its rhythm; while one is unfinished, gives that one, unless they may
        overlap.

        Raises:
            InvalidJob: there is no such schedule.
        """
        store = self._store()
        row = self._row(name)
        (made,) = store.insert([row.job(_spec_of(row), store.instant().wall_us)])
        job = store.get(made.job_id)
        if job is None:
            raise InvalidJob(f"the job {made.job_id} of the schedule {name!r} was deleted at this moment")
        return msgspec.structs.replace(job, created=made.created, disposition=made.disposition)

    arun_now = asynchronous(run_now)

    def remove(self, name: str) -> bool:
        """Makes no more jobs of it; those that are there stay. False where there was none."""
        return self._store().drop_schedule(name)

    aremove = asynchronous(remove)

    def _put(self, name: str, wanted: _Wanted) -> Schedule:
        handler = self._registry.get_own(wanted.job)
        payload = self._payload(wanted.job, wanted.payload)
        spec = wanted.chosen.spec(_DEFAULTS if handler is None else handler.options)
        store = self._store()
        for _ in range(_TRIES):
            known, now = store.schedule(name), self._now()
            if known is None:
                first_us = spec.rule.first(now.on_clock_of(spec.rule), spec.initial_delay)
                new = ScheduleRow(name=name, job_key=wanted.job, payload=payload, spec=to_text(spec))
                new = new.waiting_for(spec.rule, first_us, now)
                if store.put_schedule(new, replaces=None):
                    return shown(new, now)
                continue
            row = _updated(known, wanted.job, payload, spec, now)
            if row == known or store.put_schedule(row, replaces=known.turn):
                return shown(row, now)
        raise InvalidJob(f"the schedule {name!r} is changed by somebody else all the time")

    def _change(self, name: str, change: Callable[[ScheduleRow], ScheduleRow]) -> Schedule:
        for _ in range(_TRIES):
            known = self._row(name)
            row = change(known)
            if row == known or self._store().put_schedule(row, replaces=known.turn):
                return shown(row, self._now())
        raise InvalidJob(f"the schedule {name!r} is changed by somebody else all the time")

    def _row(self, name: str) -> ScheduleRow:
        row = self._store().schedule(name)
        if row is None:
            raise InvalidJob(f"there is no schedule {name!r:.80}")
        return row

    def _payload(self, key: str, payload: Mapping[str, Any] | None) -> str | None:
        handler = self._registry.get_own(key)
        return check_json(payload) if handler is None else handler.encode_mapping(payload)

    def _now(self) -> Instant:
        return self._store().instant()


def _wanted(
    name: str, job: str | HasKey, payload: Mapping[str, Any] | None, options: ScheduleOptions
) -> _Wanted:
    checked_name("the name of a schedule", name)
    return _Wanted(_key_of(job), payload, chosen(options))


def _key_of(job: str | HasKey) -> str:
    return checked_name("job key", job if isinstance(job, str) else job.key)


def _spec_of(row: ScheduleRow) -> Spec:
    try:
        return from_text(row.spec)
    except ValueError as error:
        raise InvalidJob(f"the schedule {row.name!r} cannot be read: {error}") from error


def _readable(row: ScheduleRow) -> Spec | None:
    try:
        return from_text(row.spec)
    except ValueError:
        return None


def _updated(row: ScheduleRow, key: str, payload: str | None, spec: Spec, now: Instant) -> ScheduleRow:
    """The row as it is now wanted, in its phase: with another rule, counted from its last due time."""
    after = msgspec.structs.replace(row, job_key=key, payload=payload, spec=to_text(spec))
    try:
        old = from_text(row.spec)
    except ValueError:
        old = None
    if old is not None and old.rule == spec.rule:
        return after
    rule, now_us = spec.rule, now.on_clock_of(spec.rule)
    if row.last_at_us is None:
        if old is not None and old.rule.elapsed and rule.elapsed:
            return after  # it waits for its first run
        return after.waiting_for(rule, rule.first(now_us, spec.initial_delay), now)
    if rule.elapsed:
        due_us = None if old is None else row.on_this_boot(old, now).due_us(old.rule, now)
        if old is not None and old.every and due_us is not None:
            return after.waiting_for(rule, max(due_us - old.every + spec.every, now_us), now)
        return after.waiting_for(rule, now_us, now)
    if isinstance(rule, Once):
        # A moment of its own: also one that has passed, unless a later one has had its run.
        return after.waiting_for(rule, rule.next_after(row.last_at_us, row.last_at_us), now)
    return after.waiting_for(rule, rule.next_after(row.last_at_us, now_us), now)

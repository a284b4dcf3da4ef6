"""Schedules: how they stand, a calendar of all, and pause, resume and run now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo
from shlex import quote
from typing import Any

import msgspec

from windlass.app import Windlass
from windlass.clock import from_us
from windlass.constraints import to_text as constraints_text
from windlass.job import Job
from windlass.platform import local_zone
from windlass.redact import clean
from windlass.schedule.daylight import ClockChange as Changed
from windlass.schedule.zones import zone_named
from windlass.schedules import Day, DueTime, Schedule
from windlass.web.redacting import shown
from windlass.web.routing import Call, Problem, Routes
from windlass.web.shapes.jobs import Command
from windlass.web.shapes.schedules import (
    Calendar,
    CalendarDay,
    CalendarEntry,
    CalendarTime,
    ClockChange,
    DaysQuery,
    ScheduleDetail,
    ScheduleList,
    ScheduleRow,
    ScheduleRun,
    ScheduleStarted,
    ScheduleTime,
)

routes = Routes("schedules")

_RUNS = 30
_TIMES_MOST = 100
_SHOWN_PER_DAY = 8
_ERROR_MOST = 500


@routes.get("/api/schedules")
def every(call: Call) -> ScheduleList:
    """All schedules by name, each with its last runs."""
    return ScheduleList(
        schedules=tuple(_row(call.app, schedule) for schedule in call.app.schedules.list()),
        commands=(
            Command(does="List schedules", command="windlass schedules list"),
            Command(does="Add one", command="windlass schedules add NAME KEY --cron '0 3 * * *'"),
        ),
    )


@routes.get("/api/calendar")
def calendar(call: Call, query: DaysQuery) -> Calendar:
    """What all schedules that are not paused do on the next days, as the clocks of a zone count them."""
    tz = query.tz or local_zone()
    days = call.app.schedules.calendar(query.days, tz=tz)
    return Calendar(
        tz=tz,
        days=tuple(_day(day, tz) for day in days),
        commands=(Command(does="The next times of one", command="windlass schedules next NAME --count 10"),),
    )


@routes.get("/api/schedules/{name}")
def show(call: Call, name: str, query: DaysQuery) -> ScheduleDetail:
    """A schedule with its next times, its last runs and the times that it missed."""
    schedule = _found(call.app, name)
    commands = _commands(schedule)
    if schedule.problem is not None:
        return ScheduleDetail(
            schedule=_row(call.app, schedule), payload=shown(schedule.payload), commands=commands
        )
    tz = schedule.tz or query.tz or local_zone()
    days = call.app.schedules.calendar(query.days, tz=tz, name=name)
    told = [one for day in days for one in day.schedules]
    times = [time for one in told for time in one.times]
    missed = call.app.schedules.missed(name)
    zone = zone_named(tz)
    text = constraints_text(schedule.constraints)
    return ScheduleDetail(
        schedule=_row(call.app, schedule),
        payload=shown(schedule.payload),
        every_s=schedule.every.total_seconds() if schedule.every else None,
        flex_s=schedule.flex.total_seconds(),
        missed_policy=schedule.missed,
        overlap=schedule.overlap,
        constraints=None if text is None else msgspec.json.decode(text),
        next=_times(times[:_TIMES_MOST], zone),
        more=len(times) > _TIMES_MOST or any(one.more for one in told),
        missed=_times(missed.times, zone),
        missed_more=missed.more,
        missed_since=missed.since,
        changes=_changes((change for day in days for change in day.changes), tz),
        commands=commands,
    )


@routes.post("/api/schedules/{name}/run")
def run(call: Call, name: str) -> ScheduleStarted:
    """Enqueues its job now, besides its rhythm."""
    _found(call.app, name)
    job = call.app.schedules.run_now(name)
    return ScheduleStarted(job_id=job.id, created=job.created)


@routes.post("/api/schedules/{name}/pause")
def pause(call: Call, name: str) -> ScheduleRow:
    """Makes no jobs until it is resumed."""
    _found(call.app, name)
    return _row(call.app, call.app.schedules.pause(name))


@routes.post("/api/schedules/{name}/resume")
def resume(call: Call, name: str) -> ScheduleRow:
    """Goes on in its old rhythm; what was due meanwhile is not made up for."""
    _found(call.app, name)
    return _row(call.app, call.app.schedules.resume(name))


def _found(app: Windlass, name: str) -> Schedule:
    schedule = app.schedules.get(name)
    if schedule is None:
        raise Problem(
            404, "no_such_schedule", f"there is no schedule {name!r:.80}", way_out="windlass schedules list"
        )
    return schedule


def _row(app: Windlass, schedule: Schedule) -> ScheduleRow:
    runs = app.schedules.runs(schedule.name, _RUNS)
    return ScheduleRow(
        name=schedule.name,
        key=schedule.key,
        rule=schedule.rule,
        tz=schedule.tz,
        paused=schedule.paused,
        ended=schedule.next_at is None,
        next_at=_steady(schedule.next_at),
        last_at=schedule.last_at,
        last_job_id=schedule.last_job_id,
        problem=None if schedule.problem is None else clean(schedule.problem),
        runs=tuple(_run(job) for job in reversed(runs)),
    )


def _run(job: Job) -> ScheduleRun:
    due_at = _due_of(job)
    begun, ended = job.started_at, job.finished_at
    return ScheduleRun(
        job_id=job.id,
        due_at=due_at,
        status=job.status,
        attempts=job.attempts,
        started_at=begun,
        finished_at=ended,
        late_s=None if begun is None else max((begun - due_at).total_seconds(), 0.0),
        run_s=None if begun is None or ended is None else max((ended - begun).total_seconds(), 0.0),
        error=None if job.last_error is None else clean(job.last_error.partition("\n")[0], _ERROR_MOST),
    )


def _due_of(job: Job) -> datetime:
    told: Any = job.meta.get("due")
    try:
        due_at = datetime.fromisoformat(told) if isinstance(told, str) else job.created_at
    except ValueError:
        return job.created_at
    return job.created_at if due_at.tzinfo is None else due_at


def _times(times: Iterable[DueTime], zone: tzinfo) -> tuple[ScheduleTime, ...]:
    return tuple(
        ScheduleTime(at=at, local=at.astimezone(zone).isoformat(timespec="seconds"), note=time.note)
        for time in times
        if (at := _steady(time.at)) is not None
    )


def _day(day: Day, tz: str) -> CalendarDay:
    zone = zone_named(tz)
    entries = tuple(
        CalendarEntry(
            schedule=one.schedule,
            count=one.count,
            more=one.more,
            times=tuple(
                CalendarTime(at=at, clock=f"{at.astimezone(zone):%H:%M}", note=time.note)
                for time in one.times[:_SHOWN_PER_DAY]
                if (at := _steady(time.at)) is not None
            ),
        )
        for one in day.schedules
    )
    return CalendarDay(
        day=day.day,
        begins_at=day.begins_at,
        hours=(day.ends_at - day.begins_at).total_seconds() / 3600,
        changes=_changes(day.changes, tz),
        entries=entries,
    )


def _changes(changes: Iterable[Changed], tz: str) -> tuple[ClockChange, ...]:
    return tuple(
        ClockChange(
            at=from_us(change.at_us),
            tz=tz,
            before=f"{change.before:%H:%M}",
            after=f"{change.after:%H:%M}",
            shift_s=round(change.shift.total_seconds()),
        )
        for change in changes
    )


def _steady(moment: datetime | None) -> datetime | None:
    """To a tenth of a second: told by two clocks, a moment differs by microseconds each time it is read."""
    if moment is None:
        return None
    return from_us(round(moment.timestamp() * 10) * 100_000)


def _commands(schedule: Schedule) -> tuple[Command, ...]:
    name = quote(schedule.name)
    switch = "resume" if schedule.paused else "pause"
    return (
        Command(does="Show it", command=f"windlass schedules show {name}"),
        Command(does="Its next times", command=f"windlass schedules next {name} --count 10"),
        Command(does="Run it now", command=f"windlass schedules run-now {name}"),
        Command(does=f"{switch.title()} it", command=f"windlass schedules {switch} {name}"),
    )

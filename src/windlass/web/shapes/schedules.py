"""What the dashboard tells of schedules: how they stand, their times, and a calendar of all of them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from windlass.job import JobStatus
from windlass.web.shapes.jobs import Command


class ScheduleRun(msgspec.Struct, frozen=True, kw_only=True):
    """A job that a schedule made."""

    job_id: int
    due_at: datetime
    """Its nominal time; where someone ran it besides its rhythm, when they did."""
    status: JobStatus
    attempts: int
    started_at: datetime | None = None
    finished_at: datetime | None = None
    late_s: float | None = None
    """From its nominal time to its latest start."""
    run_s: float | None = None
    """From its latest start to its end."""
    error: str | None = None
    """The first line of what went wrong."""


class ScheduleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule and its last runs."""

    name: str
    key: str
    """The job key."""
    rule: str
    """When it makes a job, in words: ``every 5 minutes``, ``at 07:30 Europe/Zurich``."""
    tz: str | None = None
    """The zone whose clocks it goes by; None where it goes by elapsed time, or by one moment."""
    paused: bool
    ended: bool
    """It never runs again."""
    next_at: datetime | None
    """When it is due. Past: it is due now, and its job not made yet, as its last one goes on or nobody runs
    jobs."""
    last_at: datetime | None
    """When its latest run was due."""
    last_job_id: int | None
    problem: str | None = None
    """Why it makes no jobs: what is stored cannot be read."""
    runs: tuple[ScheduleRun, ...] = ()
    """The last ones that are kept, oldest first."""


class ScheduleList(msgspec.Struct, frozen=True, kw_only=True):
    """All schedules, by name."""

    schedules: tuple[ScheduleRow, ...]
    commands: tuple[Command, ...]


class ScheduleTime(msgspec.Struct, frozen=True, kw_only=True):
    """A nominal time of a schedule."""

    at: datetime
    local: str
    """What the clocks of the schedule's zone show then (of the zone asked for, where it has none), with the
    offset: ``2026-03-29T03:00:00+02:00``."""
    note: str | None = None
    """What a change of the clocks does to it, in a sentence."""


class ClockChange(msgspec.Struct, frozen=True, kw_only=True):
    """A moment at which the clocks of a zone are changed."""

    at: datetime
    tz: str
    before: str
    """What they show a moment before: ``02:00``."""
    after: str
    """What they show then: ``03:00``."""
    shift_s: int
    """By how much they are set forward; back, where negative."""


class ScheduleDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule with its times."""

    schedule: ScheduleRow
    payload: dict[str, Any] | None
    every_s: float | None = None
    flex_s: float = 0.0
    missed_policy: Literal["latest", "skip", "all"] = "latest"
    """What becomes of times that passed while nobody ran jobs."""
    overlap: bool = False
    constraints: dict[str, Any] | None = None
    next: tuple[ScheduleTime, ...] = ()
    """Its next times within the days that were asked for, at most 100."""
    more: bool = False
    """There are more within those days."""
    missed: tuple[ScheduleTime, ...] = ()
    """Nominal times without a run, since the oldest run that is kept, newest first, at most 100."""
    missed_more: bool = False
    """There are more of them."""
    missed_since: datetime | None = None
    """Since when they are counted; None: no run is kept, so nobody can tell."""
    changes: tuple[ClockChange, ...] = ()
    """When the clocks of its zone are changed within those days."""
    commands: tuple[Command, ...]


class DaysQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How far ahead, and whose days."""

    days: Annotated[int, Meta(ge=1, le=31)] = 7
    tz: Annotated[str, Meta(max_length=64)] | None = None
    """A zone such as ``Europe/Zurich``; without it, this machine's."""


class CalendarTime(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a schedule."""

    at: datetime
    clock: str
    """What the clocks of the calendar's zone show then: ``07:30``."""
    note: str | None = None


class CalendarEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a schedule does on one day."""

    schedule: str
    count: int
    """How many runs are due on that day."""
    more: bool = False
    """So many at least: they were not counted to the end."""
    times: tuple[CalendarTime, ...]
    """The first eight of them."""


class CalendarDay(msgspec.Struct, frozen=True, kw_only=True):
    """One day in the calendar's zone."""

    day: date
    begins_at: datetime
    hours: float
    """How long it is: 24, unless the clocks are changed."""
    changes: tuple[ClockChange, ...] = ()
    entries: tuple[CalendarEntry, ...] = ()
    """Those with the earliest first run come first."""


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """The runs to come of all schedules that are not paused, by day."""

    tz: str
    days: tuple[CalendarDay, ...]
    commands: tuple[Command, ...]


class ScheduleStarted(msgspec.Struct, frozen=True, kw_only=True):
    """What running a schedule now did."""

    job_id: int
    created: bool
    """False: its last job is not over, and no second one was made."""

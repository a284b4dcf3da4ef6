"""The times of schedules as a calendar shows them: what is to come by day, and what was missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from functools import lru_cache

import msgspec

from windlass.clock import from_us, to_wall_us
from windlass.job import Job
from windlass.schedule import Cron, Daily, Every, Rule, Spec, due
from windlass.schedule.daylight import ClockChange, clock_changes, clock_note
from windlass.schedule.zones import moment_of, zone_named
from windlass.store.timetable import Instant, ScheduleRow

PER_DAY_MOST = 24
"""An hourly one is told in full, and of a denser one that it is dense."""
_MISSED_MOST = 100
_DAY_US = 86_400_000_000


class DueTime(msgspec.Struct, frozen=True):
    """A time at which a schedule is due."""

    at: datetime
    """In UTC."""
    note: str | None = None
    """What a change of its zone's clocks does to it, in a sentence."""


class Missed(msgspec.Struct, frozen=True):
    """Times of a schedule that no run was made for, by its rule as it is now."""

    since: datetime | None
    """When its oldest run was due that is kept; None: none is, so nobody can tell."""
    times: tuple[DueTime, ...] = ()
    """The newest 100, newest first."""
    more: bool = False
    """There are older ones."""


class DayOfSchedule(msgspec.Struct, frozen=True):
    """What one schedule does on one day."""

    schedule: str
    times: tuple[DueTime, ...]
    """The first 24."""
    count: int
    more: bool = False
    """There are more than ``count``: they were not counted to the end."""


class Day(msgspec.Struct, frozen=True):
    """One day of a calendar."""

    day: date
    begins_at: datetime
    ends_at: datetime
    changes: tuple[ClockChange, ...]
    """Of the clocks of the calendar's zone."""
    schedules: tuple[DayOfSchedule, ...]
    """Those that are due on it, by their first time."""


def days_of(
    rows: Iterable[tuple[ScheduleRow, Spec]], now: Instant, zone: tzinfo, count: int
) -> Iterator[Day]:
    """The days of a zone from today on, with what is still to come."""
    waiting = list(rows)
    today = from_us(now.wall_us).astimezone(zone).date()
    for number in range(count):
        day = today + timedelta(days=number)
        begin_us, end_us = (_midnight(day + timedelta(days=more), zone) for more in (0, 1))
        found = [told for row, spec in waiting if (told := _on_day(row, spec, now, begin_us, end_us))]
        yield Day(
            day,
            from_us(begin_us),
            from_us(end_us),
            tuple(clock_changes(begin_us, end_us, zone)),
            tuple(sorted(found, key=lambda one: (one.times[0].at, one.schedule))),
        )


def due_time(rule: Rule, nominal_us: int) -> DueTime:
    """That time of the wall clock, with its note."""
    return DueTime(from_us(nominal_us), clock_note(rule, nominal_us))


def missed_by(row: ScheduleRow, spec: Spec, runs: Sequence[Job], now: Instant) -> Missed:
    """What no run was made for since the oldest of these."""
    rule, made = spec.rule, sorted(filter(None, map(due_us_of, runs)))
    due_us = row.due_us(rule, now)
    if not made or (isinstance(rule, Every) and rule.from_end):
        return Missed(from_us(made[0]) if made else None)
    # What it waits for is late at most.
    until_us = min(now.on_clock_of(rule), (due_us or now.on_clock_of(rule) + 1) - 1)
    shift_us = now.wall_us - now.on_clock_of(rule)
    first_us = _first_from(rule, made[0] - shift_us, due_us)
    if first_us is None or first_us > until_us:
        return Missed(from_us(made[0]))
    every = msgspec.structs.replace(
        spec, missed="all", missed_most=len(made) + _MISSED_MOST + 1, overlap=True
    )
    nominals = [nominal_us + shift_us for nominal_us in due(every, first_us, until_us).nominals]
    near_us = rule.span_us // 2 if isinstance(rule, Every) else 0
    lacking = _without(nominals, made, near_us)[::-1]
    times = tuple(due_time(rule, nominal_us) for nominal_us in lacking[:_MISSED_MOST])
    return Missed(from_us(made[0]), times, len(lacking) > _MISSED_MOST)


def due_us_of(job: Job) -> int | None:
    """The nominal time that a schedule made the job for, on the wall clock; None where it does not say."""
    told = job.meta.get("due")
    try:
        moment = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return None if moment is None or moment.tzinfo is None else to_wall_us(moment)


def _first_from(rule: Rule, since_us: int, due_us: int | None) -> int | None:
    """The first nominal time from that moment on, on the rule's clock; of a span, the one that is nearest."""
    if not isinstance(rule, Every):
        return rule.next_after(since_us - 1, since_us - 1)
    if due_us is None:
        return None
    return due_us - (due_us - since_us + rule.span_us // 2) // rule.span_us * rule.span_us


def _without(nominals: list[int], made: list[int], near_us: int) -> list[int]:
    """The nominal times that no made one is as near to; both rising."""
    found: list[int] = []
    place = 0
    for nominal_us in nominals:
        while place < len(made) and made[place] < nominal_us - near_us:
            place += 1
        if place == len(made) or made[place] > nominal_us + near_us:
            found.append(nominal_us)
    return found


def _on_day(row: ScheduleRow, spec: Spec, now: Instant, begin_us: int, end_us: int) -> DayOfSchedule | None:
    rule = spec.rule
    due_us = row.due_us(rule, now)
    if due_us is None:
        return None
    next_us = now.wall_of(rule, due_us)
    if isinstance(rule, Every):
        skipped = max(-((next_us - begin_us) // rule.span_us), 0)
        first_us = next_us + skipped * rule.span_us
        count = max(-((first_us - end_us) // rule.span_us), 0)
        nominals = (first_us + place * rule.span_us for place in range(min(count, PER_DAY_MOST)))
        times, more = [DueTime(from_us(nominal_us)) for nominal_us in nominals], False
    else:
        times = [due_time(rule, next_us)] if begin_us <= next_us < end_us else []
        rest, more = (
            _times_within(rule, max(begin_us - 1, next_us), end_us) if next_us < end_us else ((), False)
        )
        more = more or len(times) + len(rest) > PER_DAY_MOST
        times = [*times, *rest][:PER_DAY_MOST]
        count = len(times)
    return DayOfSchedule(row.name, tuple(times), count, more) if times else None


@lru_cache(maxsize=4096)
def _times_within(rule: Rule, after_us: int, end_us: int) -> tuple[tuple[DueTime, ...], bool]:
    """The first nominal times of a rule of the wall clock in (after, end), and whether there are more.

    A calendar is drawn again with each change of anything, and the days to come stay as they are.
    """
    times: list[DueTime] = []
    noted = isinstance(rule, Cron | Daily) and _is_changed(rule.zone, after_us, end_us)
    nominal_us = rule.next_after(after_us, after_us)
    while nominal_us is not None and nominal_us < end_us:
        if len(times) == PER_DAY_MOST:
            return tuple(times), True
        times.append(due_time(rule, nominal_us) if noted else DueTime(from_us(nominal_us)))
        nominal_us = rule.next_after(nominal_us, nominal_us)
    return tuple(times), False


@lru_cache(maxsize=1024)
def _is_changed(zone: str, after_us: int, end_us: int) -> bool:
    """True where the clocks of a zone are changed about then."""
    return next(clock_changes(after_us - _DAY_US, end_us + _DAY_US, zone_named(zone)), None) is not None


def _midnight(day: date, zone: tzinfo) -> int:
    return moment_of(datetime.combine(day, time()), zone)

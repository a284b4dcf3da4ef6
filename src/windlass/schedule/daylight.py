"""What a change of the clocks does to a schedule: for people who look at a calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

import msgspec

from windlass.schedule.cron import names_no_hour, next_wall_time
from windlass.schedule.rules import Cron, Daily, Rule
from windlass.schedule.zones import MICROSECOND, next_change, wall_at, zone_named

_LONG_US = 400 * 86_400_000_000


class ClockChange(msgspec.Struct, frozen=True):
    """A moment at which the clocks of a zone are changed."""

    at_us: int
    before: datetime
    """The wall time that they would have shown then."""
    after: datetime
    """The wall time that they show."""

    @property
    def shift(self) -> timedelta:
        """By how much they are set forward; back, where negative."""
        return self.after - self.before


def clock_changes(after_us: int, until_us: int, zone: tzinfo) -> Iterator[ClockChange]:
    """The changes of a zone's clocks in (after, until], at most 400 days of them.

    >>> zone, march, month = zone_named("Europe/Zurich"), 1_774_000_000_000_000, 30 * 86_400_000_000
    >>> [str(change.shift) for change in clock_changes(march, march + month, zone)]
    ['1:00:00']
    """
    until_us = min(until_us, after_us + _LONG_US)
    if zone is UTC:
        return
    while (at_us := next_change(after_us, until_us, zone)) is not None:
        yield _change_at(at_us, zone)
        after_us = at_us


def clock_note(rule: Rule, nominal_us: int) -> str | None:
    """What a change of the clocks does to that nominal time of the rule, in a sentence; None: nothing.

    >>> half_past_two = Daily((9000,), "Europe/Zurich")
    >>> clock_note(half_past_two, 1_774_746_000_000_000)
    '02:30 is skipped, as the clocks go from 02:00 to 03:00: it runs at 03:00'
    """
    if not isinstance(rule, Cron | Daily):
        return None
    zone = zone_named(rule.zone)
    if zone is UTC:
        return None
    change_us = next_change(nominal_us - 1, nominal_us, zone)
    if change_us is not None:
        if isinstance(rule, Cron) and names_no_hour(rule.text):
            return None  # it goes on through the gap
        change = _change_at(change_us, zone)
        skipped = _first_named(rule, change.before, change.after)
        if skipped is None:
            return None
        return (
            f"{_face(skipped)} is skipped, as the clocks go from {_face(change.before)} "
            f"to {_face(change.after)}: it runs at {_face(change.after)}"
        )
    return _note_of_repeat(rule, nominal_us, zone)


def _note_of_repeat(rule: Cron | Daily, nominal_us: int, zone: tzinfo) -> str | None:
    """Where the clocks are set back and show its time twice."""
    wall = wall_at(nominal_us, zone)
    first = (wall.replace(tzinfo=zone, fold=0).utcoffset() or timedelta(0)) - (
        wall.replace(tzinfo=zone, fold=1).utcoffset() or timedelta(0)
    )
    if first <= timedelta(0):  # it comes once; in a gap the later offset is the larger one
        return None
    if isinstance(rule, Cron) and names_no_hour(rule.text):
        return f"{_face(wall)} comes twice, as the clocks are set back, and both count"
    return f"{_face(wall)} comes twice, as the clocks are set back: it runs the first time only"


def _first_named(rule: Cron | Daily, begin: datetime, end: datetime) -> datetime | None:
    """The first wall time in [begin, end) that the rule names."""
    if isinstance(rule, Cron):
        found = next_wall_time(rule.text, begin - MICROSECOND)
        return found if found is not None and found < end else None
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    days = (midnight, midnight + timedelta(days=1))
    named = (day + timedelta(seconds=second) for day in days for second in rule.seconds)
    return next((each for each in named if begin <= each < end), None)


def _change_at(at_us: int, zone: tzinfo) -> ClockChange:
    return ClockChange(at_us, wall_at(at_us - 1, zone) + MICROSECOND, wall_at(at_us, zone))


def _face(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"

"""S3: every change of the clocks of every zone, 1970 to 2037, against an oracle that goes minute by minute.

The oracle knows neither cron nor our search: at each minute it asks the zone what its clocks show.
"""

from __future__ import annotations

import zoneinfo
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.schedule.transitions import DAY, Transition, distinct, of_all_zones, offset, only_tzdata
from windlass.schedule import Cron, Daily, Rule, between

PARTS = 12
AROUND = 4500
MINUTES_OF_DAY = DAY // 60


def minutes(hours: range, of_hour: range | tuple[int, ...]) -> frozenset[int]:
    return frozenset(hour * 60 + minute for hour in hours for minute in of_hour)


# What the clocks must show, as minutes of the day: said twice, once for us and once for the oracle.
NAMED = {
    "*/15 0-22 * * *": minutes(range(23), range(0, 60, 15)),
    "7-59/13 1-23 * * *": minutes(range(1, 24), range(7, 60, 13)),
    "0 */2 * * *": minutes(range(0, 24, 2), (0,)),
    "30 2 * * *": minutes(range(2, 3), (30,)),
}
EACH_HOUR = {
    "*/10 * * * *": minutes(range(24), range(0, 60, 10)),
    "0 * * * *": minutes(range(24), (0,)),
    "20,50 0-23 * * *": minutes(range(24), (20, 50)),
}
DAILY = ("00:00", "00:30", "01:59", "02:00", "03:00", "23:45")
DAILY_MINUTES = frozenset(int(text[:2]) * 60 + int(text[3:]) for text in DAILY)


@pytest.fixture(autouse=True)
def tzdata() -> Iterator[None]:
    with only_tzdata():
        yield


class Readings:
    """What the clocks show around a change of them: pairs of moment and reading, both in seconds."""

    def __init__(self, change: Transition) -> None:
        zone = zoneinfo.ZoneInfo(change.zone)
        odd = change.at % 60 or change.before % 60 or change.after % 60
        step = 1 if odd else 60
        self.step = step
        self.begin = change.at - AROUND
        self.end = change.at + AROUND + max(change.before - change.after, 0)
        moments = range(self.begin, self.end + step, step)
        self.pairs = [(at, at + offset(at, zone)) for at in moments]

    def named(self, wanted: frozenset[int]) -> list[int]:
        """When the clocks reach such a time for the first time, or go beyond it."""
        found: list[int] = []
        reached = self.pairs[0][1]
        for at, shown in self.pairs[1:]:
            while reached < shown:  # once, but at the end of a gap
                reached += self.step
                if matches(wanted, reached) and found[-1:] != [at]:
                    found.append(at)
        return found

    def each(self, wanted: frozenset[int]) -> list[int]:
        """When the clocks show such a time; or skip it, and it is long to the next."""
        found: list[int] = []
        for (_, last), (at, shown) in pairwise(self.pairs):
            expected = last + self.step
            if matches(wanted, shown):
                found.append(at)
            elif shown > expected:
                waits = [wait for wait in range(shown - expected) if matches(wanted, expected + wait)]
                longer = next(wait for wait in range(DAY) if matches(wanted, shown + wait))
                if waits and longer > waits[0]:
                    found.append(at)
        return found


def matches(wanted: frozenset[int], second: int) -> bool:
    return second % 60 == 0 and second // 60 % MINUTES_OF_DAY in wanted


def check(rule: Rule, readings: Readings, expected: list[int], change: Transition) -> None:
    begin_us, end_us = readings.begin * 1_000_000, readings.end * 1_000_000
    told = [at_us / 1_000_000 for at_us in between(rule, begin_us, end_us)]
    assert told == expected, f"{rule} around {change}"
    # Whoever begins anywhere in between, such as in the hour that is repeated, comes to the same.
    stride = len(readings.pairs) // 4
    for at, _ in readings.pairs[change.at // 900 % stride :: stride]:
        place = bisect_right(expected, at)
        if place < len(expected):
            now_us = at * 1_000_000 + 1
            assert rule.next_after(begin_us, now_us) == expected[place] * 1_000_000, (
                f"{rule} at {at}, {change}"
            )


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_no_ghost_no_stall_no_skip_and_no_double_at_any_change_of_the_clocks(part: int) -> None:
    changes = distinct()[part::PARTS]
    assert changes
    for change in changes:
        readings = Readings(change)
        for text, wanted in NAMED.items():
            check(Cron(text, change.zone), readings, readings.named(wanted), change)
        for text, wanted in EACH_HOUR.items():
            check(Cron(text, change.zone), readings, readings.each(wanted), change)
        daily = Daily(tuple(sorted(minute * 60 for minute in DAILY_MINUTES)), change.zone)
        check(daily, readings, readings.named(DAILY_MINUTES), change)


def test_the_changes_are_all_there() -> None:
    """The oracle is worth what it is shown: folds and gaps of every size there ever was."""
    sizes = {each.after - each.before for each in of_all_zones()}
    assert {
        -25_200,
        -10_800,
        -7200,
        -3600,
        -1800,
        900,
        1800,
        2400,
        2670,
        2700,
        3600,
        5400,
        7200,
        DAY,
    } <= sizes
    assert len({each.zone for each in of_all_zones()}) > 250
    assert len(distinct()) > 5000


def test_no_clocks_are_changed_twice_within_two_days() -> None:
    """What the search takes for granted: within six hours of a moment there is one change at most."""
    by_zone: dict[str, list[int]] = {}
    for each in of_all_zones():
        by_zone.setdefault(each.zone, []).append(each.at)
    assert min(b - a for changes in by_zone.values() for a, b in pairwise(changes)) > 2 * DAY

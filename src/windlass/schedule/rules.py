"""The rules: each says when it is due after a given moment, and knows no clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from functools import partial
from itertools import pairwise
from typing import ClassVar

import msgspec

from windlass.schedule.cron import names_no_hour, next_wall_time
from windlass.schedule.wall import next_named_time, next_reading
from windlass.schedule.zones import MICROSECOND, zone_named

SHORTEST_US = 100_000
"""An interval at least: below it, a loop in a handler is the better tool."""

_DAY_US = 86_400_000_000
_NEW_YEAR = datetime(2024, 1, 1)  # noqa: DTZ001  local times are naive
_RUNS_COMPARED = 4_000


class Every(msgspec.Struct, frozen=True):
    """Again and again after the same span of elapsed time, on the boot clock.

    At a fixed rate: a late run does not make the next one later. With ``from_end`` the span counts from the
    end of the last run instead, so that there is a rest of that length between any two.
    """

    span_us: int
    from_end: bool = False
    elapsed: ClassVar[bool] = True

    def first(self, now_us: int, delay_us: int = 0) -> int:
        """When a new schedule is due for the first time: at once, or after the delay."""
        return now_us + delay_us

    def next_after(self, nominal_us: int, now_us: int) -> int:
        """The next due time after one at ``nominal_us``, on the same clock: the first that is still to come.

        With ``from_end``, the one after a run that ended now.

        >>> Every(10).next_after(100, now_us=103)
        110
        >>> Every(10).next_after(100, now_us=137)
        140
        >>> Every(10, from_end=True).next_after(100, now_us=137)
        147
        """
        if self.from_end:
            return max(nominal_us, now_us) + self.span_us
        missed = max(now_us - nominal_us, 0) // self.span_us
        return nominal_us + (missed + 1) * self.span_us


class Cron(msgspec.Struct, frozen=True):
    """When the clocks of a zone show what the cron expression says.

    The package says what becomes of times that the clocks skip or repeat.

    >>> Cron("0 3 * * MON", "Asia/Tokyo").next_after(0, 0) // 3_600_000_000  # Monday 3:00 is Sunday 18:00 UTC
    90
    """

    text: str
    zone: str
    elapsed: ClassVar[bool] = False

    def first(self, now_us: int, delay_us: int = 0) -> int | None:
        """When a new schedule is due for the first time, not before the delay has passed."""
        return self.next_after(now_us + delay_us - 1, now_us + delay_us - 1)

    def next_after(self, nominal_us: int, now_us: int) -> int | None:
        """The first due time after both; None: never again, as far as fifty years can tell."""
        search = next_reading if names_no_hour(self.text) else next_named_time
        try:
            return search(max(nominal_us, now_us), zone_named(self.zone), partial(next_wall_time, self.text))
        except OverflowError:
            return None  # after the year 9999


class Daily(msgspec.Struct, frozen=True):
    """Each day when the clocks of a zone show one of these times, given in seconds after midnight, rising.

    >>> Daily((27_000,), "UTC").next_after(0, 0) // 1_000_000
    27000
    """

    seconds: tuple[int, ...]
    zone: str
    elapsed: ClassVar[bool] = False

    def first(self, now_us: int, delay_us: int = 0) -> int | None:
        """When a new schedule is due for the first time, not before the delay has passed."""
        return self.next_after(now_us + delay_us - 1, now_us + delay_us - 1)

    def next_after(self, nominal_us: int, now_us: int) -> int | None:
        """The first due time after both."""
        try:
            return next_named_time(max(nominal_us, now_us), zone_named(self.zone), self._following)
        except OverflowError:
            return None  # after the year 9999

    def _following(self, wall: datetime) -> datetime:
        midnight = datetime.combine(wall, time())
        place = bisect_right(self.seconds, (wall - midnight) // timedelta(seconds=1))
        if place == len(self.seconds):
            midnight, place = midnight + timedelta(days=1), 0
        return midnight + timedelta(seconds=self.seconds[place])


class Once(msgspec.Struct, frozen=True):
    """At one moment."""

    at_us: int
    elapsed: ClassVar[bool] = False

    def first(self, now_us: int, delay_us: int = 0) -> int | None:
        """Its moment, also one that has passed: that it was missed is for the policy."""
        del now_us, delay_us
        return self.at_us

    def next_after(self, nominal_us: int, now_us: int) -> int | None:
        """Its moment, or None when it has passed."""
        return self.at_us if self.at_us > max(nominal_us, now_us) else None


Rule = Every | Cron | Daily | Once


def between(rule: Rule, after_us: int, until_us: int) -> Iterator[int]:
    """The nominal times in (after, until], rising; those of an ``Every`` are counted from ``after_us``.

    >>> list(between(Daily((0, 43_200), "UTC"), 0, 86_400_000_000))
    [43200000000, 86400000000]
    """
    nominal_us = rule.next_after(after_us, after_us)
    while nominal_us is not None and nominal_us <= until_us:
        yield nominal_us
        nominal_us = rule.next_after(nominal_us, nominal_us)


def shortest_gap_us(rule: Rule) -> int | None:
    """The shortest span between two runs in a row; None where there is one run only.

    As the clocks show it, so on days when they are not changed. For cron, of the first 4,000 runs of a leap
    year: how minutes and hours follow each other repeats long before.

    >>> shortest_gap_us(Cron("0,10 */6 * * *", "UTC")) // 60_000_000
    10
    """
    match rule:
        case Every(span_us):
            return span_us
        case Daily(seconds):
            around = (*seconds, seconds[0] + _DAY_US // 1_000_000)
            return min(after - before for before, after in pairwise(around)) * 1_000_000
        case Cron(text):
            return min(_gaps_us(text), default=None)
        case Once():
            return None


def _gaps_us(text: str) -> Iterator[int]:
    before = next_wall_time(text, _NEW_YEAR)
    for _ in range(_RUNS_COMPARED):
        after = None if before is None else next_wall_time(text, before)
        if before is None or after is None:
            return
        yield (after - before) // MICROSECOND
        if after.year > _NEW_YEAR.year:
            return
        before = after

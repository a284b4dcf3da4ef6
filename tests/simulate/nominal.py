"""When a rule of the wall clock is due, by asking a zone again and again what its clocks show.

Nothing here is taken from ``windlass.schedule``: this is what it is judged by. A day's local times are
written out one by one, and each is put where the zone's clocks first reached it; a cron that allows every
hour is due whenever its minute is shown.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

_SECOND_US = 1_000_000
_DAY = 86_400
_STEP = 3 * 3600
_BLOCK = 16 * _DAY
_FIRST_YEAR, _LAST_YEAR = 2025, 2040
_NAMES = {
    name: number
    for names in ("SUN MON TUE WED THU FRI SAT", "_ JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
    for number, name in enumerate(names.split())
}


class Span(NamedTuple):
    """From one change of a zone's clocks to the next, in seconds since the epoch."""

    begin: int
    end: int
    offset: int


@cache
def spans_of(zone: str) -> list[Span]:
    """The zone's clocks over the years that are simulated."""
    info = ZoneInfo(zone)

    def offset(second: int) -> int:
        found = datetime.fromtimestamp(second, info).utcoffset()
        assert found is not None
        return int(found.total_seconds())

    first = int(datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    last = int(datetime(_LAST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    spans: list[Span] = []
    begin, shown = first, offset(first)
    for since in range(first, last, _STEP):
        if offset(since + _STEP) != shown:
            # In these years no clocks are changed at a moment that is no whole minute.
            change = next(minute for minute in range(since, since + _STEP + 1, 60) if offset(minute) != shown)
            spans.append(Span(begin, change, shown))
            begin, shown = change, offset(change)
    return [*spans, Span(begin, last, shown)]


class Nominal:
    """The due times of one rule: a cron's text, or seconds after midnight."""

    def __init__(self, when: str | tuple[int, ...], zone: str) -> None:
        self._spans = spans_of(zone)
        self._blocks: dict[int, list[int]] = {}
        if isinstance(when, str):
            self._fields = _Fields.of(when)
        else:
            self._fields = _Fields(when, None, None, None, every_hour=False)

    def after(self, wall_us: int) -> int | None:
        """The first after that moment; None: there is none in these years."""
        block = wall_us // _SECOND_US // _BLOCK
        while (block + 1) * _BLOCK < self._spans[-1].end:
            found = self._block(block)
            place = bisect_right(found, wall_us)
            if place < len(found):
                return found[place]
            block += 1
        return None

    def passed(self, first_us: int, wall_us: int) -> list[int]:
        """Those from the first, which is one, to that moment."""
        found: list[int] = []
        for block in range(first_us // _SECOND_US // _BLOCK, wall_us // _SECOND_US // _BLOCK + 1):
            found += self._block(block)
        return found[bisect_left(found, first_us) : bisect_right(found, wall_us)]

    def _block(self, block: int) -> list[int]:
        if block not in self._blocks:
            begin, end = block * _BLOCK, (block + 1) * _BLOCK
            moments = {moment for moment in self._moments(begin, end) if begin <= moment < end}
            self._blocks[block] = [moment * _SECOND_US for moment in sorted(moments)]
        return self._blocks[block]

    def _moments(self, begin: int, end: int) -> Iterator[int]:
        near = [span for span in self._spans if span.end > begin - 9 * _DAY and span.begin < end + 9 * _DAY]
        shown = list(self._shown(begin, end))
        if not self._fields.every_hour:
            for local in shown:
                reached = (
                    max(span.begin, local - span.offset) for span in near if local - span.offset < span.end
                )
                yield min(reached)
            return
        for span in near:
            yield from (
                local - span.offset for local in shown if span.begin <= local - span.offset < span.end
            )
        for before, after in pairwise(near):
            gap_begin, gap_end = after.begin + before.offset, after.begin + after.offset
            swallowed = [local for local in shown if gap_begin <= local < gap_end]
            # What the gap swallowed is made up for where the clocks show the next one later than it was due.
            following = next((each for each in shown if each >= gap_end), None)
            if swallowed and (following is None or following - gap_end > swallowed[0] - gap_begin):
                yield after.begin

    def _shown(self, begin: int, end: int) -> Iterator[int]:
        """What clocks show when they show a due time, as seconds, on the days around."""
        for day in range(begin // _DAY - 3, end // _DAY + 4):
            if self._fields.fits(date(1970, 1, 1) + timedelta(days=day)):
                yield from (day * _DAY + second for second in self._fields.seconds)


class _Fields(NamedTuple):
    seconds: tuple[int, ...]
    """After midnight."""
    days: frozenset[int] | None
    months: frozenset[int] | None
    weekdays: frozenset[int] | None
    every_hour: bool

    @classmethod
    def of(cls, text: str) -> _Fields:
        *second, minute, hour, day, month, weekday = text.split()
        seconds = _field(second[0], 0, 59) if second else frozenset({0})
        minutes, hours = _field(minute, 0, 59), _field(hour, 0, 23)
        return cls(
            tuple(sorted(h * 3600 + m * 60 + s for h in hours for m in minutes for s in seconds)),
            None if day == "*" else _field(day, 1, 31),
            None if month == "*" else _field(month, 1, 12),
            None if weekday == "*" else _field(weekday, 0, 6),
            every_hour=len(hours) == 24,
        )

    def fits(self, day: date) -> bool:
        wanted = ((self.days, day.day), (self.months, day.month), (self.weekdays, day.isoweekday() % 7))
        return all(allowed is None or value in allowed for allowed, value in wanted)


def _field(text: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        what, _, step = part.partition("/")
        first, _, last = what.partition("-")
        begin = low if first == "*" else _number(first)
        end = high if first == "*" else _number(last or first)
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


def _number(text: str) -> int:
    return _NAMES[text] if text in _NAMES else int(text)

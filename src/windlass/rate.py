"""How often something may start: ``"50/s"``, and the arithmetic that keeps every window within it.

Starts are spaced evenly. ``due`` is when the next one is; after a start it is one spacing later. Two things
may push starts together, and the spacing has room for both: a start may come ``early`` when those before it
came late, so that no slot is lost to a slow wake-up; and it may happen up to ``late`` after it was counted,
while the job is on its way to its process. What would come later than that does not start at all, unless it
was given ``extra`` time, by which all later ones move on. So of any ``count`` + 1 starts in a row, the first
and the last are at least a whole span apart::

    count * spacing >= span + early + late + a remainder for what nobody can see

The price is that a limit of 50 a second gives 48 where there is always work.
"""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec

from windlass.duration import describe, to_us
from windlass.errors import ConfigError, InvalidJob

SHORTEST_US = 1_000_000
"""A process may be paused for long enough that nothing can be promised of a shorter window."""
LONGEST_US = 366 * 86_400_000_000
"""The longest window."""
COUNT_MOST = 100_000
"""Starts in one span at most."""
EXTRA_MOST_US = 1_000_000
"""The most extra time that a start may be given."""
_SLACK = 25
_SLACK_MOST_US = 100_000
_TEXT = re.compile(r"\s*(\d{1,9})\s*/\s*(\S.*?)\s*", re.ASCII)
_WORDS = {"second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "day": "d", "week": "w"}


class Rate(msgspec.Struct, frozen=True):
    """At most ``count`` starts in any ``per_us`` microseconds."""

    count: int
    per_us: int

    @property
    def spacing_us(self) -> int:
        """From one start to the next, where there is always work."""
        return -(-(self.per_us + self._slack_us) // self.count)

    @property
    def early_us(self) -> int:
        """So much before it is due a start may come, to make up for late ones."""
        return self._slack_us // 4

    @property
    def late_us(self) -> int:
        """So much after it was counted a start may happen."""
        return self._slack_us // 2

    @property
    def farthest_us(self) -> int:
        """How far ahead the next start can be due at most, whatever happened before."""
        return self.spacing_us + self.early_us + EXTRA_MOST_US

    @property
    def _slack_us(self) -> int:
        return min(self.per_us // _SLACK, _SLACK_MOST_US)

    def room(self, due: int, now: int, extra: int = 0) -> int:
        """How many may start now, with so much ``extra`` time for each.

        >>> Rate(50, 1_000_000).room(0, 5_000_000)
        1
        """
        # Nothing is saved up while nobody starts: the first is counted from now.
        return max((now + self.early_us - max(due, now)) // (self.spacing_us + extra) + 1, 0)

    def wait_us(self, due: int, now: int) -> int:
        """How long until one may start."""
        return max(due - self.early_us - now, 0)

    def after(self, due: int, now: int, extra: int = 0) -> int:
        """When the next one is due after one that starts at ``now``, with so much ``extra`` time to do so."""
        return max(due, now) + self.spacing_us + extra

    def __str__(self) -> str:
        told = describe(self.per_us)
        return f"{self.count}/{told[1:] if told in ('1s', '1m', '1h', '1d') else told}"


def read_rate(value: Any, *, name: str = "rate") -> Rate:
    """The rate as people write it: ``"50/s"``, ``"600/m"``, ``"5/10s"`` or ``(50, "1s")``.

    ``name`` is the parameter's name, for the error message.

    >>> str(read_rate("600/min")), str(read_rate((5, "10s")))
    ('600/m', '5/10s')

    Raises:
        InvalidJob: it cannot be understood, or nobody could keep to it.
    """
    if isinstance(value, Rate):
        return value
    count, per = _parts(value)
    if isinstance(count, bool) or not isinstance(count, int):
        raise InvalidJob(_wanted(name, value))
    try:
        per_us = to_us(per, name=name)
    except ConfigError:
        raise InvalidJob(_wanted(name, value)) from None
    if not 1 <= count <= COUNT_MOST:
        raise InvalidJob(
            f"expected {name} to allow 1 to {COUNT_MOST:,} starts, got {value!r:.80}: to start nothing, "
            "pause the queue"
        )
    if not SHORTEST_US <= per_us <= LONGEST_US:
        raise InvalidJob(
            f"expected the span of {name} to be between a second and a year, got {value!r:.80}: say 50/s "
            "rather than 5/100ms"
        )
    return Rate(count, per_us)


def _parts(value: Any) -> tuple[Any, Any]:
    if isinstance(value, str) and (parts := _TEXT.fullmatch(value)) is not None:
        per = _WORDS.get(parts[2], parts[2])
        return int(parts[1]), f"1{per}" if per[0].isalpha() else per
    if isinstance(value, tuple) and len(cast("tuple[Any, ...]", value)) == 2:
        return cast("tuple[Any, Any]", value)
    return None, None


def _wanted(name: str, value: Any) -> str:
    return (
        f'expected {name} to be a number of starts and a span, such as "50/s", "600/m" or (50, "1s"), '
        f"got {value!r:.80}"
    )

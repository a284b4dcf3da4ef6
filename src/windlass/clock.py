"""The only file that reads time.

Two clocks matter. The *wall* clock says what people mean by a date; it jumps. The *boot* clock counts
elapsed time since the machine started, also while it slept; it never jumps, and means nothing after a
reboot. A delay is kept on both, so that a jump of the wall clock neither loses nor hurries it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """Where time comes from. Tests pass a ``ManualClock``."""

    def wall_us(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z."""
        ...

    def boot_us(self) -> int:
        """Microseconds since the machine started, suspend included."""
        ...

    def boot_id(self) -> str:
        """Names this boot of this machine."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def wall_us(self) -> int:
        return time.time_ns() // 1000

    def boot_us(self) -> int:
        return _boot_ns() // 1000

    def boot_id(self) -> str:
        return _boot_id()


stopwatch_ns = time.perf_counter_ns
"""Nanoseconds on a fine clock, for measuring how long something took."""

monotonic = time.monotonic
"""Seconds on a clock for measuring waits inside one process."""


def earliest(one: float | None, other: float | None) -> float | None:
    """The earlier of two moments, either of which may be never (None)."""
    if one is None:
        return other
    return one if other is None else min(one, other)


def next_minute(now: float) -> float:
    """The next whole minute of ``monotonic``: all who only look once a minute look then, in one wake-up.

    >>> next_minute(61.5), next_minute(120.0)
    (120.0, 180.0)
    """
    return (now // 60.0 + 1.0) * 60.0


def sleep(seconds: float) -> None:
    """Pauses this thread: for retry loops at start-up and shutdown, never for work."""
    time.sleep(seconds)


def iso(wall_us: int) -> str:
    """The one spelling of a time in the contract tables: ``YYYY-MM-DDTHH:MM:SS.sssZ``.

    >>> iso(0)
    '1970-01-01T00:00:00.000Z'
    """
    seconds, micros = divmod(wall_us, 1_000_000)
    return f"{_second(seconds)}.{micros // 1000:03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def from_us(wall_us: int) -> datetime:
    """An aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=wall_us)


def to_wall_us(moment: datetime) -> int:
    """Microseconds since the epoch; a naive datetime is read as local time, as Python does."""
    return (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND


def _boot_ns() -> int:
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if clock is None else time.clock_gettime_ns(clock)


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        # Elsewhere: the moment of boot, coarse enough that reading it twice gives one answer.
        return f"boot-{(time.time_ns() - time.monotonic_ns()) // 60_000_000_000}"

"""Durations as people write them: ``"10m"``, ``"1h 30m"``, ``45``, ``timedelta(minutes=10)``."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from windlass.errors import ConfigError

Duration = str | int | float | timedelta
"""A span of time: text with units, seconds, or a ``timedelta``."""

_UNITS_US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)", re.ASCII)
_LONGEST_US = 100 * 366 * _UNITS_US["d"]


def to_us(value: Duration, *, name: str = "duration") -> int:
    """The duration in whole microseconds.

    ``name`` is the parameter's name, for the error message.

    >>> to_us("1h 30m")
    5400000000
    >>> to_us(0.25)
    250000

    Raises:
        ConfigError: not a duration, negative, not finite, or longer than a hundred years.
    """
    if isinstance(value, timedelta):
        span_us = value // timedelta(microseconds=1)
    elif isinstance(value, str):
        span_us = _parse(value, name)
    elif isinstance(value, bool) or not isinstance(value, (int, float)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f'expected {name} to be a duration such as "10m" or 30, got {value!r}')
    elif not math.isfinite(value):
        raise ConfigError(f"expected {name} to be a finite duration, got {value!r}")
    else:
        span_us = round(value * 1_000_000)
    if not 0 <= span_us <= _LONGEST_US:
        raise ConfigError(f"expected {name} to be between 0 and 100 years, got {value!r}")
    return span_us


def to_seconds(value: Duration, *, name: str = "duration") -> float:
    """The duration in seconds.

    >>> to_seconds("250ms")
    0.25
    """
    return to_us(value, name=name) / 1_000_000


def describe(span_us: int) -> str:
    """The duration as a person would say it, in its two largest units.

    >>> describe(5_400_000_000)
    '1h 30m'
    >>> describe(3_250_000)
    '3.2s'
    """
    if span_us < 999_500:  # from there on, three digits would say a thousand
        return f"{span_us / 1000:.3g}ms"
    if span_us < 60_000_000:
        return f"{span_us / 1_000_000:.2g}s" if span_us < 10_000_000 else f"{span_us // 1_000_000}s"
    parts: list[str] = []
    for unit in ("d", "h", "m", "s"):
        count, span_us = divmod(span_us, _UNITS_US[unit])
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)


def _parse(text: str, name: str) -> int:
    total_us = 0.0
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        part = _PART.match(stripped, position)
        if part is None:
            raise ConfigError(
                f'expected {name} to be a duration such as "10m", "1h 30m" or "250ms", got {text!r}'
            )
        total_us += float(part[1]) * _UNITS_US[part[2]]
        position = part.end()
    if not stripped:
        raise ConfigError(f'expected {name} to be a duration such as "10m", got an empty text')
    return round(total_us)

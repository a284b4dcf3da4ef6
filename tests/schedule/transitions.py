"""Every change of the clocks that the tz database knows, as the package ``tzdata`` has it on every machine.

The moments are read from the compiled files themselves; those that a file gives by a rule only, for the years
to come, are found by asking the zone every few days.
"""

from __future__ import annotations

import struct
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import NamedTuple

from windlass.schedule.zones import zone_named

BEGIN = int(datetime(1970, 1, 1, tzinfo=UTC).timestamp())
END = int(datetime(2038, 1, 1, tzinfo=UTC).timestamp())
DAY = 86_400
STEP = 5 * DAY  # a rule has two changes a year, and the closest there are have a week between them


class Transition(NamedTuple):
    """In seconds; ``at`` is the first second of the new offset."""

    at: int
    before: int
    after: int
    zone: str


@contextmanager
def only_tzdata() -> Iterator[None]:
    """The zones of the package, whatever the system has."""
    zoneinfo.reset_tzpath(to=())
    _forget()
    try:
        yield
    finally:
        zoneinfo.reset_tzpath()
        _forget()


def _forget() -> None:
    zoneinfo.ZoneInfo.clear_cache()
    zone_named.cache_clear()


@cache
def of_all_zones() -> tuple[Transition, ...]:
    """By time; of zones that have one file in common, the first alone."""
    files = {_file(name): name for name in sorted(zoneinfo.available_timezones(), reverse=True)}
    return tuple(sorted(each for raw, name in files.items() for each in _transitions(raw, name)))


def distinct() -> list[Transition]:
    """Those that differ in their moment or their offsets."""
    return list({each[:3]: each for each in of_all_zones()}.values())


def offset(at: int, zone: zoneinfo.ZoneInfo) -> int:
    found = datetime.fromtimestamp(at, zone).utcoffset()
    assert found is not None
    return found.days * DAY + found.seconds


def _file(name: str) -> bytes:
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def _transitions(raw: bytes, name: str) -> Iterator[Transition]:
    zone = zoneinfo.ZoneInfo(name)
    times, rule = _explicit(raw)
    moments = [at for at in times if BEGIN < at < END]
    if b"," in rule:
        moments += _by_rule(zone, max([BEGIN, *moments]))
    for at in moments:
        before, after = offset(at - 1, zone), offset(at, zone)
        if before != after:
            yield Transition(at, before, after, name)


def _explicit(raw: bytes) -> tuple[list[int], bytes]:
    """The moments in a TZif file (RFC 9636), and the rule for those after the last."""
    counts = struct.unpack_from(">4sc15x6l", raw)
    assert counts[0] == b"TZif"
    assert counts[1] >= b"2"
    utc, standard, leap, times, types, letters = counts[2:]
    second = 44 + times * 5 + types * 6 + letters + leap * 8 + standard + utc
    utc, standard, leap, times, types, letters = struct.unpack_from(">4sc15x6l", raw, second)[2:]
    footer = second + 44 + times * 9 + types * 6 + letters + leap * 12 + standard + utc
    return list(struct.unpack_from(f">{times}q", raw, second + 44)), raw[footer:]


def _by_rule(zone: zoneinfo.ZoneInfo, last: int) -> Iterator[int]:
    for low, high in pairwise(range(last, END + STEP, STEP)):
        if offset(low, zone) == offset(high, zone):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle, zone) == offset(low, zone) else (low, middle)
        if high < END:
            yield high

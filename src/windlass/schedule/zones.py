"""Local times and the moments they are.

A *wall* time is a naive ``datetime``: what the clocks of a zone show. A *moment* is an integer, microseconds
since the epoch. Which offset holds at a moment is all that is asked of ``zoneinfo``; the way back, where a
wall time may be none, one or two moments, is decided here.

It is taken for granted that a zone's clocks are not changed and changed back within six hours.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from windlass.errors import InvalidJob

MICROSECOND = timedelta(microseconds=1)
_SECOND_US = 1_000_000
_STEP_US = 6 * 3600 * _SECOND_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_WALL = datetime(1970, 1, 1)  # noqa: DTZ001  wall times are naive


@lru_cache(maxsize=64)
def zone_named(name: str) -> tzinfo:
    """The zone of that name in the tz database.

    >>> zone_named("Europe/Zurich")
    zoneinfo.ZoneInfo(key='Europe/Zurich')

    Raises:
        InvalidJob: there is none; the message names those that look alike.
    """
    if name == "UTC":
        return UTC  # also where there is no tz database
    import zoneinfo  # here: few programs have a schedule with a zone, and each would pay for it

    try:
        # Debian has more than zones in that folder: the machine's own, and copies that count leap seconds.
        if name in ("localtime", "posixrules", "Factory") or name.startswith(("right/", "posix/")):
            raise zoneinfo.ZoneInfoNotFoundError(name)
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidJob(_no_such_zone(name)) from None


def wall_at(moment_us: int, zone: tzinfo) -> datetime:
    """What the clocks show at that moment.

    >>> wall_at(0, zone_named("Asia/Tokyo"))
    datetime.datetime(1970, 1, 1, 9, 0)
    """
    return (_EPOCH + timedelta(microseconds=moment_us)).astimezone(zone).replace(tzinfo=None)


def moment_of(wall: datetime, zone: tzinfo) -> int:
    """The first moment at which the clocks show that time; where they skip it, the end of the gap.

    >>> zurich = zone_named("Europe/Zurich")
    >>> wall_at(moment_of(datetime(2026, 3, 29, 2, 30), zurich), zurich)
    datetime.datetime(2026, 3, 29, 3, 0)
    """
    first_us = _on(wall, zone, fold=0)
    if wall_at(first_us, zone) == wall:
        return first_us
    # In a gap, the offset before it leads to a moment after it, and the other way round.
    change_us = next_change(_on(wall, zone, fold=1), first_us, zone)
    return first_us if change_us is None else change_us


def reached(moment_us: int, zone: tzinfo) -> datetime:
    """The latest wall time that the clocks have shown by then; in an hour that is repeated, its end.

    >>> zurich = zone_named("Europe/Zurich")
    >>> half_past_two = moment_of(datetime(2026, 10, 25, 2, 30), zurich)
    >>> reached(half_past_two, zurich)
    datetime.datetime(2026, 10, 25, 2, 30)
    >>> reached(half_past_two + 3600 * 1_000_000, zurich)
    datetime.datetime(2026, 10, 25, 2, 59, 59, 999999)
    """
    wall = wall_at(moment_us, zone)
    change_us = next_change(_on(wall, zone, fold=0), moment_us, zone)
    return wall if change_us is None else wall_at(change_us - 1, zone)


def next_change(after_us: int, until_us: int, zone: tzinfo) -> int | None:
    """The first moment in (after, until] at which the clocks are changed, or None."""
    if after_us >= until_us:
        return None
    offset = _offset(after_us, zone)
    low_us = after_us
    while low_us < until_us:
        high_us = min(low_us + _STEP_US, until_us)
        if _offset(high_us, zone) != offset:
            break
        low_us = high_us
    else:
        return None
    low, high = low_us // _SECOND_US, -(-high_us // _SECOND_US)  # clocks are changed at whole seconds
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle * _SECOND_US, zone) == offset:
            low = middle
        else:
            high = middle
    return high * _SECOND_US


def _offset(moment_us: int, zone: tzinfo) -> timedelta | None:
    return (_EPOCH + timedelta(microseconds=moment_us)).astimezone(zone).utcoffset()


def _on(wall: datetime, zone: tzinfo, *, fold: int) -> int:
    offset = wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta(0)
    return (wall - _EPOCH_WALL - offset) // MICROSECOND


def _no_such_zone(name: str) -> str:
    import difflib
    import zoneinfo

    known = zoneinfo.available_timezones()
    if not known:
        return (
            f"there is no zone {name!r:.80}, for this machine has no tz database: install the package tzdata"
        )
    by_folded = {each.casefold(): each for each in sorted(known)}
    wanted = name.casefold()
    alike = [each for folded, each in by_folded.items() if wanted in (folded, folded.rpartition("/")[2])]
    if not alike:
        alike = [by_folded[folded] for folded in difflib.get_close_matches(wanted, by_folded, n=3)]
    hint = f": did you mean {' or '.join(alike)}?" if alike else ', expected one such as "Europe/Zurich"'
    return f"there is no zone {name!r:.80}{hint}"

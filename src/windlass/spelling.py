"""One spelling for what PostgreSQL keeps as something other than a text: ids, days and moments.

A server may tell a moment in its own time zone and an id in capitals. A column of ``TIMESTAMPTZ`` or ``UUID``
keeps what is meant and tells it in a way of its own, and so what was written would come back as another text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from windlass.change import Column

Spell = Callable[[str], str]

_UUID = re.compile(r"\{?((?:[0-9a-f]{4}-?){7}[0-9a-f]{4})\}?", re.IGNORECASE)
_CLOCK = r"(?P<clock>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<part>\d+))?\s?(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?"
_MOMENT = re.compile(rf"(?P<day>\d{{4}}-\d\d-\d\d)(?:[T ]{_CLOCK})?", re.IGNORECASE)
_TIME = re.compile(_CLOCK, re.IGNORECASE)
_DIGITS = re.compile(r"\((\d)\)")
_MOST_DIGITS = 6


def spelling_of(column: Column) -> Spell | None:
    """What makes of a text the one by which the column would tell it; None: it keeps texts as they are.

    A text that means none of the column's values stays as it is, for the table to refuse.

    >>> spelling_of(Column("at", "TIMESTAMP WITH TIME ZONE", "TEXT"))("2026-01-02T03:04:05.50+02:00")
    '2026-01-02T01:04:05.500000Z'
    >>> spelling_of(Column("at", "TIMESTAMP WITHOUT TIME ZONE", "TEXT"))("2026-01-02 03:04:05Z")
    '2026-01-02T03:04:05'
    >>> spelling_of(Column("id", "UUID", "TEXT"))("{0D9D4A3E-3B3B-4B6E-9A52-0D6F0D3F4F11}")
    '0d9d4a3e-3b3b-4b6e-9a52-0d6f0d3f4f11'
    >>> spelling_of(Column("day", "DATE", "TEXT"))("2026-01-02T00:00:00Z")
    '2026-01-02'
    """
    declared = column.declared
    if column.affinity != "TEXT":
        # SQLite has no such types: what is declared so there keeps texts, as a number's column.
        return None
    if declared == "UUID":
        return _uuid
    if declared == "DATE":
        return _day
    digits = int(found[1]) if (found := _DIGITS.search(declared)) else _MOST_DIGITS
    if declared.startswith("TIMESTAMP"):
        is_zoned = "WITH TIME" in declared
        return lambda text: _moment(text, digits, is_zoned=is_zoned)
    if declared.startswith("TIME") and "WITHOUT" in declared:
        return lambda text: _time(text, digits)
    return None


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text) or text.startswith("{") != text.endswith("}"):
        return text
    one = text.strip("{}").replace("-", "").lower()
    return f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}"


def _day(text: str) -> str:
    found = _MOMENT.fullmatch(text)
    return text if found is None or _read(found["day"], found, 0) is None else found["day"]


def _moment(text: str, digits: int, *, is_zoned: bool) -> str:
    found = _MOMENT.fullmatch(text)
    if found is None or (moment := _read(found["day"], found, digits)) is None:
        return text
    try:
        # Without a zone it is read as UTC, wherever the server stands.
        moment -= _offset(found["zone"]) if is_zoned else timedelta(0)
    except OverflowError:
        return text
    return moment.isoformat() + ("Z" if is_zoned else "")


def _time(text: str, digits: int) -> str:
    found = _TIME.fullmatch(text)
    if found is None or (moment := _read("2000-01-01", found, digits)) is None:
        return text
    if moment.day > 1:
        return "24:00:00"
    told = moment.time().isoformat()
    return told.rstrip("0") if "." in told else told


def _read(day: str, found: re.Match[str], digits: int) -> datetime | None:
    """The moment as it is written, without its zone, with so many digits of a second; None: there is none."""
    try:
        moment = datetime.fromisoformat(f"{day}T{found['clock'] or '00:00'}")
        return moment + timedelta(microseconds=_micros(found["part"] or "0", digits, is_late=day >= "2000"))
    except (ValueError, OverflowError):
        return None


def _micros(part: str, digits: int, *, is_late: bool) -> int:
    """Of a fraction of a second, rounded as PostgreSQL does: what is half-way goes away from 2000."""
    micros = round(float(f"0.{part}") * 1_000_000)
    step = 10 ** (_MOST_DIGITS - min(digits, _MOST_DIGITS))
    half = step // 2 if is_late or step == 1 else step // 2 - 1
    return (micros + half) // step * step


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta(0)
    told = zone[1:].replace(":", "")
    size = timedelta(hours=int(told[:2]), minutes=int(told[2:] or 0))
    return -size if zone[0] == "-" else size

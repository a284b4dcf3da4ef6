"""Quiet hours: from when until when nobody is to be disturbed, and in whose time."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta, tzinfo

import msgspec

_WRITTEN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})(?:\s+(\S+))?")


class QuietHours(msgspec.Struct, frozen=True):
    """A span of every day, which may go past midnight. Without a zone it is the machine's own time.

    >>> from datetime import UTC
    >>> night = QuietHours.parse("22:00-07:00 Europe/Zurich")
    >>> print(night.until(datetime(2026, 1, 1, 23, 30, tzinfo=UTC)))
    2026-01-02 07:00:00+01:00
    >>> night.until(datetime(2026, 1, 1, 12, 0, tzinfo=UTC)) is None
    True
    """

    start: time
    end: time
    zone: str | None = None

    @staticmethod
    def parse(text: str) -> QuietHours:
        """Reads ``"22:00-07:00"`` or ``"22:00-07:00 Europe/Zurich"``.

        Raises:
            ValueError: it is no such text, or names no zone; the message says what is expected.
        """
        found = _WRITTEN.fullmatch(text.strip())
        if found is None:
            raise ValueError('two times of day such as "22:00-07:00" or "22:00-07:00 Europe/Zurich"')
        first_hour, first_minute, last_hour, last_minute = (int(part) for part in found.groups()[:4])
        try:
            start, end = time(first_hour, first_minute), time(last_hour, last_minute)
        except ValueError:
            raise ValueError("two times of day from 00:00 to 23:59") from None
        if start == end:
            raise ValueError("two different times: a day that is quiet all day tells nothing")
        zone: str | None = found[5]
        if zone is not None:
            try:
                _zone(zone)
            except (KeyError, OSError, ValueError):  # unknown, a folder's name, and no name at all
                raise ValueError(f"in a time zone that is known here, which {zone} is not") from None
        return QuietHours(start, end, zone)

    def until(self, now: datetime) -> datetime | None:
        """When the quiet hours end that ``now`` (aware) is in; None where it is in none."""
        zone: tzinfo | None = None if self.zone is None else _zone(self.zone)
        here = now.astimezone(zone)
        clock = here.time()
        wraps = self.end < self.start
        quiet = (clock >= self.start or clock < self.end) if wraps else self.start <= clock < self.end
        if not quiet:
            return None
        day = here.date() + timedelta(days=1 if wraps and clock >= self.start else 0)
        ends = datetime.combine(day, self.end, zone)
        # Without a zone it is read as the machine's own time of that moment: the clocks may change meanwhile.
        return ends.astimezone() if zone is None else ends


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # here: every program imports this file, and few have quiet hours

    return ZoneInfo(name)

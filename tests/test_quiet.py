"""Quiet hours: which moments they hold, and when they end, also when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from windlass.config import load_settings
from windlass.errors import ConfigError
from windlass.quiet import QuietHours

ZURICH = ZoneInfo("Europe/Zurich")


@pytest.mark.parametrize(
    ("written", "now", "until"),
    [
        ("22:00-07:00 UTC", "2026-01-01T22:00", "2026-01-02T07:00"),
        ("22:00-07:00 UTC", "2026-01-01T21:59", None),
        ("22:00-07:00 UTC", "2026-01-02T06:59", "2026-01-02T07:00"),
        ("22:00-07:00 UTC", "2026-01-02T07:00", None),
        ("12:30-13:30 UTC", "2026-01-01T13:00", "2026-01-01T13:30"),
        ("12:30-13:30 UTC", "2026-01-01T13:30", None),
        ("00:00-06:00 UTC", "2026-01-01T00:00", "2026-01-01T06:00"),
        ("22:00 - 7:00 Asia/Tokyo", "2026-01-01T13:00", "2026-01-01T22:00"),
    ],
)
def test_a_moment_is_quiet_until_the_next_end(written: str, now: str, until: str | None) -> None:
    ends = QuietHours.parse(written).until(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert ends == (None if until is None else datetime.fromisoformat(until).replace(tzinfo=UTC))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 8), ("2026-10-24", 10), ("2026-06-01", 9)])
def test_the_night_in_which_the_clocks_change_ends_by_the_clock_on_the_wall(day: str, hours: int) -> None:
    begins = datetime.fromisoformat(f"{day}T22:00").replace(tzinfo=ZURICH)
    ends = QuietHours.parse("22:00-07:00 Europe/Zurich").until(begins)
    assert ends is not None
    assert (ends.astimezone(UTC) - begins.astimezone(UTC)).total_seconds() == hours * 3600


def test_without_a_zone_it_is_the_machines_own_time() -> None:
    here = datetime(2026, 1, 1, 23, 0).astimezone()
    assert QuietHours.parse("22:00-07:00").until(here) == datetime(2026, 1, 2, 7, 0).astimezone()


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("22-7", "two times of day such as"),
        ("25:00-07:00", "two times of day from 00:00 to 23:59"),
        ("07:00-07:00", "two different times"),
        ("22:00-07:00 Europe/Atlantis", "which Europe/Atlantis is not"),
        ("22:00-07:00 ../../etc/passwd", "in a time zone that is known here"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_is_set(written: str, why: str) -> None:
    with pytest.raises(ConfigError, match=f"expected notify_quiet to be .*{why}"):
        load_settings({"notify_quiet": written}, env={}, cwd="/nowhere")

"""Zones whose clocks are changed in uncommon ways, and the ways in which schedulers of others went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.schedule.transitions import only_tzdata
from windlass.errors import InvalidJob
from windlass.schedule import Cron, Daily, Rule, between
from windlass.schedule.zones import zone_named

FAR_US = 253_000_000_000_000_000


@pytest.fixture(autouse=True)
def tzdata() -> Iterator[None]:
    with only_tzdata():
        yield


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def runs(rule: Rule, after: str, count: int) -> list[str]:
    """The next ones, in UTC."""
    found = islice(between(rule, us(after), FAR_US), count)
    return [datetime.fromtimestamp(each / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S") for each in found]


@pytest.mark.parametrize(
    ("zone", "cron", "after", "expected"),
    [
        # Half an hour is skipped: 02:00 never comes, and 03:00 is too far to stand in for it.
        ("Australia/Lord_Howe", "0 * * * *", "2026-10-03 14:00",
         ["2026-10-03 14:30:00", "2026-10-03 15:30:00", "2026-10-03 16:00:00"]),
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-03 14:00",
         ["2026-10-03 15:30:00", "2026-10-04 15:15:00"]),
        # … and repeated: 01:45 is named once, and each hour has one.
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-04 14:00",
         ["2026-04-04 14:45:00", "2026-04-05 15:15:00"]),
        ("Australia/Lord_Howe", "*/15 * * * *", "2026-04-04 14:30",
         ["2026-04-04 14:45:00", "2026-04-04 15:00:00", "2026-04-04 15:15:00", "2026-04-04 15:30:00"]),
        ("Pacific/Chatham", "0 3 * * *", "2026-09-26 00:00", ["2026-09-26 14:00:00", "2026-09-27 13:15:00"]),
        # The half hours beside a skipped one are an hour apart: there is nothing to be made up for.
        ("Europe/Zurich", "30 * * * *", "2026-03-29 00:00",
         ["2026-03-29 00:30:00", "2026-03-29 01:30:00", "2026-03-29 02:30:00"]),
        # Two hours.
        ("Antarctica/Troll", "30 1,2 * * *", "2026-03-29 00:00",
         ["2026-03-29 01:00:00", "2026-03-29 23:30:00"]),
        ("Antarctica/Troll", "0 2 * * *", "2026-10-24 12:00", ["2026-10-25 00:00:00", "2026-10-26 02:00:00"]),
        ("Antarctica/Troll", "0 * * * *", "2026-10-24 23:30",
         ["2026-10-25 00:00:00", "2026-10-25 01:00:00", "2026-10-25 02:00:00", "2026-10-25 03:00:00"]),
        # A whole day that never was.
        ("Pacific/Apia", "0 12 * * *", "2011-12-29 00:00",
         ["2011-12-29 22:00:00", "2011-12-30 10:00:00", "2011-12-30 22:00:00"]),
        ("Pacific/Apia", "0 * 30 12 *", "2011-06-01 00:00", ["2011-12-30 10:00:00", "2012-12-29 10:00:00"]),
        ("Pacific/Apia", "0 */6 30 12 *", "2011-06-01 00:00", ["2011-12-30 10:00:00", "2012-12-29 10:00:00"]),
        # Winter is the exception in Ireland's law: less than nothing is saved.
        ("Europe/Dublin", "30 1 * * *", "2026-03-28 12:00", ["2026-03-29 01:00:00", "2026-03-30 00:30:00"]),
        ("Europe/Dublin", "30 1 * * *", "2026-10-24 12:00", ["2026-10-25 00:30:00", "2026-10-26 01:30:00"]),
        # Out of summer time for Ramadan.
        ("Africa/Casablanca", "30 2 * * *", "2026-02-14 12:00",
         ["2026-02-15 01:30:00", "2026-02-16 02:30:00"]),
        ("Africa/Casablanca", "30 2 * * *", "2026-03-21 12:00",
         ["2026-03-22 02:00:00", "2026-03-23 01:30:00"]),
        # An offset of 44 minutes and 30 seconds, until 1972.
        ("Africa/Monrovia", "30 0 7 1 *", "1971-06-01 00:00", ["1972-01-07 00:44:30", "1973-01-07 00:30:00"]),
        ("Africa/Monrovia", "30 0 * * *", "1972-01-05 12:00", ["1972-01-06 01:14:30", "1972-01-07 00:44:30"]),
        ("UTC", "0 0 29 2 *", "2026-01-01 00:00", ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]),
        # Across 2100, which is no leap year: the longest wait that a calendar knows.
        ("UTC", "0 0 * 2 MON#5", "2073-01-01 00:00", ["2112-02-29 00:00:00"]),
    ],
)  # fmt: skip
def test_in_zones_with_uncommon_changes(zone: str, cron: str, after: str, expected: list[str]) -> None:
    assert runs(Cron(cron, zone), after, len(expected)) == expected


def test_several_times_in_one_gap_are_one_run() -> None:
    times = Daily((2 * 3600, 2 * 3600 + 1800, 2 * 3600 + 3599, 3 * 3600), "Europe/Zurich")
    expected = ["2026-03-29 01:00:00", "2026-03-30 00:00:00"]
    assert runs(times, "2026-03-28 12:00", 2) == expected


def test_who_begins_in_a_repeated_hour_does_not_get_what_was_due_in_it_before() -> None:
    assert runs(Cron("30 2 * * *", "Europe/Zurich"), "2026-10-25 01:10", 1) == ["2026-10-26 01:30:00"]
    assert runs(Daily((9000,), "Europe/Zurich"), "2026-10-25 01:10", 1) == ["2026-10-26 01:30:00"]
    assert runs(Cron("30 * * * *", "Europe/Zurich"), "2026-10-25 01:10", 1) == ["2026-10-25 01:30:00"]


@given(
    st.sampled_from(["*/5 * * * *", "0 9-17 * * MON-FRI", "*/20 1-3 * * *", "7 * 29 2 *", "15 0 L * *"]),
    st.sampled_from(["Europe/Dublin", "Australia/Lord_Howe", "Pacific/Apia", "Antarctica/Troll"]),
    st.integers(0, us("2037-01-01")), st.integers(0, 40 * 86_400_000_000),
)  # fmt: skip
def test_what_comes_next_is_to_come_and_nothing_is_before_it(
    cron: str, zone: str, now: int, later: int
) -> None:
    rule = Cron(cron, zone)
    following = rule.next_after(0, now)
    assert following is not None
    assert following > now
    assert rule.next_after(0, following - 1) == following
    after = rule.next_after(0, now + later)
    assert after is not None
    assert after >= following
    assert (after == following) == (now + later < following)


def test_seconds_fields_letters_and_the_last_friday_are_understood() -> None:
    assert runs(Cron("30 0 12 * * fri", "UTC"), "2026-11-21", 1) == ["2026-11-27 12:00:30"]
    assert runs(Cron("0 12 * * 5L", "UTC"), "2026-11-21", 2) == ["2026-11-27 12:00:00", "2026-12-25 12:00:00"]
    assert runs(Cron("0 12 * * MON#1", "UTC"), "2026-11-21", 1) == ["2026-12-07 12:00:00"]
    assert runs(Cron("0 12 L * *", "UTC"), "2026-11-21", 1) == ["2026-11-30 12:00:00"]


def test_a_rule_ends_with_the_calendar_and_does_not_break() -> None:
    end_us = us("9999-12-31 23:59:00")
    for rule in (Cron("0 0 1 1 *", "UTC"), Cron("* * * * *", "Asia/Tokyo"), Daily((0,), "UTC")):
        assert rule.next_after(end_us, end_us) is None


# ── peers ────────────────────────────────────────────────────────────────────────────────────────


def test_half_past_each_hour_goes_on_after_the_repeated_hour() -> None:
    """APScheduler #1021: an endless loop, the same moment told again and again."""
    at = datetime(2017, 10, 29, 3, 45, tzinfo=ZoneInfo("Europe/Helsinki"), fold=1).astimezone(UTC)
    assert runs(Cron("30 * * * *", "Europe/Helsinki"), at.strftime("%Y-%m-%d %H:%M"), 3) == [
        "2017-10-29 02:30:00", "2017-10-29 03:30:00", "2017-10-29 04:30:00",
    ]  # fmt: skip


def test_a_local_time_that_does_not_exist_is_never_told() -> None:
    """APScheduler #1059: 02:00 on the day whose clocks skip it, a ghost."""
    rule = Cron("0 2 * * *", "US/Eastern")
    assert runs(rule, "2013-03-10 00:00", 2) == ["2013-03-10 07:00:00", "2013-03-11 06:00:00"]


@pytest.mark.parametrize("change", ["2025-03-09 10:00", "2025-11-02 09:00"])
def test_every_seven_seconds_goes_on_over_a_change_of_the_clocks(change: str) -> None:
    """APScheduler #1036: after the change nothing runs any more."""
    rule, change_us = Cron("*/7 * * * * *", "America/Los_Angeles"), us(change)
    found = list(between(rule, change_us - 60_000_000, change_us + 60_000_000))
    steps = [after - before for before, after in pairwise(found)]
    assert len(found) == 18
    assert set(steps) == {7_000_000, 4_000_000}


def test_each_hour_runs_in_the_repeated_hour_too() -> None:
    """Celery #10107: an hour is left out when the clocks are set back."""
    assert runs(Cron("0 * * * *", "US/Pacific"), "2026-11-01 07:30", 3) == [
        "2026-11-01 08:00:00", "2026-11-01 09:00:00", "2026-11-01 10:00:00",
    ]  # fmt: skip


# ── names ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Zürich", "did you mean Europe/Zurich"),
        ("zurich", "did you mean Europe/Zurich?"),
        ("europe/zurich", "did you mean Europe/Zurich?"),
        ("CET-1CEST", 'expected one such as "Europe/Zurich"'),
        ("", 'expected one such as "Europe/Zurich"'),
        ("../../etc/passwd", "there is no zone"),
        ("/etc/localtime", "there is no zone"),
        ("right/Europe/Zurich", "there is no zone"),
        ("Europe", "there is no zone"),
        ("Europe/Zurich\0", "there is no zone"),
    ],
)
def test_an_unknown_zone_names_those_that_look_alike(name: str, hint: str) -> None:
    with pytest.raises(InvalidJob, match="there is no zone") as error:
        zone_named(name)
    assert hint in str(error.value)


def test_without_a_tz_database_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.available_timezones", set[str])
    with pytest.raises(InvalidJob, match="install the package tzdata"):
        zone_named("Mars/Olympus")
    assert zone_named("UTC") is UTC

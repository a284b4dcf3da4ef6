"""What a calendar tells of schedules: days on which clocks are changed, kept runs, and missed ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.scheduled import ZURICH, Program, running_program
from windlass import InvalidJob
from windlass.schedule import Daily, parse
from windlass.schedule.daylight import clock_changes, clock_note
from windlass.schedule.zones import zone_named
from windlass.schedules import Day, DayOfSchedule
from windlass.testing import drain


@pytest.fixture
def program(database_url: str) -> Iterator[Program]:
    with running_program(database_url) as made:
        yield made


def clocks(day: Day) -> list[str]:
    return [f"{time.at.astimezone(ZURICH):%H:%M}" for told in day.schedules for time in told.times]


# ── days ───────────────────────────────────────────────────────────────────────────────────────────
def test_the_day_that_skips_an_hour_has_23_and_says_what_becomes_of_half_past_two(program: Program) -> None:
    program.set_clock("2026-03-28 12:00")
    program.add(at=["02:30", "12:30"], tz="Europe/Zurich")
    today, tomorrow, after = program.app.schedules.calendar(3, tz="Europe/Zurich")
    assert [clocks(day) for day in (today, tomorrow, after)] == [
        ["12:30"], ["03:00", "12:30"], ["02:30", "12:30"]
    ]  # fmt: skip
    assert tomorrow.ends_at - tomorrow.begins_at == timedelta(hours=23)
    (change,) = tomorrow.changes
    assert (f"{change.before:%H:%M}", f"{change.after:%H:%M}", change.shift) == (
        "02:00", "03:00", timedelta(hours=1)
    )  # fmt: skip
    notes = [time.note for time in tomorrow.schedules[0].times]
    assert notes == ["02:30 is skipped, as the clocks go from 02:00 to 03:00: it runs at 03:00", None]


def test_the_day_that_repeats_an_hour_has_25(program: Program) -> None:
    program.set_clock("2026-10-24 12:00")
    program.add(at="02:30", tz="Europe/Zurich")
    _, tomorrow = program.app.schedules.calendar(2, tz="Europe/Zurich")
    assert tomorrow.ends_at - tomorrow.begins_at == timedelta(hours=25)
    (time,) = tomorrow.schedules[0].times
    assert f"{time.at.astimezone(ZURICH):%H:%M %Z}" == "02:30 CEST"
    assert time.note == "02:30 comes twice, as the clocks are set back: it runs the first time only"


def test_days_are_those_of_the_zone_that_is_asked_for(program: Program) -> None:
    program.set_clock("2026-06-01 12:00")
    program.add(at="23:30", tz="Europe/Zurich")
    here = program.app.schedules.calendar(2, tz="Europe/Zurich")
    there = program.app.schedules.calendar(2, tz="Asia/Tokyo")
    assert [len(day.schedules) for day in here] == [1, 1]
    assert [len(day.schedules) for day in there] == [0, 1]
    with pytest.raises(InvalidJob, match="there is no zone"):
        program.app.schedules.calendar(tz="Mars/Base")


@pytest.mark.parametrize(("hours", "each"), [(1, 24), (6, 4)], ids=["hourly", "six-hourly"])
def test_spans_are_told_on_each_day_as_they_will_be_made(program: Program, hours: int, each: int) -> None:
    program.set_clock("2026-06-01 00:00")
    program.add(every=timedelta(hours=hours), initial_delay="30m")
    days = program.app.schedules.calendar(3, tz="Europe/Zurich")
    told = [time.at for day in days for time in day.schedules[0].times]
    assert [day.schedules[0].count for day in days] == [each] * 3
    assert told[0] == program.at("2026-06-01 00:30")
    assert {after - before for before, after in pairwise(told)} == {timedelta(hours=hours)}


def test_a_dense_schedule_is_told_as_such_and_never_counted_to_the_end(program: Program) -> None:
    program.set_clock("2026-06-01 00:00")
    program.add(cron="* * * * *", tz="Europe/Zurich")
    (told,) = program.app.schedules.calendar(1, tz="Europe/Zurich")[0].schedules
    assert isinstance(told, DayOfSchedule)
    assert (told.count, told.more, len(told.times)) == (24, True, 24)


def test_one_that_is_paused_is_in_no_calendar_but_its_own(program: Program) -> None:
    program.add(every="1h")
    program.app.schedules.pause("it")
    assert not any(day.schedules for day in program.app.schedules.calendar(2))
    assert any(day.schedules for day in program.app.schedules.calendar(2, name="it"))
    with pytest.raises(InvalidJob, match="no schedule"):
        program.app.schedules.calendar(name="another")


@pytest.mark.parametrize(
    ("cron", "note"),
    [
        ("30 2 * * *", "02:30 comes twice, as the clocks are set back: it runs the first time only"),
        ("*/30 * * * *", "02:30 comes twice, as the clocks are set back, and both count"),
    ],
    ids=["an hour", "no hour"],
)
def test_a_cron_that_names_no_hour_says_so_of_both(cron: str, note: str) -> None:
    rule = parse(cron=cron, tz="Europe/Zurich", local_zone=lambda: "UTC")
    first_us = 1_792_888_200_000_000  # 02:30 on 2026-10-25, the first time
    assert clock_note(rule, first_us) == note
    assert clock_note(rule, first_us - 3600 * 1_000_000) is None


def test_a_zone_that_changes_nothing_has_nothing_to_say() -> None:
    utc = zone_named("UTC")
    assert list(clock_changes(0, 10**15, utc)) == []
    assert clock_note(Daily((9000,), "UTC"), 9000 * 1_000_000) is None


# ── runs and what was missed ───────────────────────────────────────────────────────────────────────
def test_the_runs_of_a_schedule_are_its_own_and_newest_first(program: Program) -> None:
    program.add(every="1h")
    program.app.schedules.add("other", job="tick", every="20m")
    program.go_on(timedelta(hours=5))
    program.app.enqueue("tick")
    drain(program.app)
    runs = program.app.schedules.runs("it", 4)
    assert [job.meta["schedule"] for job in runs] == ["it"] * 4
    assert [job.id for job in runs] == sorted((job.id for job in runs), reverse=True)
    assert len(program.app.schedules.runs("it", 100)) == 6


def test_times_that_nobody_served_are_missed(program: Program) -> None:
    program.set_clock("2026-06-01 07:00")
    program.add(at="07:30", tz="Europe/Zurich")
    program.go_on(timedelta(hours=30), step=timedelta(hours=1))
    program.clock.advance(timedelta(days=3))
    drain(program.app)
    missed = program.app.schedules.missed("it")
    assert missed.since == program.at("2026-06-01 07:30")
    # One run stands for the three days: that of the newest.
    assert [time.at for time in missed.times] == [
        program.at("2026-06-04 07:30"), program.at("2026-06-03 07:30")
    ]  # fmt: skip
    assert not missed.more


def test_spans_that_nobody_served_are_missed_and_one_by_hand_serves_none(program: Program) -> None:
    program.add(every="1h")
    program.go_on(timedelta(hours=3))
    program.clock.advance(timedelta(hours=4, minutes=10))
    program.app.schedules.run_now("it")
    drain(program.app)
    program.go_on(timedelta(hours=2))
    missed = program.app.schedules.missed("it")
    assert len(missed.times) == 3
    gaps = {before.at - after.at for before, after in pairwise(missed.times)}
    assert gaps == {timedelta(hours=1)}


def test_of_many_missed_ones_the_newest_are_told(program: Program) -> None:
    program.set_clock("2026-06-01 07:00")
    program.add(cron="*/10 * * * *", tz="Europe/Zurich")
    program.go_on(timedelta(hours=1))
    program.clock.advance(timedelta(days=2))
    drain(program.app)
    missed = program.app.schedules.missed("it")
    assert (len(missed.times), missed.more) == (100, True)
    assert missed.times[0].at == program.at("2026-06-03 07:50")


def test_where_no_run_is_kept_nobody_can_tell(program: Program) -> None:
    program.add(every="1h")
    missed = program.app.schedules.missed("it")
    assert (missed.since, missed.times) == (None, ())

"""Schedules through a whole app: zones, missed runs, clocks that are set, restarts, changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.scheduled import Program, running_program, shown
from windlass.store.timetable import Instant
from windlass.testing import drain
from windlass.worker.periodic import Periodic


@pytest.fixture
def program(database_url: str) -> Iterator[Program]:
    with running_program(database_url) as made:
        yield made


# ── when clocks are changed ────────────────────────────────────────────────────────────────────────
def test_a_time_that_the_clocks_skip_runs_once_at_the_end_of_the_gap(program: Program) -> None:
    """S3; APScheduler #1059, Celery #10107 (a day without its run, or a ghost run)."""
    program.set_clock("2026-03-28 00:00")
    program.add(at="02:30", tz="Europe/Zurich")
    program.go_on(timedelta(days=3))
    assert program.due() == ["28. 02:30 CET", "29. 03:00 CEST", "30. 02:30 CEST"]


def test_a_time_that_comes_twice_runs_once(program: Program) -> None:
    """S3; APScheduler #1021 (a loop in the repeated hour), #1036 (a second run)."""
    program.set_clock("2026-10-24 00:00")
    program.add(cron="30 2 * * *", tz="Europe/Zurich")
    program.go_on(timedelta(days=3))
    assert program.due() == ["24. 02:30 CEST", "25. 02:30 CEST", "26. 02:30 CET"]


def test_what_runs_every_half_hour_does_so_through_both_changes(program: Program) -> None:
    """Celery #10107 (a stall for the length of the repeated hour)."""
    for day in ("2026-03-29", "2026-10-25"):
        program.set_clock(f"{day} 00:05")
        program.app.schedules.add(day, job="tick", cron="*/30 * * * *", tz="Europe/Zurich")
        before = len(program.jobs())
        program.go_on(timedelta(hours=6))
        assert len(program.jobs()) - before == 12
        program.app.schedules.remove(day)


def test_zones_of_their_own_in_one_database(program: Program) -> None:
    program.clock.jump(datetime(2026, 6, 1, tzinfo=UTC))
    for zone in ("Asia/Tokyo", "Europe/Zurich", "America/New_York"):
        program.app.schedules.add(zone, job="tick", at="09:00", tz=zone)
    program.go_on(timedelta(hours=23, minutes=50))
    made = [(job.meta["schedule"], job.meta["due"][11:16]) for job in program.jobs()]
    assert made == [("Asia/Tokyo", "00:00"), ("Europe/Zurich", "07:00"), ("America/New_York", "13:00")]


# ── clocks that are set, suspends, restarts ────────────────────────────────────────────────────────
def test_a_clock_set_ahead_makes_what_it_jumped_over_missed(program: Program) -> None:
    """S4."""
    program.set_clock("2026-06-01 08:00")
    program.add(at="07:30", tz="Europe/Zurich")
    program.set_clock("2026-08-30 08:00")
    program.go_on(timedelta(days=1))
    assert program.due() == ["30. 07:30 CEST", "31. 07:30 CEST"]


def test_a_clock_set_back_repeats_nothing(program: Program) -> None:
    """S4."""
    program.set_clock("2026-06-01 07:00")
    program.add(at="07:30", tz="Europe/Zurich")
    program.go_on(timedelta(hours=1))
    program.clock.jump(program.clock.now - timedelta(days=90))
    program.go_on(timedelta(days=2), step=timedelta(hours=1))
    assert program.due() == ["01. 07:30 CEST"]
    program.clock.jump(program.clock.now + timedelta(days=90))
    program.go_on(timedelta(minutes=10))
    assert program.due() == ["01. 07:30 CEST", "03. 07:30 CEST"]
    assert shown(program).next_at == program.at("2026-06-04 07:30")


@pytest.mark.parametrize(
    ("missed", "due"),
    [
        ("latest", ["01. 01:00 CEST", "01. 09:00 CEST", "01. 10:00 CEST"]),
        ("skip", ["01. 01:00 CEST", "01. 10:00 CEST"]),
        ("all", [f"01. {hour:02d}:00 CEST" for hour in range(1, 11)]),
    ],
)
@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("rule", [{"cron": "0 * * * *", "tz": "Europe/Zurich"}, {"every": "1h"}])
def test_a_night_of_sleep_by_each_policy(
    program: Program, missed: str, due: list[str], overlap: bool, rule: dict[str, Any]
) -> None:
    """S2; DBOS #803 (replays every tick after sleep), schedule #370."""
    program.set_clock("2026-06-01 00:00")
    program.add(missed=missed, overlap=overlap, initial_delay="1h", **rule)
    program.go_on(timedelta(hours=1))
    program.clock.advance("8h10m")  # suspend: both clocks go on, nobody looks
    program.go_on(timedelta(minutes=50))
    assert program.due() == due


def test_the_newest_missed_ones_come_in_one_commit_where_they_may_overlap(program: Program) -> None:
    program.add(every="1h", missed="all", missed_most=3, overlap=True)
    program.clock.advance("9h30m")
    program.source.look()
    assert [job.meta["due"][11:16] for job in program.jobs()] == ["07:00", "08:00", "09:00"]
    assert {job.unique for job in program.jobs()} == {None}


def test_missed_ones_that_must_not_overlap_come_one_after_another(program: Program) -> None:
    """workmanager #456 (overlapping runs)."""
    program.add(every="1h", missed="all")
    program.clock.advance("2h30m")
    for count in (1, 2, 3):
        program.source.look()
        program.source.look()
        assert len(program.jobs()) == count
        assert program.source.job_keys == ({"tick"} if count < 3 else frozenset())
        program.app.jobs.cancel(program.jobs()[-1].id)
    program.source.look()
    assert [job.meta["due"][11:16] for job in program.jobs()] == ["00:00", "01:00", "02:00"]


@pytest.mark.parametrize("days", [0, 90, -90])
def test_a_restart_of_the_machine_leaves_wall_times_alone(program: Program, days: int) -> None:
    program.set_clock("2026-06-01 07:00")
    program.add(at="07:30", tz="Europe/Zurich")
    program.go_on(timedelta(hours=1))
    program.clock.reboot()
    program.clock.jump(program.clock.now + timedelta(days=days))
    program.go_on(timedelta(hours=1))
    assert len(program.jobs()) == (2 if days > 0 else 1)


def test_many_programs_and_a_cron_make_one_job_for_each_time(program: Program) -> None:
    """S1; APScheduler #231 #655 #959 (N workers, N runs); background_fetch #248 (sent twice)."""
    program.add(cron="* * * * *", overlap=True)
    sources = [Periodic(program.start().store) for _ in range(4)]
    for _ in range(5):
        program.clock.advance("1m")
        for source in sources:
            source.look()
    assert len(program.jobs()) == len({job.meta["due"] for job in program.jobs()}) == 5


# ── once, and from the end of a run ────────────────────────────────────────────────────────────────
def test_once_is_once_also_when_each_start_adds_it_again(program: Program) -> None:
    moment = program.clock.now + timedelta(hours=1)
    for _ in range(3):
        program.add(at=moment)
        program.go_on(timedelta(hours=1))
    assert [job.meta["due"] for job in program.jobs()] == ["2026-01-01T01:00:00.000Z"]
    assert shown(program).next_at is None
    program.add(at=moment + timedelta(days=1))
    program.go_on(timedelta(days=1), step=timedelta(hours=1))
    assert len(program.jobs()) == 2


def test_a_moment_that_has_passed_goes_by_the_policy(program: Program) -> None:
    past = program.clock.now - timedelta(days=1)
    program.app.schedules.add("late", job="tick", at=past)
    program.app.schedules.add("never", job="tick", at=past, missed="skip")
    program.go_on(timedelta(0))
    assert [job.meta["schedule"] for job in program.jobs()] == ["late"]


def test_a_fixed_delay_counts_from_the_end_of_the_run(program: Program) -> None:
    program.add(every="10m", fixed="delay")
    took = iter(["3m", "25m", "0s"])
    ran: list[timedelta] = []
    begun = program.clock.now

    def slow() -> None:
        ran.append(program.clock.now - begun)
        program.clock.advance(next(took))

    program.app.job("slow")(slow)
    program.app.schedules.update("it", job="slow")
    for _ in range(60):
        drain(program.app)
        if len(ran) == 3:
            break
        program.clock.advance("1m")
    assert [span // timedelta(minutes=1) for span in ran] == [0, 13, 48]


@pytest.mark.parametrize("days", [90, -90])
def test_a_fixed_delay_is_not_put_off_by_a_clock_that_is_set(program: Program, days: int) -> None:
    program.add(every="10m", fixed="delay")
    program.go_on(timedelta(minutes=5), step=timedelta(minutes=5))
    program.clock.jump(program.clock.now + timedelta(days=days))
    program.go_on(timedelta(minutes=5), step=timedelta(minutes=5))
    assert len(program.jobs()) == 2


# ── flex ───────────────────────────────────────────────────────────────────────────────────────────
def test_flex_lets_several_share_one_wake_up(program: Program) -> None:
    """workmanager #594: what is allowed is what was asked for, and it is shown."""
    for name, delay, flex in (
        ("a", "100ms", "5s"),
        ("b", "150ms", "80ms"),
        ("c", "200ms", "1s"),
        ("d", "9s", "0s"),
    ):
        program.app.schedules.add(name, job="tick", every="1h", initial_delay=delay, flex=flex, overlap=True)
    wait_s = program.source.look()
    assert wait_s is not None
    assert 0 < wait_s <= 0.23
    program.clock.advance("230ms")
    program.source.look()
    assert [job.meta["schedule"] for job in program.jobs()] == ["a", "b", "c"]
    schedule = program.app.schedules.get("a")
    assert schedule is not None
    assert schedule.flex == timedelta(seconds=5)


def test_the_wait_is_bounded_by_the_strictest_of_those_that_wait(program: Program) -> None:
    store = program.app.store
    program.app.schedules.add("far", job="tick", every="2h", initial_delay="1h", flex="1h")
    for number in range(300):
        program.app.schedules.add(
            f"n{number}", job="tick", every="2h", initial_delay=timedelta(hours=1, seconds=number), flex="1h"
        )
    wait_us = store.next_schedule_us(Instant.now(program.clock))
    assert wait_us is not None
    # So many are due by then that one wake-up is well spent.
    assert 3600 <= wait_us / 1_000_000 <= 3600 + 300

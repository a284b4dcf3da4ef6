"""Schedules through a whole app: zones, missed runs, clocks that are set, restarts, changes."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from windlass import Constraints, InvalidJob, JobStatus, RegistrationError, Windlass
from windlass.job import Job
from windlass.store.timetable import Instant
from windlass.testing import ManualClock, drain
from windlass.worker.periodic import Periodic

ZURICH = ZoneInfo("Europe/Zurich")


class Program:
    """An app, its manual clock, and the source that a dispatcher would ask."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock()
        self.path = path
        self.app = self.start()
        self.source = Periodic(self.app.store, self.clock)

    def start(self) -> Windlass:
        """The program once more, as after a restart of it."""
        app = Windlass(self.path, clock=self.clock)
        app.job("tick")(lambda: None)
        return app

    def add(self, **options: Any) -> None:
        self.app.schedules.add("it", job="tick", **options)

    def at(self, text: str, zone: ZoneInfo = ZURICH) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=zone)

    def set_clock(self, text: str) -> None:
        self.clock.jump(self.at(text))

    def go_on(self, span: timedelta, *, step: timedelta = timedelta(minutes=10)) -> None:
        """Lets time pass while somebody runs jobs."""
        drain(self.app)
        for _ in range(span // step):
            self.clock.advance(step)
            drain(self.app)

    def jobs(self) -> list[Job]:
        return self.app.jobs.list(key="tick", order="id", limit=10_000)

    def due(self, zone: ZoneInfo = ZURICH) -> list[str]:
        """When each job was due, as the clocks of the zone show it."""
        times = [datetime.fromisoformat(job.meta["due"]) for job in self.jobs()]
        return [time.astimezone(zone).strftime("%d. %H:%M %Z") for time in times]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path / "app.db")
    yield made
    made.app.close()


def shown(program: Program) -> Any:
    schedule = program.app.schedules.get("it")
    assert schedule is not None
    return schedule


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
    sources = [Periodic(program.start().store, program.clock) for _ in range(4)]
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


# ── what a person does ─────────────────────────────────────────────────────────────────────────────
def test_what_was_due_while_it_was_paused_is_not_made_up_for(program: Program) -> None:
    program.set_clock("2026-06-01 07:00")
    program.add(at="07:30", tz="Europe/Zurich", missed="all")
    program.app.schedules.pause("it")
    program.go_on(timedelta(days=3), step=timedelta(hours=6))
    program.app.schedules.resume("it")
    program.go_on(timedelta(days=1), step=timedelta(hours=1))
    assert program.due() == ["04. 07:30 CEST"]


def test_adding_it_again_keeps_what_it_waits_for(program: Program) -> None:
    program.set_clock("2026-06-01 07:00")
    program.add(at="07:30", tz="Europe/Zurich")
    program.clock.advance("1h")  # missed, and then the program starts
    for _ in range(3):
        app = program.start()
        app.schedules.add("it", job="tick", at="07:30", tz="Europe/Zurich")
        drain(app)
        app.close()
    assert program.due() == ["01. 07:30 CEST"]


def test_another_rule_goes_on_after_what_has_run(program: Program) -> None:
    """workmanager #622 (KEEP kept the old frequency in silence)."""
    program.set_clock("2026-06-01 07:00")
    program.add(at="07:30", tz="Europe/Zurich")
    program.go_on(timedelta(hours=1))
    program.add(at="07:40", tz="Europe/Zurich")
    assert shown(program).next_at == program.at("2026-06-02 07:40")
    program.add(cron="0 9 * * *", tz="Europe/Zurich")
    assert shown(program).next_at == program.at("2026-06-01 09:00")
    program.add(every="15m")
    program.go_on(timedelta(minutes=20))
    assert program.due() == ["01. 07:30 CEST", "01. 08:00 CEST", "01. 08:15 CEST"]


def test_an_update_changes_what_is_given_and_nothing_else(program: Program) -> None:
    app = program.app
    app.job("other")(lambda n=0: n)
    program.set_clock("2026-06-01 07:00")
    program.add(
        at=["07:30", "19:00"], tz="Europe/Zurich", flex="1m", missed="all", queue="slow", timeout="5s"
    )
    assert (
        app.schedules.update("it", job="other", payload={"n": 3}).rule == "at 07:30 and 19:00 Europe/Zurich"
    )
    assert app.schedules.update("it", tz="Asia/Tokyo").rule == "at 07:30 and 19:00 Asia/Tokyo"
    assert app.schedules.update("it", at="08:00", overlap=True).rule == "at 08:00 Asia/Tokyo"
    assert app.schedules.update("it", cron="0 3 * * MON").rule == "cron 0 3 * * MON (Asia/Tokyo)"
    changed = app.schedules.update("it", every="2h", constraints=Constraints(charging=True))
    assert (changed.rule, changed.tz, changed.every) == ("every 2 hours", None, timedelta(hours=2))
    assert (changed.key, changed.payload, changed.missed) == ("other", {"n": 3}, "all")
    assert (changed.flex, changed.overlap) == (timedelta(minutes=1), True)
    assert changed.constraints == Constraints(charging=True)
    job = app.schedules.run_now("it")
    assert (job.queue, job.timeout_s, job.constraints) == ("slow", 5.0, Constraints(charging=True))


def test_an_update_is_checked_as_a_new_schedule_is(program: Program) -> None:
    program.add(every="1h", flex="30m")
    for changes, why in (
        ({"every": "10m"}, "expected flex to be shorter than"),
        ({"evry": "10m"}, "a schedule has no option evry: expected every"),
        ({"every": "1h", "cron": "* * * * *"}, "expected one of every, cron and at"),
        ({"payload": {"begin": 1}}, "tick has no payload field"),
        ({"constraints": "charging"}, "expected constraints to be Constraints"),
    ):
        with pytest.raises(InvalidJob, match=why):
            program.app.schedules.update("it", **changes)  # type: ignore[arg-type]
    assert shown(program).rule == "every hour"


def test_the_next_times_are_told(program: Program) -> None:
    schedules = program.app.schedules
    program.set_clock("2026-10-23 12:00")
    program.add(at="02:30", tz="Europe/Zurich")
    assert [at.astimezone(ZURICH).strftime("%d. %H:%M %Z") for at in schedules.next("it", 3)] == [
        "24. 02:30 CEST", "25. 02:30 CEST", "26. 02:30 CET",
    ]  # fmt: skip
    program.add(at=program.at("2026-12-24 17:00"))
    assert schedules.next("it") == (program.at("2026-12-24 17:00"),)
    program.add(every="1h")
    assert schedules.next("it", 2) == (program.clock.now, program.clock.now + timedelta(hours=1))
    with pytest.raises(InvalidJob, match="expected n to be"):
        schedules.next("it", 0)


def test_async_callers_have_the_same(program: Program) -> None:
    schedules = program.app.schedules

    async def use() -> Any:
        await schedules.aadd("it", job="tick", every="1h")
        await schedules.apause("it")
        await schedules.aresume("it")
        await schedules.aupdate("it", every="2h")
        job = await schedules.arun_now("it")
        listed, got = await schedules.alist(), await schedules.aget("it")
        times = await schedules.anext("it", 1)
        return listed == [got], job.created, len(times), await schedules.aremove("it")

    assert asyncio.run(use()) == (True, True, 1, True)


def test_a_periodic_function_has_a_schedule_of_any_kind(program: Program) -> None:
    app = program.app

    @app.periodic(
        cron="0 3 * * *", tz="Europe/Zurich", flex="10m", missed="skip", max_attempts=7, title="Clean up",
        constraints=Constraints(charging=True),
    )  # fmt: skip
    def clean() -> None: ...

    app.make_sources()[0].look()
    (schedule,) = app.schedules.list()
    assert (schedule.rule, schedule.missed) == ("cron 0 3 * * * (Europe/Zurich)", "skip")
    assert (schedule.tz, schedule.constraints) == ("Europe/Zurich", Constraints(charging=True))
    assert app.schedules.run_now("clean").max_attempts == 7
    handler = app.registry.get_own("clean")
    assert handler is not None
    assert handler.options.title == "Clean up"


def test_the_handlers_constraints_are_those_of_its_schedule_unless_it_has_its_own(program: Program) -> None:
    program.app.job("heavy", constraints=Constraints(charging=True))(lambda: None)
    own = program.app.schedules.add("a", job="heavy", every="1h")
    other = program.app.schedules.add("b", job="heavy", every="1h", constraints=Constraints(idle=True))
    assert own.constraints == Constraints(charging=True)
    assert other.constraints == Constraints(idle=True)


# ── what cannot be right ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "expected one of every, cron and at, got none of them"),
        ({"cron": "0 0 30 2 *", "tz": "UTC"}, "an expression that can come true"),
        ({"cron": "* * *", "tz": "UTC"}, "expected cron to have 5 fields"),
        ({"at": "25:00", "tz": "UTC"}, "expected at to be times of day"),
        (
            {"at": "07:30", "tz": "Europe/Zurch"},
            "there is no zone 'Europe/Zurch': did you mean Europe/Zurich",
        ),
        ({"every": "1h", "flex": "1h"}, "expected flex to be shorter than the 1h between two runs"),
        ({"every": "1h", "missed": "some"}, 'expected missed to be "latest", "skip" or "all"'),
        ({"every": "1h", "missed_most": 0}, "expected missed_most"),
        ({"every": "1h", "tz": "UTC"}, "every follows elapsed time"),
        ({"every": "1h", "timeout": 0}, "expected timeout to be longer than nothing"),
        ({"every": "1h", "queue": "a b"}, "expected queue to be"),
        ({"evry": "1h"}, "a schedule has no option evry"),
    ],
)
def test_what_cannot_be_a_schedule_is_refused(program: Program, options: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidJob, match=why):
        program.add(**options)
    with pytest.raises(RegistrationError, match=f"the schedule 'x': .*{why}"):
        program.app.schedules.declare("x", job="tick", **options)
    assert program.app.schedules.list() == []


def test_a_schedule_of_a_newer_windlass_is_kept_shown_and_makes_nothing(
    program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    program.add(every="1h")
    with sqlite3.connect(program.path) as other:
        other.execute("""UPDATE windlass_schedules SET spec = '{"version":9,"moon":"full"}'""")
    other.close()
    with caplog.at_level(logging.ERROR, logger="windlass.worker"):
        for _ in range(3):
            program.clock.advance("1h")
            program.source.look()
    assert caplog.text.count("it was written by a newer Windlass (with moon)") == 1
    assert program.jobs() == []
    assert (shown(program).rule, shown(program).problem) == (
        "?", "it was written by a newer Windlass (with moon): upgrade this one",
    )  # fmt: skip
    with pytest.raises(InvalidJob, match="the schedule 'it' cannot be read: it was written by a newer"):
        program.app.schedules.run_now("it")
    program.add(every="1h")  # the program that wants it may say it anew
    program.source.look()
    assert len(program.jobs()) == 1


def test_a_job_that_no_program_knows_waits_and_its_schedule_stays(program: Program) -> None:
    """APScheduler #341 (unloadable jobs deleted)."""
    program.app.schedules.add("it", job="elsewhere", every="1h")
    drain(program.app)
    (job,) = program.app.jobs.list(key="elsewhere")
    assert job.status is JobStatus.PENDING
    assert shown(program).last_job_id == job.id


def test_a_row_by_another_program_needs_no_boot_clock(program: Program) -> None:
    with sqlite3.connect(program.path) as other:
        other.execute(
            "INSERT INTO windlass_schedules (name, job_key, spec, next_at) VALUES ('it', 'tick', ?, ?)",
            ('{"every":3600000000}', program.clock.wall_us() + 1_800_000_000),
        )
    other.close()
    program.go_on(timedelta(hours=2))
    assert [job.meta["due"][11:16] for job in program.jobs()] == ["00:30", "01:30"]


def test_nobody_pays_for_cron_and_zones_before_such_a_schedule_is_met(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from windlass import Windlass\n"
        "from windlass.testing import drain\n"
        "app = Windlass(sys.argv[1])\n"
        "app.periodic('it', every='1h')(lambda: None)\n"
        "import windlass.worker.dispatcher\n"
        "app.schedules.add('more', job='it', every='2h')\n"
        "app.make_sources()[0].look()\n"
        "print([name for name in ('cronsim', 'zoneinfo') if name in sys.modules])\n"
        "app.schedules.add('wall', job='it', cron='* * * * *', tz='Europe/Zurich')\n"
        "print([name for name in ('cronsim', 'zoneinfo') if name in sys.modules])\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "app.db")], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n['cronsim', 'zoneinfo']\n"

"""Schedules that people change, pause and ask, and what cannot be one, or not be read."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import outsider
from tests.scheduled import ZURICH, Program, running_program, shown
from windlass import Constraints, InvalidJob, JobStatus, RegistrationError
from windlass.testing import drain


@pytest.fixture
def program(database_url: str) -> Iterator[Program]:
    with running_program(database_url) as made:
        yield made


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
    outsider.run(program.url, """UPDATE windlass_schedules SET spec = '{"version":9,"moon":"full"}'""")
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
    outsider.run(
        program.url,
        "INSERT INTO windlass_schedules (name, job_key, spec, next_at) VALUES ('it', 'tick', ?, ?)",
        '{"every":3600000000}',
        program.clock.wall_us() + 1_800_000_000,
    )
    program.go_on(timedelta(hours=2))
    assert [job.meta["due"][11:16] for job in program.jobs()] == ["00:30", "01:30"]


@pytest.mark.sqlite  # psycopg brings zones along
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
        [sys.executable, "-c", code, tmp_path / "app.db"], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n['cronsim', 'zoneinfo']\n"

"""Schedules that stay: added again at each start, paused, changed, refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests import outsider
from tests.hourly import Program, hourly, pass_hours, running_program, tick
from windlass import InvalidJob, JobStatus, RegistrationError, Windlass
from windlass.testing import drain
from windlass.worker.periodic import Periodic


@pytest.fixture
def program(database_url: str) -> Iterator[Program]:
    with running_program(database_url) as made:
        yield made


# ── at each start ──────────────────────────────────────────────────────────────────────────────────
def test_adding_it_again_at_each_start_keeps_its_phase(program: Program) -> None:
    """The origin's timers began anew with each start: what starts often never ran."""
    hourly(program)
    drain(program.app)
    for _ in range(10):
        pass_hours(program, 0.25)
        app = program.start()
        hourly(program, app)
        app.close()
    assert program.elapsed() == [0, 1, 2]


def test_another_span_counts_from_the_last_due_time(program: Program) -> None:
    hourly(program)
    drain(program.app)
    pass_hours(program, 0.25)
    hourly(program, every="2h")
    pass_hours(program, 4)
    assert program.elapsed() == [0, 2, 4]


def test_a_shorter_span_that_is_over_runs_at_once(program: Program) -> None:
    hourly(program, every="24h")
    drain(program.app)
    pass_hours(program, 5)
    hourly(program, every="1h")
    drain(program.app)
    pass_hours(program, 1)
    assert program.elapsed() == [0, 5, 6]


def test_a_changed_payload_is_that_of_the_next_run(program: Program) -> None:
    hourly(program)
    drain(program.app)
    hourly(program, payload=None)
    pass_hours(program, 1)
    assert [job.payload for job in program.made()] == [{"start": program.begun}, None]


def test_a_declared_schedule_is_added_when_jobs_are_run(program: Program) -> None:
    app = program.app

    @app.periodic(every="1h", queue="slow", priority=3, max_attempts=7, tags=["t"])
    def clean() -> None: ...

    app.schedules.declare("sync:notes", job="tick", payload={"start": 1}, every="30s", initial_delay="10s")
    assert app.schedules.list() == []
    assert [job.key for job in drain(app)] == ["clean"]
    assert [schedule.name for schedule in app.schedules.list()] == ["clean", "sync:notes"]
    (job,) = app.jobs.list(key="clean")
    assert (job.queue, job.priority, job.max_attempts, job.tags) == ("slow", 3, 7, ("t",))
    assert drain(app) == []


def test_an_embedded_dispatcher_runs_what_is_declared(database_url: str) -> None:
    app = Windlass(database_url)

    @app.periodic(every="100ms")
    def beat() -> None: ...

    with app.running(threads=1), app.jobs.watch(key="beat", status="COMPLETED") as changes:
        ids = {changes.next().id for _ in range(3)}  # type: ignore[union-attr]
    assert len(ids) == 3
    app.close()


def test_an_embedded_dispatcher_keeps_to_the_clock_on_the_wall(database_url: str) -> None:
    app = Windlass(database_url)

    @app.periodic(cron="* * * * * *", tz="Europe/Zurich", overlap=True)
    def second() -> None: ...

    @app.periodic(at=datetime.now(UTC) - timedelta(seconds=1))
    def once() -> None: ...

    with app.running(threads=1), app.jobs.watch(key="second", status="COMPLETED") as changes:
        due = [changes.next().meta["due"] for _ in range(3)]  # type: ignore[union-attr]
    assert due == sorted(set(due))
    assert all(text.endswith(".000Z") for text in due)
    assert len(app.jobs.list(key="once")) == 1
    app.close()


# ── what a person does ─────────────────────────────────────────────────────────────────────────────
def test_a_paused_schedule_makes_nothing_and_goes_on_in_its_old_rhythm(program: Program) -> None:
    hourly(program)
    drain(program.app)
    assert program.app.schedules.pause("hourly").paused
    pass_hours(program, 5.5)
    assert not program.app.schedules.resume("hourly").paused
    pass_hours(program, 1.5)
    assert program.elapsed() == [0, 6, 7]


def test_a_schedule_paused_over_a_restart_of_the_machine_goes_on(program: Program) -> None:
    hourly(program)
    drain(program.app)
    program.app.schedules.pause("hourly")
    program.clock.advance("90m")
    program.clock.reboot()
    program.app.schedules.resume("hourly")
    drain(program.app)
    assert len(program.made()) == 1
    pass_hours(program, 0.5)
    assert len(program.made()) == 2


def test_adding_it_again_does_not_resume_what_a_person_paused(program: Program) -> None:
    hourly(program)
    program.app.schedules.pause("hourly")
    hourly(program, every="2h")
    drain(program.app)
    assert program.made() == []


def test_run_now_is_a_run_beside_the_rhythm_and_never_a_second_one(program: Program) -> None:
    hourly(program)
    drain(program.app)
    job, again = program.app.schedules.run_now("hourly"), program.app.schedules.run_now("hourly")
    assert (job.created, again.created, again.id) == (True, False, job.id)
    drain(program.app)
    pass_hours(program, 1)
    assert program.elapsed() == [0, 0, 1]


def test_a_removed_schedule_makes_no_more_jobs(program: Program) -> None:
    hourly(program)
    drain(program.app)
    assert program.app.schedules.remove("hourly")
    assert not program.app.schedules.remove("hourly")
    pass_hours(program, 2)
    assert program.elapsed() == [0]
    assert program.app.schedules.get("hourly") is None


def test_a_schedule_is_shown_as_it_stands(program: Program) -> None:
    hourly(program)
    drain(program.app)
    (schedule,) = program.app.schedules.list()
    assert (schedule.name, schedule.key, schedule.every) == ("hourly", "tick", timedelta(hours=1))
    assert (schedule.payload, schedule.paused) == ({"start": program.begun}, False)
    assert (schedule.last_at, schedule.next_at) == (
        program.clock.now,
        program.clock.now + timedelta(hours=1),
    )
    assert isinstance(schedule.last_at, datetime)
    assert program.app.jobs.get(schedule.last_job_id or 0) is not None


# ── what cannot be right ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"every": 0}, "expected every to be at least 100ms, got 0"),
        ({"every": "soon"}, "expected every to be a duration"),
        ({"initial_delay": -1}, "expected initial_delay to be between 0 and 100 years"),
        ({"job": "a b"}, "expected job key to be 1 to 128 letters"),
        ({"payload": {"begin": 1}}, "tick has no payload field"),
    ],
)
def test_what_cannot_be_a_schedule_is_refused(program: Program, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidJob, match=why):
        hourly(program, **changes)
    assert program.app.schedules.list() == []


def test_a_name_that_is_none_is_refused(program: Program) -> None:
    with pytest.raises(InvalidJob, match="expected the name of a schedule to be 1 to 128 letters"):
        program.app.schedules.add("a b", job="tick", every="1h")
    with pytest.raises(InvalidJob, match="there is no schedule 'nothing'"):
        program.app.schedules.pause("nothing")


def test_a_declaration_that_cannot_work_is_found_before_jobs_are_run(program: Program) -> None:
    app = program.app
    with pytest.raises(RegistrationError, match="the schedule 'bad': expected every to be at least"):
        app.periodic("bad", every=0)(tick)
    app.periodic("good", every="1h")(tick)
    with pytest.raises(RegistrationError, match="there are two schedules called 'good'"):
        app.schedules.declare("good", job="tick", every="1h")

    @app.periodic(every="1h")
    def needs(what: str) -> None: ...

    with pytest.raises(RegistrationError, match=r"the schedule 'needs': payload\.what is missing"):
        app.make_sources()


def test_a_row_that_cannot_be_read_is_told_once_and_stops_no_other(
    program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    hourly(program)
    outsider.run(
        program.url,
        "INSERT INTO windlass_schedules (name, job_key, spec, next_at, next_at_boot, boot_id) "
        "SELECT 'broken', 'tick', '{}', next_at, next_at_boot, boot_id FROM windlass_schedules",
    )
    source = Periodic(program.app.store)
    with caplog.at_level(logging.ERROR, logger="windlass.worker"):
        source.look()
        source.look()
    assert len(program.made()) == 1
    assert caplog.text.count("the schedule broken makes no jobs") == 1
    assert program.made()[0].status is JobStatus.PENDING

"""Schedules: one job for each due time, whatever the clocks do and however many look."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from windlass import InvalidJob, JobStatus, RegistrationError, Windlass
from windlass.job import Job
from windlass.store.timetable import Instant
from windlass.testing import ManualClock, drain
from windlass.worker.periodic import Periodic


class Program:
    """An app with a manual clock, and what a dispatcher's source of it makes."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock()
        self.path = path
        self.app = self.start()
        self.begun = self.clock.boot_us()

    def start(self) -> Windlass:
        """The program once more, as after a restart of it."""
        app = Windlass(self.path, clock=self.clock)
        app.job("tick")(tick)
        return app

    def look(self, app: Windlass | None = None) -> float | None:
        (source,) = (app or self.app).make_sources()
        return source.look()

    def made(self) -> list[Job]:
        return self.app.jobs.list(key="tick", order="id", limit=10_000)

    def elapsed(self) -> list[float]:
        """When each run came, in hours since the beginning."""
        return [job.result / 3_600_000_000 for job in self.made() if job.result is not None]


def tick(start: int = 0) -> int:
    return program_now() - start


def program_now() -> int:
    return CLOCKS[-1].boot_us()


CLOCKS: list[ManualClock] = []


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path / "app.db")
    CLOCKS.append(made.clock)
    yield made
    made.app.close()
    CLOCKS.clear()


def hourly(program: Program, app: Windlass | None = None, **changes: Any) -> None:
    options = {"job": "tick", "payload": {"start": program.begun}, "every": "1h", **changes}
    (app or program.app).schedules.add("hourly", **options)


def pass_hours(program: Program, hours: float, step_h: float = 0.25) -> None:
    for _ in range(round(hours / step_h)):
        program.clock.advance(timedelta(hours=step_h))
        drain(program.app)


# ── when ───────────────────────────────────────────────────────────────────────────────────────────
def test_the_first_run_is_at_once_and_each_next_one_span_later(program: Program) -> None:
    hourly(program)
    drain(program.app)
    pass_hours(program, 3)
    assert program.elapsed() == [0, 1, 2, 3]


def test_an_initial_delay_puts_off_the_first_run_alone(program: Program) -> None:
    hourly(program, initial_delay="3h")
    pass_hours(program, 5)
    assert program.elapsed() == [3, 4, 5]


def test_late_runs_do_not_drift(program: Program) -> None:
    """APScheduler, Celery beat: a tick that comes late makes all later ones later."""
    hourly(program)
    drain(program.app)
    pass_hours(program, 10, step_h=0.7)
    assert [round(at, 1) for at in program.elapsed()] == [0, 1.4, 2.1, 3.5, 4.2, 5.6, 6.3, 7.0, 8.4, 9.1]


def test_what_was_missed_is_one_run_and_the_phase_is_kept(program: Program) -> None:
    """S2, `latest`; schedule #370 (a storm of runs after a suspend)."""
    hourly(program)
    drain(program.app)
    pass_hours(program, 7.5, step_h=7.5)
    pass_hours(program, 1.5)
    assert program.elapsed() == [0, 7.5, 8, 9]


@pytest.mark.parametrize("days", [90, -90])
def test_a_jump_of_the_wall_clock_neither_loses_nor_multiplies_runs(program: Program, days: int) -> None:
    """S4."""
    hourly(program)
    drain(program.app)
    pass_hours(program, 1.5)
    program.clock.jump(program.clock.now + timedelta(days=days))
    drain(program.app)
    pass_hours(program, 2)
    assert program.elapsed() == [0, 1, 2, 3]
    schedule = program.app.schedules.get("hourly")
    assert schedule is not None
    assert schedule.next_at == program.clock.now + timedelta(minutes=30)


@pytest.mark.parametrize("days", [0, 90, -90])
def test_a_restart_of_the_machine_makes_at_most_one_run_and_puts_off_none(
    program: Program, days: int
) -> None:
    """The boot clock begins anew, and the wall clock may have been set meanwhile."""
    hourly(program)
    drain(program.app)
    pass_hours(program, 0.5)
    program.clock.reboot()
    program.clock.jump(program.clock.now + timedelta(days=days))
    drain(program.app)
    before = len(program.made())
    assert before == (2 if days > 0 else 1)
    pass_hours(program, 5, step_h=0.25)
    assert len(program.made()) - before == 5


def test_a_run_knows_its_schedule_and_when_it_was_due(program: Program) -> None:
    hourly(program)
    drain(program.app)
    pass_hours(program, 1.25, step_h=1.25)
    assert [job.meta for job in program.made()] == [
        {"schedule": "hourly", "due": "2026-01-01T00:00:00.000Z"},
        {"schedule": "hourly", "due": "2026-01-01T01:00:00.000Z"},
    ]


# ── one for each time ──────────────────────────────────────────────────────────────────────────────
def test_many_programs_that_look_make_one_job_for_each_time(program: Program) -> None:
    """S1; APScheduler #231 #655 #959 (N workers, N runs)."""
    others = [program.start() for _ in range(3)]
    hourly(program)
    for _ in range(4):
        for app in (program.app, *others):
            program.look(app)
        drain(program.app)
        program.clock.advance("1h")
    assert len(program.made()) == 4
    for app in others:
        app.close()


def test_two_that_found_it_due_at_the_same_moment_make_one_job(program: Program) -> None:
    hourly(program)
    store = program.app.store
    rows = store.due_schedules(Instant.now(program.clock))
    source = Periodic(store, program.clock)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "due_schedules", lambda now: rows)
        source.look()
        drain(program.app)
        source.look()
    assert len(program.made()) == 1


def test_a_schedule_does_not_overlap_with_itself_and_runs_when_its_job_is_over(program: Program) -> None:
    """schedule #99: overlapping runs."""
    hourly(program)
    source = Periodic(program.app.store, program.clock)
    source.look()
    (first,) = program.made()
    program.clock.advance("3h")
    source.look()
    assert len(program.made()) == 1
    assert source.job_keys == {"tick"}
    program.app.jobs.cancel(first.id)
    source.look()
    assert [job.meta["due"][11:16] for job in program.made()] == ["00:00", "03:00"]
    assert source.job_keys == frozenset()
    schedule = program.app.schedules.get("hourly")
    assert schedule is not None
    assert (schedule.next_at, schedule.last_job_id) == (
        program.clock.now + timedelta(hours=1),
        program.made()[1].id,
    )


class Ticking(ManualClock):
    """A clock that goes on by itself, a little with each look at it."""

    step_us = 0

    def boot_us(self) -> int:
        self._boot_us += self.step_us
        self._wall_us += self.step_us
        return super().boot_us()


@pytest.mark.parametrize("early_us", range(0, 60, 5))
def test_what_comes_due_while_a_source_looks_is_not_passed_over(tmp_path: Path, early_us: int) -> None:
    clock = Ticking()
    app = Windlass(tmp_path / "app.db", clock=clock)
    try:
        app.schedules.add("often", job="tick", every="1s", initial_delay="1s")
        clock._boot_us += 1_000_000 - early_us
        clock.step_us = 10
        source = Periodic(app.store, clock)
        assert source.look() is not None or app.jobs.list()
        clock.step_us = 0
        clock.advance("10ms")
        source.look()
        assert len(app.jobs.list()) == 1
    finally:
        app.close()


def test_very_many_at_the_same_moment_leave_the_dispatcher_time_for_its_jobs(program: Program) -> None:
    for number in range(120):
        program.app.schedules.add(f"s{number}", job="tick", every="1h")
    source, counts = Periodic(program.app.store, program.clock), [0]
    while source.look() == 0.0:
        counts.append(len(program.made()))
    counts.append(len(program.made()))
    assert counts == [0, 50, 100, 120]


def test_a_job_that_comes_up_while_a_source_looks_is_waited_for(program: Program) -> None:
    hourly(program)
    store, source = program.app.store, Periodic(program.app.store, program.clock)
    rows = store.due_schedules(Instant.now(program.clock))
    program.app.schedules.run_now("hourly")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "due_schedules", lambda now: rows)
        assert source.look() is not None
    assert source.job_keys == {"tick"}


def test_a_source_says_when_it_wants_to_be_asked_again(program: Program) -> None:
    assert program.look() is None
    hourly(program, initial_delay="300ms")
    wait_s = program.look()
    assert wait_s is not None
    assert 0 < wait_s <= 0.3
    program.clock.advance("300ms")
    wait_s = program.look()
    assert wait_s is not None
    assert 0 < wait_s <= 60


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


def test_an_embedded_dispatcher_runs_what_is_declared(tmp_path: Path) -> None:
    app = Windlass(tmp_path / "app.db")

    @app.periodic(every="100ms")
    def beat() -> None: ...

    with app.running(threads=1), app.jobs.watch(key="beat", status="COMPLETED") as changes:
        ids = {changes.next().id for _ in range(3)}  # type: ignore[union-attr]
    assert len(ids) == 3
    app.close()


def test_an_embedded_dispatcher_keeps_to_the_clock_on_the_wall(tmp_path: Path) -> None:
    app = Windlass(tmp_path / "app.db")

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
    with sqlite3.connect(program.path) as other:
        other.execute(
            "INSERT INTO windlass_schedules (name, job_key, spec, next_at, next_at_boot, boot_id) "
            "SELECT 'broken', 'tick', '{}', next_at, next_at_boot, boot_id FROM windlass_schedules"
        )
    other.close()
    source = Periodic(program.app.store, program.clock)
    with caplog.at_level(logging.ERROR, logger="windlass.worker"):
        source.look()
        source.look()
    assert len(program.made()) == 1
    assert caplog.text.count("the schedule broken makes no jobs") == 1
    assert program.made()[0].status is JobStatus.PENDING

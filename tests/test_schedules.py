"""Schedules: one job for each due time, whatever the clocks do and however many look."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.hourly import Program, hourly, pass_hours, running_program
from windlass import Windlass
from windlass.store.timetable import Instant
from windlass.testing import ManualClock, drain
from windlass.worker.periodic import Periodic


@pytest.fixture
def program(database_url: str) -> Iterator[Program]:
    with running_program(database_url) as made:
        yield made


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


@pytest.mark.parametrize("missed", ["latest", "all"])
@pytest.mark.parametrize("days", [90, -90])
def test_a_clock_that_was_set_before_a_restart_of_the_machine_makes_no_time_pass(
    program: Program, days: int, missed: str
) -> None:
    """S4: what was set was seen while the boot clock still told the truth."""
    hourly(program, missed=missed, overlap=True)
    drain(program.app)
    pass_hours(program, 1.5)
    program.clock.jump(program.clock.now + timedelta(days=days))
    drain(program.app)
    program.clock.reboot()
    counts: list[int] = []
    for _ in range(6):
        drain(program.app)
        counts.append(len(program.made()))
        pass_hours(program, 0.25)
    # It has run at 0 and 1 hours; half an hour is left to the second, and an hour more to the third.
    assert counts == [2, 2, 3, 3, 3, 3]
    assert len(program.made()) == 4


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
    source = Periodic(store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "due_schedules", lambda now: rows)
        source.look()
        drain(program.app)
        source.look()
    assert len(program.made()) == 1


def test_a_schedule_does_not_overlap_with_itself_and_runs_when_its_job_is_over(program: Program) -> None:
    """schedule #99: overlapping runs."""
    hourly(program)
    source = Periodic(program.app.store)
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
def test_what_comes_due_while_a_source_looks_is_not_passed_over(database_url: str, early_us: int) -> None:
    clock = Ticking()
    app = Windlass(database_url, clock=clock)
    try:
        app.schedules.add("often", job="tick", every="1s", initial_delay="1s")
        clock._boot_us += 1_000_000 - early_us
        clock.step_us = 10
        source = Periodic(app.store)
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
    source, counts = Periodic(program.app.store), [0]
    while source.look() == 0.0:
        counts.append(len(program.made()))
    counts.append(len(program.made()))
    assert counts == [0, 50, 100, 120]


def test_a_job_that_comes_up_while_a_source_looks_is_waited_for(program: Program) -> None:
    hourly(program)
    store, source = program.app.store, Periodic(program.app.store)
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

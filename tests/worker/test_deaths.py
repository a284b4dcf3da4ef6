"""Dispatchers that die, freeze or are killed with all they have: J1, J5, J6."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.service.waiting import gone, until
from tests.worker.rig import ROOT, Rig
from windlass import JobStatus
from windlass.clock import SystemClock, monotonic
from windlass.testing import ManualClock

COMPLETED, PENDING, RUNNING = JobStatus.COMPLETED, JobStatus.PENDING, JobStatus.RUNNING


class DispatcherProcess:
    """A dispatcher in a process of its own, with its isolates."""

    def __init__(self, rig: Rig, module: str = "handlers", isolates: int = 1, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.worker.apps.dispatching", module, str(isolates)],
            cwd=ROOT, stdout=subprocess.PIPE, env=os.environ | environment,
        )  # fmt: skip
        self.pid = self._process.pid
        assert self._process.stdout is not None
        for _ in range(isolates):
            self.isolates: list[int] = self.hear()
        # One for suspects may have been made meanwhile, and may even be ready before the last of the others.
        assert len(self.isolates) >= isolates

    def hear(self) -> list[int]:
        """What it says next on its stdout."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    @property
    def everything(self) -> list[int]:
        return [self.pid, *self.isolates]

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        return self._process.wait(20)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        until(lambda: all(gone(pid) for pid in self.everything))


@pytest.fixture
def processes(rig: Rig) -> Iterator[list[DispatcherProcess]]:
    made: list[DispatcherProcess] = []
    yield made
    for process in made:
        process.close()


def start(processes: list[DispatcherProcess], rig: Rig, **options: object) -> DispatcherProcess:
    processes.append(DispatcherProcess(rig, **options))  # type: ignore[arg-type]
    return processes[-1]


# ── kill -9 ────────────────────────────────────────────────────────────────────────────────────────
def test_a_killed_dispatcher_leaves_no_orphan_and_its_jobs_run_again_at_once(
    rig: Rig, processes: list[DispatcherProcess]
):
    """J1, J6, RQ #2061 (stuck between pop and start), procrastinate #1518 (an orphan behind a reused id)."""
    first = start(processes, rig, isolates=2)
    started = rig.enqueue("gated", name="started")
    rig.begun("started")
    rig.enqueue_many("gated", [{"name": "g"}] * 5)
    first.signal(signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in first.everything))
    assert rig.status(started) == RUNNING  # as the table has it; nobody lives to say otherwise
    start(processes, rig, isolates=2)
    rig.begun("started", times=2)
    rig.open("started")
    rig.open("g")
    [job] = rig.ended(started)
    assert (job.status, job.attempts, job.crashes) == (COMPLETED, 1, 0)
    assert job.result not in first.everything  # on one of the second's, maybe made for suspects
    # The death of a dispatcher spends no attempt, and what had started runs alone once.
    assert rig.outcomes(started) == ["lost"]
    until(lambda: rig.jobs.counts()[COMPLETED] == 6)
    assert rig.rows("SELECT DISTINCT attempts FROM background_service_jobs") == [(1,)]
    [(owner,)] = rig.rows("SELECT id FROM windlass_dispatchers")
    assert owner == 2
    assert len(list((rig.app.state_dir / "dispatchers").glob("*.lock"))) == 1


@pytest.mark.hintless
def test_a_group_killed_at_once_loses_nothing(rig: Rig, processes: list[DispatcherProcess]):
    first = start(processes, rig, module="faults", isolates=2)
    ids = rig.enqueue_many("innocent", [{"name": f"{n}"} for n in range(300)])
    until(lambda: rig.jobs.counts()[COMPLETED] > 20)
    for pid in first.everything:
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in first.everything))
    start(processes, rig, module="faults", isolates=2)
    jobs = rig.ended(*ids)
    assert {(job.status, job.attempts) for job in jobs} == {(COMPLETED, 1)}
    assert {entry["name"] for entry in rig.diary("start")} == {f"{n}" for n in range(300)}


@pytest.mark.hintless
def test_jobs_of_a_killed_dispatcher_go_to_one_that_is_already_there(
    rig: Rig, processes: list[DispatcherProcess]
):
    first = start(processes, rig)
    job_id = rig.enqueue("gated", name="g")
    rig.begun("g")
    start(processes, rig)
    first.signal(signal.SIGKILL)
    rig.begun("g", times=2)
    rig.open("g")
    assert rig.ended(job_id)[0].attempts == 1


def test_an_isolate_that_holds_the_gil_dies_with_its_dispatcher(rig: Rig, processes: list[DispatcherProcess]):
    first = start(processes, rig, module="faults")
    rig.enqueue("holding_the_gil", seconds=60, name="holder")
    rig.begun("holder")
    first.signal(signal.SIGKILL)
    until(lambda: all(gone(pid) for pid in first.everything))


# ── freezing ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.hintless
def test_a_frozen_dispatchers_jobs_run_elsewhere_and_its_late_results_are_fenced_off(
    rig: Rig, processes: list[DispatcherProcess]
):
    """SIGSTOP past the lease, then SIGCONT; to the observer 35 seconds pass at once."""
    frozen = start(processes, rig)
    job_id = rig.enqueue("gated_apart", name="g")
    first = rig.begun("g")
    frozen.signal(signal.SIGSTOP)
    try:
        clock = clock_ahead_by(0)
        crew = rig.crew(clock=clock)
        crew.on_its_thread(lambda: crew.dispatcher._upkeep.reclaim(monotonic()))
        assert rig.status(job_id) == RUNNING  # its pulse is fresh: it may be slow, and is left alone
        clock.advance("36s")
        second = rig.begun("g", times=2)
        assert second in crew.isolates()
    finally:
        frozen.signal(signal.SIGCONT)
    # It wakes, hears its own isolate's result, and must not settle the attempt of the other with it.
    rig.open(f"g-{first}")
    until(lambda: [entry["pid"] for entry in rig.diary("end", "g")] == [first])
    rig.queues.pause("default")
    rig.enqueue("quick", options={"queue": "apart"})
    until(lambda: rig.jobs.counts()[COMPLETED] == 1)
    assert rig.status(job_id) == RUNNING
    rig.open(f"g-{second}")
    [job] = rig.ended(job_id)
    assert (job.status, job.result, job.attempts) == (COMPLETED, second, 1)
    assert rig.outcomes(job_id) == ["lost"]


def clock_ahead_by(seconds: float) -> ManualClock:
    """A clock that stands where the machine's does, and is moved by hand."""
    system = SystemClock()
    clock = ManualClock()
    clock._boot_us = system.boot_us() + round(seconds * 1_000_000)
    clock._wall_us = system.wall_us()
    clock.boot_id = system.boot_id  # type: ignore[method-assign]
    return clock


# ── D1 ─────────────────────────────────────────────────────────────────────────────────────────────
def test_sigterm_drains_and_leaves_nothing_behind(rig: Rig, processes: list[DispatcherProcess]):
    process = start(processes, rig, isolates=2)
    running = rig.enqueue("gated", name="running")
    rig.begun("running")
    process.signal(signal.SIGTERM)
    assert process.hear() == []
    waiting = rig.enqueue("quick")
    rig.open("running")
    assert process.wait() == 0
    assert rig.status(running) == COMPLETED
    assert rig.status(waiting) == PENDING
    assert all(gone(pid) for pid in process.everything)
    assert rig.rows("SELECT count(*) FROM windlass_dispatchers") == [(0,)]


def test_a_handler_that_ignores_sigterm_is_released_at_the_end_of_the_grace(
    rig: Rig, processes: list[DispatcherProcess]
):
    process = start(processes, rig, TEST_GRACE_S="0.5")
    job_id = rig.enqueue("stubborn", name="s")
    rig.begun("s")
    os.kill(process.isolates[0], signal.SIGTERM)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    job = rig.job(job_id)
    assert (job.status, job.attempts, rig.outcomes(job_id)) == (PENDING, 0, [])
    assert all(gone(pid) for pid in process.everything)


def test_a_second_sigterm_exits_now(rig: Rig, processes: list[DispatcherProcess]):
    process = start(processes, rig)
    job_id = rig.enqueue("stubborn", name="s")
    rig.begun("s")
    process.signal(signal.SIGTERM)
    assert process.hear() == []
    process.signal(signal.SIGTERM)
    assert process.wait() == 0  # of a grace of thirty seconds
    assert (rig.status(job_id), rig.job(job_id).attempts) == (PENDING, 0)
    assert all(gone(pid) for pid in process.everything)


def test_a_grandchild_goes_when_the_service_stops(rig: Rig, processes: list[DispatcherProcess]):
    process = start(processes, rig, module="faults", TEST_GRACE_S="0.3")
    rig.enqueue("leaving_a_grandchild", name="g", options={"timeout": "1h"})
    [entry] = until(lambda: rig.diary("grandchild"))
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    until(lambda: gone(entry["child"]))

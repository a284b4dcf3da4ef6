"""What handlers do to their process, and what must come of it: J6, J7 and the process faults."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.service.waiting import gone, until
from tests.worker.rig import Rig
from windlass import JobStatus

COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED
ONCE = {"max_attempts": 1}


# ── death ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("how", ["os._exit", "segfault", "abort", "kill -9"])
def test_a_process_that_dies_takes_no_neighbour_along(rig: Rig, how: str):
    """J7, huey #844 #559 (a task lost when killed): what had started spends an attempt, the others none."""
    rig.crew("faults")
    rig.ended(*rig.enqueue_many("innocent", [{}] * 50))
    guilty = rig.enqueue("dying", how=how, name="guilty", options={"max_attempts": 1, "priority": 5})
    waiting = rig.enqueue_many("innocent", [{"name": "waiting"}] * 20)
    [job] = rig.ended(guilty)
    assert (job.status, job.reason, job.crashes, job.attempts) == (FAILED, "crashed", 1, 1)
    assert "the process that ran it" in (job.last_error or "")
    assert rig.outcomes(guilty) == ["crashed"]
    assert [(job.status, job.attempts, job.crashes) for job in rig.ended(*waiting)] == [
        (COMPLETED, 1, 0)
    ] * 20
    assert rig.rows("SELECT DISTINCT job_id FROM windlass_attempts") == [(guilty,)]


def test_a_death_in_the_middle_of_a_batch_touches_only_what_had_started(rig: Rig):
    """J7: the others were handed out ahead, and their tokens say that they never began."""
    rig.crew("faults")
    rig.ended(*rig.enqueue_many("sometimes_dying", [{}] * 200))
    ids = rig.enqueue_many("sometimes_dying", [{}] * 20 + [{"now": True}] + [{}] * 60)
    guilty = ids.pop(20)
    assert {(job.status, job.attempts, job.crashes) for job in rig.ended(*ids)} == {(COMPLETED, 1, 0)}
    assert rig.ended(guilty)[0].reason == "crashed"
    assert rig.rows("SELECT DISTINCT job_id FROM windlass_attempts") == [(guilty,)]


def test_three_crashes_end_a_job(rig: Rig):
    rig.crew("faults")
    guilty = rig.enqueue("dying", how="os._exit", name="guilty", options={"max_attempts": 10})
    [job] = rig.ended(guilty)
    assert (job.status, job.reason, job.crashes, job.attempts) == (FAILED, "crashed", 3, 3)
    assert rig.outcomes(guilty) == ["crashed"] * 3
    assert len(rig.diary("start", "guilty")) == 3


def test_several_suspects_run_alone_until_the_guilty_one_is_found(rig: Rig):
    """J7: neighbours of a crash spend one attempt, are alone once, and are cleared."""
    rig.crew("faults")
    suspects = [rig.enqueue("ainnocent", name="innocent") for _ in range(3)]
    until(lambda: len(rig.diary("start", "innocent")) == 3)
    guilty = rig.enqueue("adying", name="guilty", options={"max_attempts": 3})
    until(lambda: [rig.outcomes(one) for one in suspects] == [["crashed"]] * 3)
    assert rig.rows("SELECT sum(crashes) FROM background_service_jobs WHERE id < ?", guilty) == [(0,)]
    rig.open("innocent")
    [found] = rig.ended(guilty)
    # Not blamed while it had company, then alone with two attempts left.
    assert (found.status, found.reason, found.crashes) == (FAILED, "crashed", 2)
    for job in rig.ended(*suspects):
        assert (job.status, job.attempts, job.crashes) == (COMPLETED, 2, 0)


def test_an_isolate_that_is_killed_from_outside_is_replaced_and_its_job_runs_again(rig: Rig):
    crew = rig.crew("faults", isolates=2)
    job_id = rig.enqueue("innocent", name="i", wait=True)
    victim = rig.begun("i")
    os.kill(victim, signal.SIGKILL)
    again = rig.begun("i", times=2)
    rig.open("i")
    [job] = rig.ended(job_id)
    assert (job.status, job.attempts, job.result) == (COMPLETED, 2, again)
    until(lambda: len(crew.isolates()) == 2)
    rig.pids.update(crew.isolates())


def test_idle_isolates_that_are_killed_are_replaced_together(rig: Rig):
    crew = rig.crew("faults", isolates=2)
    before = crew.isolates()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(crew.isolates()) == 2 and not set(crew.isolates()) & set(before))
    assert rig.ended(rig.enqueue("innocent"))[0].attempts == 1


def test_an_isolate_that_is_frozen_keeps_its_job_and_others_take_the_rest(rig: Rig):
    crew = rig.crew("faults", isolates=2)
    [frozen, other] = crew.isolates()
    os.kill(frozen, signal.SIGSTOP)
    try:
        ids = rig.enqueue_many("innocent", [{}] * 10)
        assert {job.result for job in rig.ended(*ids)} == {other}
    finally:
        os.kill(frozen, signal.SIGCONT)
    until(lambda: {job.result for job in rig.ended(*rig.enqueue_many("innocent", [{}] * 4))} > {other})


# ── what handlers raise and return ─────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("sys.exit", "SystemExit: enough"),
        ("RecursionError", "RecursionError: maximum recursion depth exceeded"),
        ("MemoryError", "MemoryError"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
        ("an unpicklable exception", "Unpicklable"),
        ("an exception without words", "Wordless"),
        ("an unpicklable result", "the handler's result cannot be kept"),
    ],
)
def test_whatever_a_handler_raises_fails_its_attempt_and_the_worker_lives(rig: Rig, what: str, told: str):
    """Celery #10462 (a MemoryError blocks the pool)."""
    crew = rig.crew("faults")
    [pid] = crew.isolates()
    [job] = rig.ended(rig.enqueue("raising", what=what, options=ONCE))
    assert job.status == FAILED
    assert (job.last_error or "").startswith(told)
    assert rig.ended(rig.enqueue("innocent"))[0].result == pid


def test_a_stray_task_that_exits_does_not_end_the_event_loop(rig: Rig):
    crew = rig.crew("faults")
    [pid] = crew.isolates()
    assert rig.ended(rig.enqueue("ending_the_loop"))[0].status == COMPLETED
    rig.open("after")
    assert rig.ended(rig.enqueue("ainnocent", name="after"))[0].result == pid


# ── the interpreter's lock, forks, grandchildren ───────────────────────────────────────────────────
def test_a_c_call_that_holds_the_gil_keeps_its_lease(rig: Rig):
    """The dispatcher beats for it: another dispatcher that looks meanwhile sees nothing to reclaim."""
    crew = rig.crew("faults")
    job_id = rig.enqueue("holding_the_gil", seconds=1.5, name="holder")
    rig.begun("holder")
    rig.crew("handlers")
    [job] = rig.ended(job_id)
    assert (job.status, job.attempts, [job.result]) == (COMPLETED, 1, crew.isolates())
    assert rig.outcomes(job_id) == []


@pytest.mark.sqlite  # a server's connections do not mind: the child makes its own
def test_the_store_refuses_a_forked_child_of_a_handler(rig: Rig):
    rig.crew("faults")
    assert rig.ended(rig.enqueue("forking"))[0].result == [3]
    assert "was forked" in rig.diary("refused")[0]["name"]


@pytest.mark.parametrize("key", ["forking_and_returning", "forking_in_a_coroutine"])
def test_a_forked_child_that_returns_from_its_handler_ends_and_is_no_second_isolate(rig: Rig, key: str):
    crew = rig.crew("faults")
    [pid] = crew.isolates()
    job_id = rig.enqueue(key)
    assert rig.ended(job_id)[0].result == "parent"
    [forked] = rig.diary("forked")
    assert forked["code"] == 1
    assert gone(forked["child"])
    assert {job.result for job in rig.ended(*rig.enqueue_many("innocent", [{}] * 20))} == {pid}


def test_a_grandchild_that_holds_every_pipe_is_killed_at_the_timeout(rig: Rig):
    rig.crew("faults")
    job_id = rig.enqueue("leaving_a_grandchild", name="g", options={"max_attempts": 1})
    [job] = rig.ended(job_id)
    assert (job.status, job.reason) == (FAILED, "timeout")
    [entry] = rig.diary("grandchild")
    until(lambda: gone(entry["child"]))
    assert rig.ended(rig.enqueue("innocent"))[0].status == COMPLETED


# ── start-up ───────────────────────────────────────────────────────────────────────────────────────
def test_a_start_up_callback_that_fails_ends_the_dispatcher_with_its_reason(rig: Rig):
    with pytest.raises(RuntimeError, match=r"ValueError: no licence found \(in .*failing\.py, line \d+\)"):
        rig.crew("failing")


def test_isolates_that_die_while_they_start_end_the_dispatcher(rig: Rig):
    with pytest.raises(RuntimeError, match="isolates die while they start: the last one exited with code 7"):
        rig.crew("stillborn")


# ── cancel ─────────────────────────────────────────────────────────────────────────────────────────
def cancelled(rig: Rig, job_id: int) -> Any:
    rig.jobs.cancel(job_id)
    [job] = rig.ended(job_id)
    return job.status, job.reason


def test_a_pending_job_is_cancelled_at_once(rig: Rig):
    job_id = rig.enqueue("gated", name="never")
    assert rig.jobs.cancel(job_id) == {job_id: CANCELLED}
    rig.crew()
    rig.ended(rig.enqueue("quick"))
    assert rig.diary("start") == []


def test_a_running_async_job_is_cancelled(rig: Rig):
    crew = rig.crew()
    [pid] = crew.isolates()
    job_id = rig.enqueue("agated", name="async")
    rig.begun("async")
    assert cancelled(rig, job_id) == (CANCELLED, "cancelled")
    assert crew.isolates() == [pid]


def test_a_running_sync_job_that_listens_ends_itself(rig: Rig):
    crew = rig.crew()
    [pid] = crew.isolates()
    job_id = rig.enqueue("listening", name="listener")
    rig.begun("listener")
    assert cancelled(rig, job_id) == (CANCELLED, "cancelled")
    assert crew.isolates() == [pid]


def test_a_running_sync_job_that_does_not_listen_is_killed_after_its_grace(rig: Rig):
    crew = rig.crew(cancel_grace_s=0.2)
    [pid] = crew.isolates()
    job_id = rig.enqueue("stubborn", name="stubborn")
    rig.begun("stubborn")
    neighbour = rig.enqueue("agated", name="neighbour")
    rig.begun("neighbour")
    assert cancelled(rig, job_id) == (CANCELLED, "cancelled")
    assert gone(pid)
    assert rig.jobs.attempts(job_id)[0].error == "cancelled while it ran, and it did not stop"
    rig.open("neighbour")
    [job] = rig.ended(neighbour)
    assert (job.status, job.attempts, rig.outcomes(neighbour)) == (COMPLETED, 1, [])


def test_a_cancellation_just_after_another_ring_is_heard(rig: Rig):
    rig.crew()
    for _ in range(5):
        job_id = rig.enqueue("listening", name="listener")
        until(lambda job_id=job_id: rig.status(job_id) == JobStatus.RUNNING)
        rig.enqueue("anap", ms=0)
        assert cancelled(rig, job_id) == (CANCELLED, "cancelled")


def test_a_cancellation_that_meets_a_starting_job_is_told_again(rig: Rig):
    """Asked the very moment it is given out, before its handler can hear: still no kill is needed."""
    crew = rig.crew(cancel_grace_s=20)
    [pid] = crew.isolates()
    for key in ("listening", "agated") * 5:
        job_id = rig.enqueue(key, name="x")
        until(lambda job_id=job_id: rig.status(job_id) == JobStatus.RUNNING)
        assert cancelled(rig, job_id) == (CANCELLED, "cancelled")
    assert crew.isolates() == [pid]

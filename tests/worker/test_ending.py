"""How a dispatcher stops: D1, in detail."""

from __future__ import annotations

import threading
import time

import pytest

from tests.service.waiting import PATIENCE_S, until
from tests.worker.rig import Rig, exclusive
from windlass import JobStatus
from windlass.worker.stopping import Stopping

COMPLETED, PENDING, RUNNING = JobStatus.COMPLETED, JobStatus.PENDING, JobStatus.RUNNING


def stopping(rig: Rig, grace_s: float) -> None:
    """Asks the only dispatcher to stop, and goes on when it has begun to, or is done already."""
    [crew] = rig.crews
    begun = threading.Event()
    crew.dispatcher.stop(grace_s)
    crew.dispatcher._orders.give(begun.set)
    until(lambda: begun.is_set() or not crew.thread.is_alive())


def test_a_stop_claims_nothing_more_and_lets_what_runs_finish(rig: Rig):
    crew = rig.crew(isolates=2)
    running = [rig.enqueue(key, name="r") for key in ("gated", "agated", "agated")]
    until(lambda: len(rig.diary("start", "r")) == 3)
    stopping(rig, 30)
    waiting = rig.enqueue("quick", options={"priority": 9})
    rig.open("r")
    crew.thread.join(20)
    assert {rig.status(job_id) for job_id in running} == {COMPLETED}
    assert (rig.status(waiting), rig.job(waiting).attempts) == (PENDING, 0)


def test_what_was_handed_out_ahead_goes_back_untouched_at_a_stop(rig: Rig):
    crew = rig.crew()
    rig.ended(*rig.enqueue_many("usually_quick", [{}] * 100))
    ids = rig.enqueue_many("usually_quick", [{"name": "first"}] + [{}] * 80)
    rig.begun("first")
    stopping(rig, 30)
    rig.open("first")
    crew.thread.join(20)
    assert rig.status(ids[0]) == COMPLETED
    for job in map(rig.job, ids[1:]):
        assert (job.status, job.attempts) in [(COMPLETED, 1), (PENDING, 0)]
    assert rig.rows("SELECT count(*) FROM windlass_attempts") == [(0,)]


def test_a_listening_handler_is_told_at_once_and_released_unspent(rig: Rig):
    crew = rig.crew()
    job_id = rig.enqueue("listening", name="l")
    rig.begun("l")
    began = time.monotonic()
    stopping(rig, 30)
    crew.thread.join(20)
    assert time.monotonic() - began < 10
    assert (rig.status(job_id), rig.job(job_id).attempts, rig.outcomes(job_id)) == (PENDING, 0, [])


def test_an_async_handler_has_its_grace_and_is_interrupted_before_the_end(rig: Rig):
    crew = rig.crew()
    job_id = rig.enqueue("cleaning_up", name="c")
    rig.begun("c")
    began = time.monotonic()
    stopping(rig, 1.0)
    crew.thread.join(20)
    took_s = time.monotonic() - began
    assert took_s >= 0.7  # three quarters of the grace went by before it was interrupted
    assert [entry["why"] for entry in rig.diary("cleaned", "c")] == ["shutdown"]
    assert (rig.status(job_id), rig.job(job_id).attempts) == (PENDING, 0)


def test_the_unfinished_is_released_unspent_at_the_end_of_the_grace(rig: Rig):
    crew = rig.crew()
    ids = [rig.enqueue("stubborn", name="s"), rig.enqueue("ablocking", name="b")]
    rig.begun("s")
    rig.begun("b")
    stopping(rig, 0.3)
    crew.thread.join(20)
    for job in map(rig.job, ids):
        assert (job.status, job.attempts) == (PENDING, 0)


def test_a_handler_can_stop_the_service(rig: Rig):
    crew = rig.crew()
    job_id = rig.enqueue("ending_the_service")
    crew.thread.join(20)
    assert not crew.thread.is_alive()
    assert rig.status(job_id) == COMPLETED


def test_a_stop_while_the_database_is_locked_ends_and_leaves_its_work_to_the_next(rig: Rig):
    crew = rig.crew(busy_timeout_s=0.2)
    job_id = rig.enqueue("gated", name="g")
    rig.begun("g")
    with exclusive(rig.database):
        rig.open("g")
        until(lambda: rig.diary("end", "g"))
        crew.dispatcher.stop(0.5)
        crew.thread.join(20)
        assert not crew.thread.is_alive()
    assert rig.status(job_id) == RUNNING
    rig.crew()
    # A server takes a dispatcher for dead once it has been silent for twenty seconds.
    assert rig.ended(job_id, patience_s=2 * PATIENCE_S)[0].status == COMPLETED
    until(lambda: len(rig.rows("SELECT id FROM windlass_dispatchers")) == 1)


def test_what_one_dispatcher_releases_another_of_the_same_process_takes_over(rig: Rig):
    """They share a connection, so neither sees the version move when the other commits."""
    first = rig.crew()
    job_id = rig.enqueue("listening", name="l")
    rig.begun("l")
    second = rig.crew(store=first.store, poll_s=30.0)
    first.stop(5)
    rig.crews.remove(first)
    assert rig.begun("l", times=2) in second.isolates()
    rig.jobs.cancel(job_id)
    rig.ended(job_id)


@pytest.mark.parametrize(("grace_s", "interrupt_at"), [(30.0, 129.0), (2.0, 101.5), (0.0, 100.0)])
def test_the_interruption_comes_shortly_before_the_end(grace_s: float, interrupt_at: float):
    stop = Stopping()
    assert stop.next_moment is None
    assert stop.ask(100.0, grace_s)
    assert stop.next_moment == interrupt_at
    assert not stop.must_interrupt(interrupt_at - 0.01)
    assert stop.must_interrupt(interrupt_at)
    assert not stop.must_interrupt(interrupt_at)
    assert not stop.is_up(100.0 + grace_s - 0.01) or grace_s == 0
    assert stop.is_up(100.0 + grace_s)


def test_a_second_stop_only_ever_shortens_the_first():
    stop = Stopping()
    assert stop.ask(100.0, 5.0)
    assert not stop.ask(101.0, 60.0)
    assert stop.is_up(105.0)
    assert not stop.ask(102.0, 0.0)
    assert stop.must_interrupt(102.0)
    assert stop.is_up(102.0)

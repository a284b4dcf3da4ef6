"""What is to have ended by a time, and has not."""

from __future__ import annotations

import pytest

from tests.store.conformance.settling import name
from tests.store.conformance.steps import SECOND, add, claim, settle, the
from windlass.job import JobStatus
from windlass.outcome import AnyOutcome, Completed, Crashed, Released, Retried, Snoozed
from windlass.store.protocol import Expiry, NewJob, Store
from windlass.testing import ManualClock

STOPPED = [Retried("x", 0), Snoozed("x", SECOND), Released("x"), Crashed("x")]


class Expiring:
    def test_a_waiting_job_fails_at_its_deadline(self, store: Store, clock: ManualClock) -> None:
        soon = add(store, deadline_in_us=3 * SECOND, delay_us=60 * SECOND)
        later = add(store, deadline_us=clock.wall_us() + 5 * SECOND)
        add(store)
        assert store.expire() == Expiry(0, 0, 3 * SECOND)
        clock.advance(3)
        assert store.expire() == Expiry(1, 0, 2 * SECOND)
        job = the(store, soon)
        assert (job.status, job.reason) == (JobStatus.FAILED, "deadline")
        assert job.last_error == "DeadlineMissed: it had not completed by its deadline"
        assert job.finished_at == clock.now
        assert the(store, later).status is JobStatus.PENDING
        clock.advance(2)
        assert store.expire() == Expiry(1, 0, None)

    def test_a_deadline_counts_waits_and_retries(self, store: Store, clock: ManualClock) -> None:
        job_id = add(store, deadline_in_us=3 * SECOND)
        settle(store, claim(store)[0], Retried("no", 60 * SECOND))
        clock.advance(3)
        assert store.expire().failed == 1
        assert (the(store, job_id).reason, the(store, job_id).attempts) == ("deadline", 1)
        assert [one.error for one in store.attempts(job_id)] == ["no"]

    def test_what_completed_in_time_has_met_its_deadline(self, store: Store, clock: ManualClock) -> None:
        job_id = add(store, deadline_in_us=SECOND)
        settle(store, claim(store)[0], Completed())
        clock.advance(9)
        assert store.expire() == Expiry(0, 0, None)
        assert the(store, job_id).status is JobStatus.COMPLETED

    @pytest.mark.parametrize("outcome", STOPPED, ids=name)
    def test_a_running_job_is_asked_once_and_has_then_failed(
        self, store: Store, clock: ManualClock, outcome: AnyOutcome
    ) -> None:
        job_id = add(store, deadline_in_us=SECOND, max_attempts=9)
        (one,) = claim(store)
        clock.advance(1)
        assert store.expire() == Expiry(0, 1, None)
        assert store.expire() == Expiry(0, 0, None)
        assert store.cancellations(1) == {job_id: "deadline"}
        settle(store, one, outcome)
        assert (the(store, job_id).status, the(store, job_id).reason) == (JobStatus.FAILED, "deadline")

    def test_a_running_job_that_completes_after_all_is_completed(
        self, store: Store, clock: ManualClock
    ) -> None:
        job_id = add(store, deadline_in_us=SECOND)
        (one,) = claim(store)
        clock.advance(1)
        store.expire()
        settle(store, one, Completed())
        assert the(store, job_id).status is JobStatus.COMPLETED

    def test_it_fails_also_where_its_dispatcher_died(self, store: Store, clock: ManualClock) -> None:
        job_id = add(store, deadline_in_us=SECOND)
        claim(store)
        clock.advance(1)
        store.expire()
        store.reclaim(1)
        job = the(store, job_id)
        assert (job.status, job.reason) == (JobStatus.FAILED, "deadline")
        assert job.last_error == "DeadlineMissed: it had not completed by its deadline"

    def test_who_was_cancelled_first_is_cancelled(self, store: Store, clock: ManualClock) -> None:
        job_id = add(store, deadline_in_us=SECOND)
        (one,) = claim(store)
        store.cancel([job_id])
        clock.advance(1)
        assert store.expire() == Expiry(0, 0, None)
        settle(store, one, Released("asked"))
        assert the(store, job_id).reason == "cancelled"

    def test_who_ran_out_of_time_first_has_failed(self, store: Store, clock: ManualClock) -> None:
        job_id = add(store, deadline_in_us=SECOND)
        (one,) = claim(store)
        clock.advance(1)
        store.expire()
        store.cancel([job_id])
        settle(store, one, Released("asked"))
        assert the(store, job_id).reason == "deadline"

    def test_each_step_is_bounded(self, store: Store, clock: ManualClock) -> None:
        store.insert([NewJob(key="work", deadline_in_us=SECOND) for _ in range(5)])
        clock.advance(1)
        assert [tuple(store.expire(limit=2)) for _ in range(3)] == [(2, 0, 0), (2, 0, 0), (1, 0, None)]

    def test_a_held_job_has_a_deadline_too(self, store: Store, clock: ManualClock) -> None:
        job_id = add(store, deadline_in_us=SECOND, hold="look at this")
        clock.advance(1)
        assert store.expire().failed == 1
        assert the(store, job_id).status is JobStatus.FAILED

    def test_a_retry_lifts_a_deadline_that_is_over_and_keeps_one_that_is_not(
        self, store: Store, clock: ManualClock
    ) -> None:
        over, ahead = add(store, deadline_in_us=SECOND), add(store, deadline_in_us=60 * SECOND)
        clock.advance(1)
        store.expire()
        store.cancel([ahead])
        assert store.retry([over, ahead]) == [over, ahead]
        assert the(store, over).deadline is None
        assert the(store, ahead).deadline is not None

    def test_a_job_that_ran_out_of_time_holds_back_what_was_appended_to_it(
        self, store: Store, clock: ManualClock
    ) -> None:
        first = add(store, unique="u", deadline_in_us=SECOND, delay_us=60 * SECOND)
        second = add(store, unique="u", existing="append")
        clock.advance(1)
        store.expire()
        assert f"job {first}, after which it was to run, is FAILED" in str(the(store, second).hold)

    def test_a_job_in_line_that_ran_out_of_time_holds_back_those_behind_it(
        self, store: Store, clock: ManualClock
    ) -> None:
        add(store, unique="u")
        second = add(store, unique="u", existing="append", deadline_in_us=SECOND)
        third = add(store, unique="u", existing="append")
        clock.advance(1)
        store.expire()
        assert f"job {second}, after which" in str(the(store, third).hold)

    def test_an_update_gives_a_new_deadline(self, store: Store, clock: ManualClock) -> None:
        add(store, unique="u", deadline_in_us=SECOND)
        add(store, unique="u", existing="update", deadline_in_us=9 * SECOND)
        clock.advance(1)
        assert store.expire() == Expiry(0, 0, 8 * SECOND)

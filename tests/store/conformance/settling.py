"""Settle: only what is still owned, each outcome by its one transition."""

from __future__ import annotations

import pytest

from tests.store.conformance.steps import SECOND, add, claim, settle, settlement, the
from windlass.job import JobStatus
from windlass.outcome import (
    AnyOutcome,
    Cancelled,
    Completed,
    Crashed,
    Failed,
    Quarantined,
    Released,
    Retried,
    Snoozed,
)
from windlass.store.protocol import ProgressNote, Store
from windlass.testing import ManualClock

ANY_ENDING = [
    Completed(),
    Failed("no"),
    Cancelled("no"),
    Quarantined("bad"),
    Retried("x", SECOND),
    Snoozed("x", SECOND),
    Released("x"),
    Crashed("x"),
]


def name(outcome: AnyOutcome) -> str:
    return type(outcome).__name__


class Settling:
    def test_a_completed_job_keeps_its_result(self, store: Store) -> None:
        job_id = add(store)
        assert settle(store, claim(store)[0], Completed('{"n":2}'))
        job = the(store, job_id)
        assert (job.status, job.result) == (JobStatus.COMPLETED, {"n": 2})
        assert job.finished_at is not None

    def test_a_stale_attempt_cannot_complete_a_rescued_job(self, store: Store) -> None:
        """J5; procrastinate #1518, Oban #532: the late result of an old attempt changes nothing."""
        job_id = add(store)
        (old,) = claim(store, 1)
        assert store.reclaim(1) == 1
        (new,) = claim(store, 2)
        assert not settle(store, old, Completed())
        assert settle(store, new, Failed("no", "permanent"))
        assert not settle(store, old, Completed())
        assert the(store, job_id).status is JobStatus.FAILED

    @pytest.mark.parametrize("wrong", [{"token": 1}, {"attempt": 2}, {"job_id": 99}], ids=str)
    @pytest.mark.parametrize("outcome", [Completed(), Failed("no")], ids=name)
    def test_a_settlement_matches_id_attempt_and_token(
        self, store: Store, wrong: dict[str, int], outcome: AnyOutcome
    ) -> None:
        """J5: all three, or nothing changes."""
        job_id = add(store)
        (one,) = claim(store)
        assert not settle(store, one._replace(**wrong), outcome)
        assert the(store, job_id).status is JobStatus.RUNNING
        assert settle(store, one, outcome)

    @pytest.mark.parametrize("late", ANY_ENDING, ids=name)
    def test_no_late_outcome_changes_anything(self, store: Store, late: AnyOutcome) -> None:
        """J5, Solid Queue #589: finished *and* failed."""
        job_id = add(store)
        (old,) = claim(store, 1)
        store.reclaim(1)
        (new,) = claim(store, 2)
        before, history = the(store, job_id), store.attempts(job_id)
        assert not settle(store, old, late)
        assert (the(store, job_id), store.attempts(job_id)) == (before, history)
        assert settle(store, new, Completed("1"))
        done = the(store, job_id)
        assert not settle(store, new, late)
        assert the(store, job_id) == done

    def test_a_stale_settlement_leaves_its_batch_alone(self, store: Store) -> None:
        """DBOS #546: one bad entry strands nothing."""
        add(store)
        add(store)
        one, two = claim(store)
        turn = store.settle_and_claim(
            [settlement(one._replace(token=one.token + 1), Completed()), settlement(two, Completed())]
        )
        assert [stale.job_id for stale in turn.stale] == [one.job_id]
        assert store.counts()[JobStatus.COMPLETED] == 1

    @pytest.mark.parametrize("bad", [Completed("\ud800"), Failed("\ud800"), Retried("\ud800", 0)], ids=name)
    def test_an_outcome_the_database_refuses_fails_alone(self, store: Store, bad: AnyOutcome) -> None:
        add(store)
        add(store)
        one, two = claim(store)
        turn = store.settle_and_claim([settlement(one, bad), settlement(two, Completed("1"))])
        assert [refused.job_id for refused, _ in turn.unsettled] == [one.job_id]
        assert store.counts()[JobStatus.COMPLETED] == 1
        assert store.attempts(one.job_id) == []

    def test_progress_the_database_refuses_stops_nothing(self, store: Store) -> None:
        add(store)
        (one,) = claim(store)
        note = ProgressNote(one.job_id, one.attempt, one.token, "\ud800")
        turn = store.settle_and_claim([settlement(one, Completed())], None, [note])
        assert not turn.unsettled
        assert store.counts()[JobStatus.COMPLETED] == 1

    def test_a_nul_in_an_error_does_not_keep_the_failure_from_being_recorded(self, store: Store) -> None:
        """windmill #10274: a NUL blocks recording completion."""
        job_id = add(store)
        settle(store, claim(store)[0], Failed("before\0after"))
        assert the(store, job_id).last_error == "before\0after"
        assert store.attempts(job_id)[0].error == "before\0after"

    def test_a_retried_job_waits_for_its_delay_and_keeps_its_error(
        self, store: Store, clock: ManualClock
    ) -> None:
        job_id = add(store)
        assert settle(store, claim(store)[0], Retried("boom", 10 * SECOND))
        job = the(store, job_id)
        assert (job.status, job.last_error, job.attempts) == (JobStatus.PENDING, "boom", 1)
        assert not store.lanes()
        assert store.promote().next_due_us == 10 * SECOND
        clock.advance(10)
        assert store.promote().promoted == 1
        assert claim(store)[0].attempt == 2

    def test_a_snoozed_job_spends_no_attempt(self, store: Store) -> None:
        job_id = add(store)
        settle(store, claim(store)[0], Snoozed("later", SECOND))
        assert (the(store, job_id).attempts, the(store, job_id).last_error) == (0, None)

    def test_a_released_job_is_ready_again_and_spends_no_attempt(self, store: Store) -> None:
        job_id = add(store)
        settle(store, claim(store)[0], Released("not started"))
        assert (the(store, job_id).status, the(store, job_id).attempts) == (JobStatus.PENDING, 0)
        assert [one.job_id for one in claim(store)] == [job_id]

    def test_a_crashed_job_spends_its_attempt_and_runs_alone(self, store: Store) -> None:
        """J7."""
        job_id = add(store)
        settle(store, claim(store)[0], Crashed("died"))
        assert [lane.alone for lane in store.lanes()] == [True]
        assert (the(store, job_id).attempts, the(store, job_id).crashes) == (1, 1)

    def test_a_suspect_that_ran_to_an_end_of_its_own_is_cleared(self, store: Store) -> None:
        add(store)
        settle(store, claim(store)[0], Crashed("died", sole=False))
        settle(store, claim(store)[0], Retried("an ordinary error", 0))
        assert [lane.alone for lane in store.lanes()] == [False]

    def test_the_third_crash_of_a_job_is_its_last(self, store: Store) -> None:
        """J7."""
        job_id = add(store, max_attempts=10)
        for _ in range(3):
            settle(store, claim(store)[0], Crashed("died"))
        job = the(store, job_id)
        assert (job.status, job.reason, job.crashes) == (JobStatus.FAILED, "crashed", 3)

    def test_one_of_several_suspects_is_not_failed_for_another(self, store: Store) -> None:
        """J7."""
        job_id = add(store, max_attempts=1)
        settle(store, claim(store)[0], Crashed("died", sole=False))
        assert (the(store, job_id).status, the(store, job_id).crashes) == (JobStatus.PENDING, 0)

    def test_a_quarantined_job_is_held_with_its_reason(self, store: Store) -> None:
        job_id = add(store)
        settle(store, claim(store)[0], Quarantined("payload is not an object"))
        job = the(store, job_id)
        assert (job.status, job.hold, job.attempts) == (JobStatus.PENDING, "payload is not an object", 0)
        assert not store.lanes()

    def test_what_went_wrong_is_kept_attempt_by_attempt(self, store: Store) -> None:
        job_id = add(store)
        settle(store, claim(store)[0], Retried("one", 0))
        settle(store, claim(store)[0], Failed("two", "exhausted"))
        assert [(a.attempt, a.outcome, a.error) for a in store.attempts(job_id)] == [
            (1, "retried", "one"),
            (2, "failed", "two"),
        ]

    def test_a_job_that_snoozes_for_years_keeps_its_newest_hundred_attempts(self, store: Store) -> None:
        job_id = add(store)
        for number in range(120):
            settle(store, claim(store)[0], Snoozed(str(number), 0))
        assert [a.error for a in store.attempts(job_id)] == [str(number) for number in range(20, 120)]

    def test_a_first_attempt_that_succeeds_leaves_no_history(self, store: Store) -> None:
        job_id = add(store)
        settle(store, claim(store)[0], Completed())
        assert store.attempts(job_id) == []

    def test_progress_is_kept_only_for_the_attempt_that_runs(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        notes = [
            ProgressNote(job_id, one.attempt, one.token, "[1,2,null]"),
            ProgressNote(job_id, one.attempt, one.token + 1, "[9,9,null]"),
        ]
        store.settle_and_claim([], None, notes)
        progress = the(store, job_id).progress
        assert progress is not None
        assert progress.done == 1

    def test_completing_on_a_connection_commits_with_it(self, store: Store) -> None:
        """J4."""
        job_id = add(store)
        (one,) = claim(store)
        connection = store.connect()
        store.begin(connection)
        assert store.complete_on(connection, settlement(one, Completed("7")))
        store.commit(connection)
        store.disconnect(connection)
        assert (the(store, job_id).status, the(store, job_id).result) == (JobStatus.COMPLETED, 7)

    def test_a_completion_that_is_rolled_back_never_was(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        connection = store.connect()
        store.begin(connection)
        assert store.complete_on(connection, settlement(one, Completed("7")))
        connection.rollback()
        store.disconnect(connection)
        assert the(store, job_id).status is JobStatus.RUNNING

    def test_completing_a_job_that_is_no_longer_ours_says_so(self, store: Store) -> None:
        """J5."""
        add(store)
        (one,) = claim(store)
        store.reclaim(1)
        connection = store.connect()
        store.begin(connection)
        assert not store.complete_on(connection, settlement(one, Completed()))
        connection.rollback()
        store.disconnect(connection)

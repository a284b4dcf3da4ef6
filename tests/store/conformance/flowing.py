"""Jobs that wait for others: released with the last of them, held where one of them is lost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.store.conformance.settling import name
from tests.store.conformance.steps import SECOND, accept_any, add, claim, settle, settlement, the
from windlass.errors import InvalidJob
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
from windlass.store.protocol import ClaimRequest, NewJob, Store
from windlass.testing import ManualClock

LOST = [Failed("boom\nat line 3"), Cancelled("unwanted")]
NOT_OVER = [Retried("x", SECOND), Snoozed("x", SECOND), Released("x"), Quarantined("x"), Crashed("x")]


def family(store: Store, parents: int = 1, **fields: object) -> tuple[list[int], int]:
    """So many parents and their child."""
    jobs = [NewJob(key="fetch") for _ in range(parents)]
    child = NewJob(key="total", follows=tuple(range(parents)), **fields)  # type: ignore[arg-type]
    *made, last = (one.job_id for one in store.insert([*jobs, child]))
    return made, last


def line(store: Store, length: int) -> list[int]:
    """So many jobs, each after the one before."""
    jobs = [NewJob(key="work", follows=(place - 1,) if place else ()) for place in range(length)]
    return [one.job_id for one in store.insert(jobs)]


def end(store: Store, job_id: int, outcome: AnyOutcome) -> None:
    """Runs that job, which is ready, to that outcome."""
    ours = [
        one
        for one in claim(store, limit=100)
        if one.job_id == job_id or not settle(store, one, Released("x"))
    ]
    assert [one.job_id for one in ours] == [job_id]
    assert settle(store, ours[0], outcome)


def ready(store: Store) -> list[int]:
    """What could be claimed now; it goes back."""
    claimed = claim(store, limit=100)
    for one in claimed:
        assert settle(store, one, Released("x"))
    return sorted(one.job_id for one in claimed)


class Flowing:
    # ── waiting and release ────────────────────────────────────────────────────────────────────
    def test_a_child_is_held_until_all_its_parents_have_completed(self, store: Store) -> None:
        (first, second), child = family(store, 2)
        assert the(store, child).hold == "waits for 2 jobs"
        assert ready(store) == [first, second]
        end(store, second, Completed("2"))
        assert (the(store, child).hold, the(store, child).waits_for) == ("waits for 1 job", 1)
        end(store, first, Completed("1"))
        assert (the(store, child).hold, the(store, child).waits_for) == (None, 0)
        assert ready(store) == [child]

    def test_the_results_of_parents_come_in_their_order_whoever_ended_first(self, store: Store) -> None:
        (first, second), child = family(store, 2)
        end(store, second, Completed("2"))
        end(store, first, Completed())
        found = [(row.id, row.key, row.result) for row in store.parent_results(child)]
        assert found == [(first, "fetch", None), (second, "fetch", "2")]

    def test_parents_that_end_in_one_turn_are_counted_each(self, store: Store) -> None:
        (first, second, third), child = family(store, 3)
        claimed = claim(store)
        turn = store.settle_and_claim([settlement(one, Completed()) for one in claimed])
        assert turn.freed
        assert {one.job_id for one in claimed} == {first, second, third}
        assert ready(store) == [child]

    def test_a_released_child_can_be_claimed_in_the_turn_that_releases_it(self, store: Store) -> None:
        first, second = line(store, 2)
        caps = dict.fromkeys(store.lanes(), 9)
        (one,) = claim(store)
        assert one.job_id == first
        turn = store.settle_and_claim([settlement(one, Completed())], ClaimRequest(1, 9, caps, accept_any))
        assert [claimed.job_id for claimed in turn.claimed] == [second]

    @pytest.mark.parametrize("outcome", NOT_OVER, ids=name)
    def test_a_parent_that_is_not_over_releases_nobody(self, store: Store, outcome: AnyOutcome) -> None:
        (parent,), child = family(store)
        end(store, parent, outcome)
        assert the(store, child).hold == "waits for 1 job"

    def test_a_stale_completion_releases_nobody(self, store: Store) -> None:
        """J5: the late result of an old attempt changes nothing, and is not counted twice."""
        (parent, _), child = family(store, 2)
        old = next(one for one in claim(store, 1) if one.job_id == parent)
        store.reclaim(1)
        new = next(one for one in claim(store, 2) if one.job_id == parent)
        turn = store.settle_and_claim([settlement(old, Completed()), settlement(new, Completed())])
        assert [one.attempt for one in turn.stale] == [old.attempt]
        assert the(store, child).waits_for == 1

    def test_completing_in_the_handlers_own_transaction_releases_with_it(self, store: Store) -> None:
        (parent,), child = family(store)
        (one,) = claim(store)
        connection = store.connect()
        for kept in (False, True):
            store.begin(connection)
            assert store.complete_on(connection, settlement(one, Completed("1")))
            if kept:
                store.commit(connection)
            else:
                connection.rollback()
            assert (the(store, child).hold is None) is kept
        store.disconnect(connection)
        assert the(store, parent).status is JobStatus.COMPLETED

    def test_a_delay_counts_from_the_release(self, store: Store, clock: ManualClock) -> None:
        (parent,), child = family(store, delay_us=10 * SECOND)
        clock.advance(60)
        assert store.promote().promoted == 0
        end(store, parent, Completed())
        assert the(store, child).hold is None
        assert store.promote().next_due_us == 10 * SECOND
        clock.advance(10)
        assert store.promote().promoted == 1
        assert ready(store) == [child]

    def test_a_date_stays_what_it_is(self, store: Store, clock: ManualClock) -> None:
        due = clock.wall_us() + 100 * SECOND
        (parent,), child = family(store, run_at_us=due)
        end(store, parent, Completed())
        assert store.promote().next_due_us == 100 * SECOND
        clock.advance(100)
        assert store.promote().promoted == 1
        assert ready(store) == [child]

    # ── after jobs that were there before ──────────────────────────────────────────────────────
    def test_a_job_can_wait_for_one_of_long_ago(self, store: Store) -> None:
        parent = add(store)
        child = add(store, after=(parent,))
        assert the(store, child).hold == "waits for 1 job"
        end(store, parent, Completed())
        assert ready(store) == [child]

    def test_a_parent_that_has_completed_already_is_done(self, store: Store) -> None:
        parent = add(store)
        end(store, parent, Completed("7"))
        child = add(store, after=(parent,))
        assert (the(store, child).hold, the(store, child).waits_for) == (None, 0)
        assert [row.result for row in store.parent_results(child)] == ["7"]

    @pytest.mark.parametrize("outcome", LOST, ids=name)
    def test_a_parent_that_is_lost_already_holds_with_the_reason(
        self, store: Store, outcome: AnyOutcome
    ) -> None:
        parent = add(store)
        end(store, parent, outcome)
        (made,) = store.insert([NewJob(key="work", after=(parent,))])
        assert made.hold == the(store, made.job_id).hold == reason(parent, "work", outcome)

    def test_a_parent_that_is_not_there_is_refused_and_nothing_is_written(self, store: Store) -> None:
        parent = add(store)
        with pytest.raises(InvalidJob, match="got 99: there is no such job"):
            store.insert([NewJob(key="a"), NewJob(key="b", after=(parent, 99))])
        assert sum(store.counts().values()) == 1

    def test_a_parent_named_twice_is_one(self, store: Store) -> None:
        parent = add(store)
        child = store.insert([NewJob(key="work", after=(parent, parent))])[0].job_id
        assert the(store, child).waits_for == 1

    def test_a_parent_found_by_its_idempotency_key_counts_as_it_stands(self, store: Store) -> None:
        parent = add(store, idempotency_key="k")
        end(store, parent, Completed("1"))
        again, child = store.insert([NewJob(key="work", idempotency_key="k"), NewJob(key="b", follows=(0,))])
        assert (again.job_id, again.created) == (parent, False)
        assert the(store, child.job_id).hold is None

    def test_a_child_found_by_its_idempotency_key_stays_what_it_was(self, store: Store) -> None:
        found = add(store, "b", idempotency_key="k")
        _, again = store.insert([NewJob(key="a"), NewJob(key="b", idempotency_key="k", follows=(0,))])
        assert (again.job_id, again.created) == (found, False)
        assert store.parents(found) == []

    @pytest.mark.parametrize(
        "what", [{"existing": "append"}, {"existing": "replace"}, {"debounce_us": SECOND}], ids=str
    )
    def test_who_waits_for_jobs_stands_in_no_line(self, store: Store, what: dict[str, object]) -> None:
        jobs = [NewJob(key="a"), NewJob(key="b", follows=(0,), unique="u", **what)]  # type: ignore[arg-type]
        with pytest.raises(InvalidJob, match='existing="keep"'):
            store.insert(jobs)

    # ── parents that will not complete ─────────────────────────────────────────────────────────
    @pytest.mark.parametrize("outcome", LOST, ids=name)
    def test_a_lost_parent_leaves_its_child_held_with_the_reason(
        self, store: Store, outcome: AnyOutcome
    ) -> None:
        (first, second), child = family(store, 2)
        end(store, second, outcome)
        assert the(store, child).hold == reason(second, "fetch", outcome)
        end(store, first, Completed())
        assert the(store, child).hold == reason(second, "fetch", outcome)
        assert ready(store) == []

    def test_retrying_the_parent_with_success_releases_its_child(self, store: Store) -> None:
        (first, second), child = family(store, 2)
        end(store, second, Failed("boom"))
        end(store, first, Completed())
        assert store.retry([second]) == [second]
        assert the(store, child).hold == "waits for 1 job"
        end(store, second, Completed())
        assert ready(store) == [child]

    def test_of_two_lost_parents_the_other_is_named_once_one_is_retried(self, store: Store) -> None:
        (first, second), child = family(store, 2)
        end(store, second, Failed("boom"))
        end(store, first, Failed("bang"))
        store.retry([second])
        assert the(store, child).hold == reason(first, "fetch", Failed("bang"))

    def test_a_parent_reclaimed_after_it_was_cancelled_says_so(self, store: Store) -> None:
        parent = add(store)
        claim(store, 4)
        store.cancel([parent])
        child = add(store, after=(parent,))
        store.reclaim(4)
        assert the(store, child).hold == f"parent {parent} (work) was CANCELLED"

    # ── retry ──────────────────────────────────────────────────────────────────────────────────
    @pytest.mark.parametrize("outcome", [None, *LOST], ids=repr)
    def test_a_child_that_waits_cannot_be_retried_past_its_parents(
        self, store: Store, outcome: AnyOutcome | None
    ) -> None:
        (parent,), child = family(store)
        if outcome is not None:
            end(store, parent, outcome)
        assert store.retry([child]) == []
        assert the(store, child).hold is not None

    def test_a_completed_parent_that_runs_again_is_waited_for_again(self, store: Store) -> None:
        (first, second), child = family(store, 2)
        end(store, first, Completed())
        store.retry([first])
        assert the(store, child).hold == "waits for 2 jobs"
        end(store, first, Completed())
        end(store, second, Completed())
        assert ready(store) == [child]

    def test_a_child_that_was_released_waits_no_more_whatever_its_parents_do(self, store: Store) -> None:
        (parent,), child = family(store)
        end(store, parent, Completed())
        store.retry([parent])
        assert the(store, child).hold is None
        end(store, parent, Failed("boom"))
        assert ready(store) == [child]

    @pytest.mark.parametrize("backwards", [False, True])
    def test_a_whole_flow_can_run_again_in_its_order(self, store: Store, backwards: bool) -> None:
        jobs = line(store, 3)
        for job_id in jobs:
            end(store, job_id, Completed())
        assert store.retry(jobs[::-1] if backwards else jobs) == jobs
        for job_id in jobs:
            assert ready(store) == [job_id]
            end(store, job_id, Completed())

    # ── cancel ─────────────────────────────────────────────────────────────────────────────────
    def test_cancel_goes_down_to_all_who_wait(self, store: Store) -> None:
        jobs = line(store, 4)
        other = add(store)
        assert store.cancel([jobs[1]]) == {jobs[1]: JobStatus.CANCELLED}
        assert statuses(store, jobs) == ["PENDING", "CANCELLED", "CANCELLED", "CANCELLED"]
        assert ready(store) == [jobs[0], other]

    def test_cancel_of_a_running_job_cancels_who_waits_for_it(self, store: Store) -> None:
        (parent,), child = family(store)
        (one,) = claim(store)
        assert store.cancel([parent]) == {parent: JobStatus.RUNNING}
        assert the(store, child).status is JobStatus.CANCELLED
        assert settle(store, one, Completed())
        assert the(store, child).status is JobStatus.CANCELLED

    def test_cancel_of_a_failed_parent_gives_its_children_up(self, store: Store) -> None:
        (parent,), child = family(store)
        end(store, parent, Failed("boom"))
        assert store.cancel([parent]) == {parent: JobStatus.FAILED}
        assert the(store, child).status is JobStatus.CANCELLED

    def test_cancel_of_a_completed_parent_leaves_its_children(self, store: Store) -> None:
        (first, _), child = family(store, 2)
        end(store, first, Completed())
        store.cancel([first])
        assert the(store, child).hold == "waits for 1 job"

    def test_cancel_goes_on_beyond_one_transaction(self, store: Store) -> None:
        root = add(store)
        many = [one.job_id for one in store.insert([NewJob(key="m", after=(root,)) for _ in range(1201)])]
        last = add(store, after=tuple(many))
        store.cancel([root])
        assert store.counts()[JobStatus.CANCELLED] == 1203
        assert the(store, last).status is JobStatus.CANCELLED

    def test_a_cancelled_child_that_is_retried_waits_for_what_is_left(self, store: Store) -> None:
        (first, second), child = family(store, 2)
        store.cancel([child])
        end(store, first, Completed())
        assert store.retry([child]) == [child]
        assert the(store, child).hold == "waits for 1 job"
        end(store, second, Completed())
        assert ready(store) == [child]

    # ── deletion ───────────────────────────────────────────────────────────────────────────────
    def test_a_parent_is_kept_as_long_as_a_child_is_not_over(self, store: Store) -> None:
        (parent,), child = family(store)
        end(store, parent, Completed("1"))
        assert store.delete([parent]) == []
        end(store, child, Completed())
        assert store.delete([parent]) == [parent]
        assert the(store, child).status is JobStatus.COMPLETED

    def test_a_family_can_be_deleted_together(self, store: Store) -> None:
        parents, child = family(store, 2)
        assert store.delete([*parents, child]) == [*parents, child]

    def test_pruning_keeps_the_parents_of_who_is_not_over(self, store: Store, clock: ManualClock) -> None:
        (first, second), child = family(store, 2)
        end(store, first, Completed("1"))
        end(store, second, Failed("boom"))
        done = add(store)
        end(store, done, Completed())
        clock.advance("90d")
        assert store.prune(older_than_us=SECOND, keep=0) == 1
        assert store.prune(older_than_us=SECOND, keep=0) == 0
        assert [store.get(job_id) is None for job_id in (first, second, child, done)] == [False] * 3 + [True]
        store.cancel([child])
        clock.advance("90d")
        while store.prune(older_than_us=SECOND, keep=0):
            pass
        assert sum(store.counts().values()) == 0

    def test_who_never_got_past_a_parent_does_not_without_it(self, store: Store) -> None:
        (parent,), child = family(store)
        store.cancel([parent])
        store.delete([parent])
        assert store.retry([child]) == [child]
        assert the(store, child).hold == f"parent {parent} was deleted"

    # ── looking ────────────────────────────────────────────────────────────────────────────────
    def test_parents_and_children_are_told_as_they_stand(self, store: Store) -> None:
        (first, second), child = family(store, 2)
        end(store, first, Completed())
        told = [(one.id, one.key, one.status) for one in store.parents(child)]
        assert told == [(first, "fetch", JobStatus.COMPLETED), (second, "fetch", JobStatus.PENDING)]
        assert [one.id for one in store.parents(child, incomplete=True)] == [second]
        assert [(one.id, one.waits_for) for one in store.children(second)] == [(child, 1)]
        assert [one.id for one in store.parents(child, limit=1)] == [first]

    def test_a_tally_tells_how_far_jobs_are_and_whether_they_can_go_on(self, store: Store) -> None:
        (first, second), child = family(store, 2)
        everyone = [first, second, child]
        assert (store.tally(everyone).pending, store.tally(everyone).held) == (3, 1)
        end(store, first, Completed())
        assert (store.tally(everyone).done, store.tally(everyone).stuck) == (1, False)
        end(store, second, Failed("boom"))
        tally = store.tally(everyone)
        assert (tally.done, tally.total, tally.failed, tally.held, tally.stuck) == (2, 3, 1, 1, True)
        store.cancel([child])
        assert (store.tally(everyone).done, store.tally(everyone).stuck) == (3, False)

    def test_who_waits_for_others_jobs_that_go_on_is_not_stuck(self, store: Store) -> None:
        (parent,), child = family(store)
        assert not store.tally([child]).stuck
        end(store, parent, Failed("boom"))
        assert store.tally([child]).stuck


def reason(parent: int, key: str, outcome: AnyOutcome) -> str:
    if isinstance(outcome, Failed):
        return f"parent {parent} ({key}) FAILED: {outcome.error.partition(chr(10))[0]}"
    return f"parent {parent} ({key}) was CANCELLED"


def statuses(store: Store, job_ids: Sequence[int]) -> list[str]:
    return [the(store, job_id).status.value for job_id in job_ids]

"""What an enqueue does to the unfinished job that has its unique key, and who gets the key after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.store.conformance.steps import SECOND, accept_any, add, claim, settle, settlement, the
from windlass.errors import InvalidJob
from windlass.job import Job, JobStatus
from windlass.outcome import AnyOutcome, Cancelled, Completed, Crashed, Failed, Quarantined, Released, Retried
from windlass.store.protocol import Claim, ClaimRequest, Inserted, JobFilter, Lane, NewJob, Store

PENDING, RUNNING, CANCELLED = JobStatus.PENDING, JobStatus.RUNNING, JobStatus.CANCELLED


def complete_inside(store: Store, one: Claim) -> None:
    with store.transaction() as connection:
        assert store.complete_on(connection, settlement(one, Completed()))


ENDS: dict[str, Callable[[Store, Claim], object]] = {
    "completed": lambda store, one: settle(store, one, Completed()),
    "failed": lambda store, one: settle(store, one, Failed("no")),
    "cancelled": lambda store, one: settle(store, one, Cancelled("no")),
    "retried": lambda store, one: settle(store, one, Retried("no", SECOND)),
    "crashed": lambda store, one: settle(store, one, Crashed("died")),
    "dispatcher died": lambda store, _: store.reclaim(1),
    "in a transaction": complete_inside,
}
UNSUCCESSFUL = [Failed("no"), Cancelled("no")]


def put(store: Store, existing: Any = "keep", unique: str = "u", **fields: Any) -> Inserted:
    return store.insert([NewJob(**{"key": "work", **fields}, unique=unique, existing=existing)])[0]


def stands(job: Job) -> tuple[JobStatus, bool]:
    return job.status, job.in_line


def ready(store: Store) -> list[int]:
    return [one.job_id for one in claim(store)]


class Existing:
    # ── keep ───────────────────────────────────────────────────────────────────────────────────
    def test_keep_says_that_it_kept_and_changes_nothing(self, store: Store) -> None:
        """workmanager #622: KEEP kept the old frequency, and said nothing."""
        assert put(store, payload='{"every": 1}').disposition == "created"
        kept = put(store, payload='{"every": 2}')
        assert (kept.created, kept.disposition) == (False, "kept")
        assert the(store, kept.job_id).payload == {"every": 1}

    def test_keep_keeps_the_first_of_a_line_that_is_held(self, store: Store) -> None:
        put(store)
        appended = put(store, "append").job_id
        settle(store, claim(store)[0], Failed("no"))
        again = put(store)
        assert (again.job_id, again.disposition) == (appended, "kept")

    # ── replace ────────────────────────────────────────────────────────────────────────────────
    def test_replace_cancels_a_waiting_job_in_the_same_transaction(self, store: Store) -> None:
        old = put(store, delay_us=SECOND).job_id
        new = put(store, "replace")
        assert (new.created, new.disposition) == (True, "replaced")
        assert (the(store, old).status, the(store, old).reason) == (CANCELLED, "replaced")
        assert store.holder_of("u") == new.job_id
        assert ready(store) == [new.job_id]

    def test_a_replacement_that_is_rolled_back_cancels_nothing(self, store: Store) -> None:
        old = put(store).job_id

        def fail() -> None:
            with store.transaction() as connection:
                job = NewJob(key="work", unique="u", existing="replace")
                assert store.insert([job], connection=connection)[0].disposition == "replaced"
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert the(store, old).status is PENDING
        assert store.holder_of("u") == old

    @pytest.mark.parametrize("end", ENDS)
    def test_what_replaces_a_running_job_starts_when_that_is_over(self, store: Store, end: str) -> None:
        """workmanager #456: overlapping runs."""
        old = put(store).job_id
        (one,) = claim(store)
        new = put(store, "replace")
        assert (new.created, new.disposition) == (True, "replaced")
        assert store.cancellations(1) == {old: "replaced"}
        assert stands(the(store, new.job_id)) == (PENDING, True)
        assert ready(store) == []
        ENDS[end](store, one)
        assert the(store, old).status.is_final
        assert store.holder_of("u") == new.job_id
        assert ready(store) == [new.job_id]

    def test_a_replaced_job_that_stopped_says_so(self, store: Store) -> None:
        old = put(store).job_id
        (one,) = claim(store)
        put(store, "replace")
        settle(store, one, Released("asked"))
        assert (the(store, old).status, the(store, old).reason) == (CANCELLED, "replaced")

    def test_the_last_replacement_wins(self, store: Store) -> None:
        put(store)
        (one,) = claim(store)
        replacements = [put(store, "replace").job_id for _ in range(3)]
        settle(store, one, Completed())
        assert ready(store) == replacements[-1:]
        assert [the(store, job_id).status for job_id in replacements[:-1]] == [CANCELLED, CANCELLED]

    def test_replace_cancels_a_whole_line(self, store: Store) -> None:
        line = [put(store, "append").job_id for _ in range(4)]
        new = put(store, "replace").job_id
        assert {the(store, job_id).reason for job_id in line} == {"replaced"}
        assert ready(store) == [new]

    # ── update ─────────────────────────────────────────────────────────────────────────────────
    def test_update_gives_a_waiting_job_everything_but_its_id_and_its_attempts(self, store: Store) -> None:
        first = put(store, payload='{"n": 1}', tags='["a"]')
        settle(store, claim(store)[0], Retried("no", SECOND))
        due = the(store, first.job_id).run_at
        updated = put(
            store, "update", payload='{"n": 2}', priority=5, max_attempts=9, tags='["b"]', meta='{"m": 1}',
            queue="mail", timeout_us=SECOND,
        )  # fmt: skip
        assert (updated.job_id, updated.created, updated.disposition) == (first.job_id, False, "updated")
        job = the(store, first.job_id)
        assert (job.payload, job.priority, job.max_attempts) == ({"n": 2}, 5, 9)
        assert (job.tags, job.meta, job.queue, job.timeout_s) == (("b",), {"m": 1}, "mail", 1.0)
        assert (job.status, job.attempts, job.last_error, job.run_at) == (PENDING, 1, "no", due)

    def test_an_update_of_a_job_that_has_not_run_sets_its_time(self, store: Store) -> None:
        job_id = put(store, delay_us=SECOND).job_id
        put(store, "update", delay_us=3 * SECOND)
        assert store.promote().next_due_us == 3 * SECOND
        put(store, "update")
        assert ready(store) == [job_id]

    def test_a_running_attempt_goes_on_and_the_update_is_for_its_next_run(self, store: Store) -> None:
        job_id = put(store, payload='{"n": 1}').job_id
        (one,) = claim(store)
        assert put(store, "update", payload='{"n": 2}').disposition == "updated"
        assert (the(store, job_id).status, the(store, job_id).attempts) == (RUNNING, 1)
        assert settle(store, one, Retried("no", 0))
        (again,) = claim(store)
        assert (again.job_id, again.payload, again.attempt) == (job_id, '{"n": 2}', 2)

    def test_an_update_leaves_a_held_job_held(self, store: Store) -> None:
        job_id = put(store).job_id
        settle(store, claim(store)[0], Quarantined("look at this"))
        put(store, "update", payload='{"n": 2}')
        assert (the(store, job_id).hold, the(store, job_id).payload) == ("look at this", {"n": 2})

    @pytest.mark.parametrize("how", [{"existing": "update"}, {"debounce_us": SECOND, "delay_us": SECOND}])
    def test_a_payload_is_not_given_to_a_job_of_another_key(self, store: Store, how: dict[str, Any]) -> None:
        job_id = put(store, payload='{"n": 1}').job_id
        with pytest.raises(InvalidJob, match="expected the job key 'work' of job"):
            store.insert([NewJob(key="other", unique="u", payload='{"n": 2}', **how)])
        assert the(store, job_id).payload == {"n": 1}

    # ── append ─────────────────────────────────────────────────────────────────────────────────
    def test_what_is_appended_runs_one_after_the_other(self, store: Store) -> None:
        told = [put(store, "append") for _ in range(4)]
        assert [one.disposition for one in told] == ["created", "appended", "appended", "appended"]
        assert all(one.created for one in told)
        ran: list[int] = []
        while claimed := claim(store):
            assert len(claimed) == 1
            ran.append(claimed[0].job_id)
            settle(store, claimed[0], Completed('"done"'))
        assert ran == [one.job_id for one in told]

    def test_the_next_is_claimed_in_the_turn_that_settles_the_one_before(self, store: Store) -> None:
        put(store, "append")
        second = put(store, "append").job_id
        (one,) = claim(store)
        request = ClaimRequest(1, 10, {Lane(False, "default", "work"): 10}, accept_any)
        turn = store.settle_and_claim([settlement(one, Completed())], request)
        assert turn.freed
        assert [claimed.job_id for claimed in turn.claimed] == [second]

    def test_a_turn_that_frees_nobody_says_so(self, store: Store) -> None:
        add(store)
        (one,) = claim(store)
        put(store)
        put(store, "append")
        assert not store.settle_and_claim([settlement(one, Completed())]).freed

    def test_a_job_that_is_to_run_again_keeps_the_others_waiting(self, store: Store) -> None:
        first = put(store).job_id
        put(store, "append")
        settle(store, claim(store)[0], Retried("no", 0))
        assert ready(store) == [first]

    @pytest.mark.parametrize("outcome", UNSUCCESSFUL, ids=lambda one: type(one).__name__)
    def test_what_is_appended_to_a_job_that_did_not_complete_stays_held_with_the_reason(
        self, store: Store, outcome: AnyOutcome
    ) -> None:
        first = put(store).job_id
        line = [put(store, "append").job_id for _ in range(2)]
        settle(store, claim(store)[0], outcome)
        late = put(store, "append")
        assert late.disposition == "appended"
        status = the(store, first).status
        for job_id in (*line, late.job_id):
            assert the(store, job_id).hold == (
                f"job {first}, after which it was to run, is {status}: "
                "retry that one, or this one to run it anyway"
            )
        assert ready(store) == []

    def test_a_retry_of_the_one_that_failed_lets_the_others_wait_and_run_again(self, store: Store) -> None:
        ids = [put(store, "append").job_id for _ in range(3)]
        settle(store, claim(store)[0], Failed("no"))
        assert store.retry(ids[:1]) == ids[:1]
        for job_id in ids:
            (one,) = claim(store)
            assert one.job_id == job_id
            settle(store, one, Completed())

    def test_a_retry_of_a_held_one_lets_it_run_without_the_one_before(self, store: Store) -> None:
        ids = [put(store, "append").job_id for _ in range(3)]
        settle(store, claim(store)[0], Failed("no"))
        assert store.retry(ids[1:2]) == ids[1:2]
        settle(store, claim(store)[0], Completed())
        assert ready(store) == ids[2:]

    def test_a_job_in_line_is_not_retried_past_those_before_it(self, store: Store) -> None:
        put(store)
        second = put(store, "append").job_id
        assert store.retry([second]) == []
        assert stands(the(store, second)) == (PENDING, True)

    def test_a_job_in_line_that_is_cancelled_holds_back_those_behind_it_alone(self, store: Store) -> None:
        first, second, third, fourth = (put(store, "append").job_id for _ in range(4))
        store.cancel([third])
        settle(store, claim(store)[0], Completed())
        (one,) = claim(store)
        assert one.job_id == second
        settle(store, one, Completed())
        assert ready(store) == []
        assert f"job {third}, after which" in str(the(store, fourth).hold)
        assert store.retry([third]) == [third]
        settle(store, claim(store)[0], Completed())
        assert ready(store) == [fourth]
        assert the(store, first).status is JobStatus.COMPLETED

    def test_nobody_waits_behind_one_that_is_held(self, store: Store) -> None:
        _, second, third, fourth = (put(store, "append").job_id for _ in range(4))
        store.cancel([third])
        settle(store, claim(store)[0], Failed("no"))
        assert store.retry([third]) == [third]
        settle(store, claim(store)[0], Completed())
        assert store.holder_of("u") == fourth
        assert ready(store) == [fourth]
        assert "after which it was to run, is FAILED" in str(the(store, second).hold)

    def test_a_deleted_job_is_as_if_it_had_never_been(self, store: Store) -> None:
        first, second, third = (put(store, "append").job_id for _ in range(3))
        assert store.delete([second]) == [second]
        assert store.delete([first]) == [first]
        assert ready(store) == [third]

    def test_cancelling_the_one_that_has_the_key_holds_the_line(self, store: Store) -> None:
        first, second = (put(store, "append").job_id for _ in range(2))
        store.cancel([first])
        assert ready(store) == []
        assert f"job {first}, after which" in str(the(store, second).hold)

    def test_a_late_result_of_an_old_job_does_not_hold_back_the_line(self, store: Store) -> None:
        """Only what was settled passes on the key."""
        put(store)
        (old,) = claim(store)
        settle(store, old, Failed("no"))
        put(store)
        second = put(store, "append").job_id
        (one,) = claim(store)
        turn = store.settle_and_claim([settlement(old, Completed()), settlement(one, Completed())])
        assert len(turn.stale) == 1
        assert ready(store) == [second]

    def test_lines_of_two_names_do_not_wait_for_each_other(self, store: Store) -> None:
        for name in ("u", "v"):
            put(store, "append", name)
            put(store, "append", name)
        one, other = claim(store)
        settle(store, other, Completed())
        assert len(ready(store)) == 1
        settle(store, one, Failed("no"))
        assert ready(store) == []

    def test_many_are_appended_at_once(self, store: Store) -> None:
        told = store.insert([NewJob(key="work", unique="u", existing="append") for _ in range(3)])
        assert [one.disposition for one in told] == ["created", "appended", "appended"]

    def test_a_second_append_with_the_same_idempotency_key_finds_the_first(self, store: Store) -> None:
        """J2: an enqueue whose outcome is unknown is repeated with its key."""
        put(store)
        told = [put(store, "append", idempotency_key="k") for _ in range(2)]
        assert [one.disposition for one in told] == ["appended", "kept"]
        assert told[0].job_id == told[1].job_id

    def test_a_repeated_replacement_does_not_replace_itself(self, store: Store) -> None:
        """J2."""
        put(store)
        told = [put(store, "replace", idempotency_key="k") for _ in range(2)]
        assert [one.disposition for one in told] == ["replaced", "kept"]
        assert the(store, told[0].job_id).status is PENDING

    # ── append_or_replace ──────────────────────────────────────────────────────────────────────
    def test_append_or_replace_appends_while_all_goes_well(self, store: Store) -> None:
        told = [put(store, "append_or_replace").disposition for _ in range(3)]
        assert told == ["created", "appended", "appended"]

    def test_append_or_replace_starts_anew_where_the_line_is_held(self, store: Store) -> None:
        put(store)
        line = [put(store, "append").job_id for _ in range(2)]
        settle(store, claim(store)[0], Failed("no"))
        new = put(store, "append_or_replace")
        assert (new.created, new.disposition) == (True, "replaced")
        assert {the(store, job_id).reason for job_id in line} == {"replaced"}
        assert ready(store) == [new.job_id]

    def test_append_or_replace_replaces_only_what_is_held(self, store: Store) -> None:
        first, second, third, fourth = (put(store, "append").job_id for _ in range(4))
        store.cancel([third])
        new = put(store, "append_or_replace")
        assert new.disposition == "appended"
        assert the(store, fourth).reason == "replaced"
        for job_id in (first, second, new.job_id):
            (one,) = claim(store)
            assert one.job_id == job_id
            settle(store, one, Completed())

    # ── looking ────────────────────────────────────────────────────────────────────────────────
    def test_a_name_finds_the_one_that_has_it_and_those_in_line(self, store: Store) -> None:
        ids = [put(store, "append").job_id for _ in range(3)]
        put(store, "append", "v")
        settle(store, claim(store, limit=1)[0], Completed())
        where = JobFilter(unique="u")
        assert [job.id for job in store.select(where, order="id")] == ids
        unfinished = JobFilter(unique="u", status=(PENDING, RUNNING))
        assert [job.id for job in store.select(unfinished, order="id")] == ids[1:]
        assert [the(store, job_id).unique for job_id in ids] == ["u"] * 3

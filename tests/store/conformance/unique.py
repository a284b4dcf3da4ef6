"""At most one unfinished job of a unique key: whoever comes second finds it."""

from __future__ import annotations

import threading

import pytest

from tests.store.conformance.settling import name
from tests.store.conformance.steps import SECOND, add, claim, settle, the
from windlass.job import JobStatus
from windlass.outcome import AnyOutcome, Cancelled, Completed, Failed, Quarantined, Released, Retried, Snoozed
from windlass.store.protocol import Inserted, NewJob, Store

UNFINISHED = [Retried("x", SECOND), Snoozed("x", SECOND), Released("x"), Quarantined("x")]
FINISHED = [Completed(), Failed("no"), Cancelled("no")]


def enqueue(store: Store, unique: str = "u", **fields: str) -> Inserted:
    return store.insert([NewJob(**{"key": "work", **fields}, unique=unique)])[0]


class Unique:
    def test_an_unfinished_job_is_found_by_its_unique_key_whatever_the_job_key(self, store: Store) -> None:
        """J2."""
        first = enqueue(store)
        for key in ("work", "other"):
            again = enqueue(store, key=key)
            assert (again.job_id, again.created, again.created_at) == (first.job_id, False, first.created_at)
        assert enqueue(store, "v").created
        assert store.holder_of("u") == first.job_id

    def test_a_running_job_is_found_too(self, store: Store) -> None:
        job_id = enqueue(store).job_id
        claim(store)
        again = enqueue(store)
        assert (again.job_id, again.created, again.disposition) == (job_id, False, "kept")

    @pytest.mark.parametrize("outcome", UNFINISHED, ids=name)
    def test_a_job_that_runs_again_keeps_its_unique_key(self, store: Store, outcome: AnyOutcome) -> None:
        job_id = enqueue(store).job_id
        assert settle(store, claim(store)[0], outcome)
        assert enqueue(store).job_id == job_id

    def test_a_job_that_is_taken_back_from_a_dead_dispatcher_keeps_its_unique_key(self, store: Store) -> None:
        job_id = enqueue(store).job_id
        claim(store, 4)
        assert store.reclaim(4) == 1
        assert enqueue(store).job_id == job_id

    @pytest.mark.parametrize("outcome", FINISHED, ids=name)
    def test_a_job_that_is_over_makes_room_for_the_next(self, store: Store, outcome: AnyOutcome) -> None:
        first = enqueue(store)
        settle(store, claim(store)[0], outcome)
        assert store.holder_of("u") is None
        second = enqueue(store)
        assert second.created
        assert second.job_id != first.job_id
        assert the(store, first.job_id).unique == the(store, second.job_id).unique == "u"

    def test_of_many_that_come_at_once_one_is_made(self, store: Store) -> None:
        told: list[Inserted] = []
        gate = threading.Barrier(8)

        def produce() -> None:
            gate.wait()
            told.extend([enqueue(store) for _ in range(10)])

        threads = [threading.Thread(target=produce) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({one.job_id for one in told}) == 1
        assert sum(one.created for one in told) == 1

    def test_of_one_batch_the_first_is_made_and_the_others_find_it(self, store: Store) -> None:
        jobs = [NewJob(key="work", unique="u"), NewJob(key="work"), NewJob(key="work", unique="u")]
        first, other, again = store.insert(jobs)
        assert (first.created, other.created, again.created) == (True, True, False)
        assert again.job_id == first.job_id

    def test_the_idempotency_key_is_looked_at_before_the_unique_one(self, store: Store) -> None:
        kept = add(store, idempotency_key="k")
        enqueue(store)
        assert enqueue(store, idempotency_key="k").job_id == kept
        assert enqueue(store, idempotency_key="new").job_id != kept

    def test_a_transaction_that_is_rolled_back_leaves_the_key_free(self, store: Store) -> None:
        def fail() -> None:
            with store.transaction() as connection:
                assert store.insert([NewJob(key="work", unique="u")], connection=connection)[0].created
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert enqueue(store).created

    def test_a_job_whose_key_another_has_by_now_is_not_retried(self, store: Store) -> None:
        old = enqueue(store).job_id
        settle(store, claim(store)[0], Failed("no"))
        new = enqueue(store).job_id
        other = add(store)
        store.cancel([other])
        assert store.retry([old, other]) == [other]
        assert the(store, old).status is JobStatus.FAILED
        store.cancel([new])
        assert store.retry([old]) == [old]

    def test_of_two_ended_jobs_with_one_key_one_is_retried(self, store: Store) -> None:
        ended: list[int] = []
        for _ in range(2):
            ended.append(enqueue(store).job_id)
            store.cancel(ended)
        assert store.retry(ended) == ended[:1]

    def test_a_waiting_job_is_made_ready_though_its_unique_key_is_its_own(self, store: Store) -> None:
        job_id = add(store, unique="u", delay_us=SECOND)
        assert store.retry([job_id]) == [job_id]

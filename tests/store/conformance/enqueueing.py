"""Enqueue: all or none, once per idempotency key, inside a transaction or by itself."""

from __future__ import annotations

import json
import threading

import pytest
from msgspec.structs import replace

from tests.store.conformance.steps import SECOND, add, claim, the
from windlass.job import JobStatus
from windlass.store.protocol import NewJob, Store


class Enqueueing:
    def test_an_inserted_job_is_pending_and_has_the_id_that_was_told(self, store: Store) -> None:
        told = store.insert([NewJob(key="work", payload='{"a":1}', priority=5)])[0]
        job = the(store, told.job_id)
        assert (job.status, job.payload, job.priority, job.attempts) == (JobStatus.PENDING, {"a": 1}, 5, 0)
        assert told.created

    def test_every_field_is_kept(self, store: Store) -> None:
        job_id = add(
            store, "k", payload=None, queue="mail", priority=-(2**63), max_attempts=7, timeout_us=3 * SECOND,
            idempotency_key="once", unique="one", tags='["a","b"]', meta='{"m":[1]}',
        )  # fmt: skip
        job = the(store, job_id)
        assert (job.key, job.payload, job.queue, job.priority) == ("k", None, "mail", -(2**63))
        assert (job.max_attempts, job.timeout_s, job.idempotency_key) == (7, 3.0, "once")
        assert job.unique == "one"
        assert (job.tags, job.meta) == (("a", "b"), {"m": [1]})

    def test_many_jobs_have_their_ids_in_order(self, store: Store) -> None:
        told = store.insert([NewJob(key="work", payload=f'{{"n":{n}}}') for n in range(50)])
        ids = [row.job_id for row in told]
        assert ids == sorted(set(ids))
        assert the(store, ids[7]).payload == {"n": 7}

    def test_each_of_many_jobs_keeps_what_it_has(self, store: Store) -> None:
        """As each of them would by itself, whatever its text looks like to a format of the store's own."""
        odd = 'a\tb\\nc\nd\\N,"e" ü 🎈\r'
        jobs = [
            NewJob(key="plain"),
            NewJob(key="odd", payload=f'{{"text":{json.dumps(odd)}}}', title=odd, queue="\\N"),
            NewJob(key="nul", title="before\0after", payload="{}"),
            NewJob(key="later", delay_us=3 * SECOND, deadline_in_us=9 * SECOND, timeout_us=SECOND),
            NewJob(key="held", priority=2**63 - 1, max_attempts=1, tags='["x"]', meta='{"m":[1]}', hold="no"),
            NewJob(key="under", constraints='{"network":true}'),
        ]
        together = [row.job_id for row in store.insert(jobs)]
        alone = [store.insert([job])[0].job_id for job in jobs]
        for one, other in zip(together, alone, strict=True):
            assert replace(the(store, one), id=0) == replace(the(store, other), id=0)

    @pytest.mark.parametrize("count", [2, 20])
    def test_jobs_go_in_together_or_not_at_all(self, store: Store, count: int) -> None:
        with pytest.raises(UnicodeEncodeError):
            store.insert([NewJob(key="work")] * (count - 1) + [NewJob(key="work", payload="\ud800")])
        assert store.counts()[JobStatus.PENDING] == 0
        assert len(store.insert([NewJob(key="work")] * count)) == count

    def test_a_second_insert_with_the_same_idempotency_key_finds_the_first(self, store: Store) -> None:
        """J2."""
        first = store.insert([NewJob(key="work", idempotency_key="k")])[0]
        again = store.insert([NewJob(key="work", idempotency_key="k")])[0]
        assert (again.job_id, again.created) == (first.job_id, False)

    def test_an_idempotency_key_counts_per_job_key(self, store: Store) -> None:
        assert store.insert([NewJob(key="a", idempotency_key="k")])[0].created
        assert store.insert([NewJob(key="b", idempotency_key="k")])[0].created

    def test_an_idempotency_key_finds_its_job_also_when_it_has_ended(self, store: Store) -> None:
        job_id = add(store, idempotency_key="k")
        store.cancel([job_id])
        assert store.insert([NewJob(key="work", idempotency_key="k")])[0].job_id == job_id
        store.delete([job_id])
        assert store.insert([NewJob(key="work", idempotency_key="k")])[0].created

    def test_inserts_that_collide_each_get_their_own_job(self, store: Store) -> None:
        ids: list[int] = []
        gate = threading.Barrier(8)

        def produce() -> None:
            gate.wait()
            ids.extend([add(store) for _ in range(25)])

        threads = [threading.Thread(target=produce) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ids) == len(set(ids)) == 200
        assert store.counts()[JobStatus.PENDING] == 200

    def test_one_callers_bad_value_fails_nobody_who_comes_at_the_same_time(self, store: Store) -> None:
        """DBOS #546: one bad dispatch strands its batch."""
        gate = threading.Barrier(8)
        refused: list[Exception] = []

        def produce(number: int) -> None:
            gate.wait()
            for _ in range(10):
                try:
                    add(store, payload="\ud800" if number == 0 else "{}")
                except UnicodeEncodeError as error:
                    refused.append(error)

        threads = [threading.Thread(target=produce, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 10
        assert store.counts()[JobStatus.PENDING] == 70

    def test_a_rolled_back_transaction_leaves_no_job(self, store: Store) -> None:
        """J3."""

        def fail() -> None:
            with store.transaction() as connection:
                store.insert([NewJob(key="work")], connection=connection)
                raise KeyError

        with pytest.raises(KeyError):
            fail()
        assert store.counts()[JobStatus.PENDING] == 0

    def test_a_committed_transaction_keeps_its_job(self, store: Store) -> None:
        with store.transaction() as connection:
            store.insert([NewJob(key="work")], connection=connection)
        assert store.counts()[JobStatus.PENDING] == 1

    def test_fast_jobs_are_there_at_once_and_a_seal_after_them_changes_nothing(self, store: Store) -> None:
        told = store.insert([NewJob(key="work")], durability="fast")
        store.seal()
        store.seal()
        assert [one.job_id for one in claim(store)] == [told[0].job_id]

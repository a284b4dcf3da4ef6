"""The job manager's verbs: look, cancel, retry, delete, pause."""

from __future__ import annotations

import pytest

from tests.store.conformance.settling import name
from tests.store.conformance.steps import SECOND, add, claim, settle, the
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
from windlass.store.protocol import JobFilter, Store

STOPPED = [
    Retried("stopped", SECOND),
    Snoozed("stopped", SECOND),
    Released("stopped"),
    Crashed("killed"),
    Quarantined("unreadable"),
    Cancelled("stopped"),
]


class Managing:
    def test_an_unknown_job_is_none(self, store: Store) -> None:
        assert store.get(12345) is None

    def test_cancelling_a_pending_job_ends_it(self, store: Store) -> None:
        job_id = add(store)
        assert store.cancel([job_id, 999]) == {job_id: JobStatus.CANCELLED}
        assert not store.lanes()

    @pytest.mark.parametrize("outcome", STOPPED, ids=name)
    def test_cancelling_a_running_job_asks_its_dispatcher(self, store: Store, outcome: AnyOutcome) -> None:
        """workmanager #432 #451: however the attempt ends, unless it succeeds, the job is cancelled."""
        job_id = add(store)
        (one,) = claim(store, 4)
        assert store.cancel([job_id]) == {job_id: JobStatus.RUNNING}
        assert store.cancellations(4) == {job_id: "cancelled"}
        assert settle(store, one, outcome)
        assert the(store, job_id).status is JobStatus.CANCELLED

    def test_a_cancel_that_comes_too_late_leaves_a_success(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        store.cancel([job_id])
        settle(store, one, Completed("1"))
        assert the(store, job_id).status is JobStatus.COMPLETED

    def test_a_cancelled_job_of_a_dead_dispatcher_stays_cancelled(self, store: Store) -> None:
        job_id = add(store)
        claim(store, 4)
        store.cancel([job_id])
        store.reclaim(4)
        assert the(store, job_id).status is JobStatus.CANCELLED

    @pytest.mark.parametrize(
        "ending",
        [Completed(), Failed("no"), Cancelled("no"), Quarantined("bad"), Retried("x", SECOND)],
        ids=name,
    )
    def test_a_retry_makes_it_ready_with_an_attempt_left(self, store: Store, ending: AnyOutcome) -> None:
        job_id = add(store, max_attempts=1)
        settle(store, claim(store)[0], ending)
        assert store.retry([job_id]) == [job_id]
        assert [one.job_id for one in claim(store)] == [job_id]
        assert the(store, job_id).attempts <= the(store, job_id).max_attempts

    def test_a_cancelled_job_that_is_retried_is_not_cancelled_again(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        store.cancel([job_id])
        settle(store, one, Released("stopped"))
        store.retry([job_id])
        settle(store, claim(store)[0], Retried("an ordinary error", 0))
        assert the(store, job_id).status is JobStatus.PENDING

    def test_a_job_that_is_retried_by_hand_is_no_suspect_any_more(self, store: Store) -> None:
        job_id = add(store, max_attempts=1)
        settle(store, claim(store)[0], Crashed("died"))
        assert (the(store, job_id).status, the(store, job_id).crashes) == (JobStatus.FAILED, 1)
        store.retry([job_id])
        assert (the(store, job_id).crashes, the(store, job_id).reason) == (0, None)
        assert [lane.alone for lane in store.lanes()] == [False]

    def test_a_running_job_is_neither_retried_nor_deleted(self, store: Store) -> None:
        job_id = add(store)
        claim(store)
        assert store.retry([job_id]) == []
        assert store.delete([job_id]) == []

    def test_deleting_takes_the_history_along(self, store: Store) -> None:
        job_id = add(store)
        settle(store, claim(store)[0], Failed("no"))
        assert store.delete([job_id]) == [job_id]
        assert store.attempts(job_id) == []

    def test_a_deleted_jobs_id_is_not_given_again(self, store: Store) -> None:
        first = add(store)
        store.delete([first])
        assert add(store) > first

    def test_selecting_filters_orders_and_pages(self, store: Store) -> None:
        ids = [
            add(store, key, priority=p, tags=tags)
            for key, p, tags in (("a", 1, None), ("b", 3, '["x"]'), ("a", 2, None))
        ]
        assert [job.id for job in store.select(JobFilter(key="a"), order="id")] == [ids[0], ids[2]]
        assert [job.id for job in store.select(JobFilter(), order="-priority", limit=2)] == [ids[1], ids[2]]
        assert [job.id for job in store.select(JobFilter(), order="id", limit=1, offset=1)] == [ids[1]]
        assert [job.id for job in store.select(JobFilter(tag="x"))] == [ids[1]]
        assert [job.id for job in store.select(JobFilter(after_id=ids[1]))] == [ids[2]]
        assert [job.id for job in store.select(JobFilter(ids=(ids[2], 999)))] == [ids[2]]

    def test_every_order_and_status_shows_each_job_once(self, store: Store) -> None:
        for _ in range(8):
            add(store)
        endings = (Completed(), Failed("no"), Cancelled("no"))
        for one, outcome in zip(claim(store, limit=3), endings, strict=True):
            settle(store, one, outcome)
        claim(store, limit=2)
        counts = store.counts()
        some = (JobStatus.PENDING, JobStatus.RUNNING)
        for status in (None, some, *((one,) for one in JobStatus)):
            expected = sum(counts[one] for one in (JobStatus if status is None else status))
            for order in ("id", "-id", "created_at", "-updated_at", "priority", "-finished_at"):
                where = JobFilter(status=status)
                found = [job.id for job in store.select(where, order=order)]
                pages = [store.select(where, order=order, limit=1, offset=at) for at in range(expected)]
                assert [page[0].id for page in pages] == found
                assert len(set(found)) == len(found) == expected

    def test_an_order_that_does_not_exist_is_refused(self, store: Store) -> None:
        """pgmq #295: an identifier never becomes part of a statement unchecked."""
        with pytest.raises(InvalidJob, match="expected order to be one of created_at, finished_at, id"):
            store.select(JobFilter(), order='id"; DROP TABLE background_service_jobs; --')

    def test_counts_see_every_job_once(self, store: Store) -> None:
        for _ in range(4):
            add(store)
        add(store, delay_us=SECOND)
        one, two = claim(store, limit=2)
        settle(store, one, Completed())
        settle(store, two, Quarantined("bad"))
        claim(store, limit=1)
        counts = store.counts()
        pending, running, completed = JobStatus.PENDING, JobStatus.RUNNING, JobStatus.COMPLETED
        assert (counts[pending], counts[running], counts[completed]) == (3, 1, 1)

    def test_queues_tell_switches_and_contents(self, store: Store) -> None:
        add(store, queue="mail")
        store.set_queue("mail", paused=True)
        store.set_queue("mail", concurrency=2)
        (mail,) = store.queues()
        assert (mail.queue, mail.paused, mail.concurrency, mail.ready) == ("mail", True, 2, 1)
        store.set_queue("mail", paused=False)
        store.set_queue("mail", concurrency=None)
        assert store.switches() == {}

    def test_queues_tell_apart_why_jobs_wait(self, store: Store) -> None:
        for _ in range(3):
            add(store)
        add(store, delay_us=SECOND)
        one, _ = claim(store, limit=2)
        settle(store, one, Quarantined("bad"))
        (queue,) = store.queues()
        assert (queue.ready, queue.scheduled, queue.held, queue.running) == (1, 1, 1, 1)
        assert store.queues(count_to=10) == [queue]

    def test_queues_are_counted_no_further_than_asked_for(self, store: Store) -> None:
        for _ in range(5):
            add(store, queue="mail")
        add(store, queue="rare")
        counted = {state.queue: (state.ready, state.is_least) for state in store.queues(count_to=3)}
        assert counted == {"mail": (3, True), "rare": (1, False)}

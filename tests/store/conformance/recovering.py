"""What upkeep asks: take back what was lost, and forget what is old."""

from __future__ import annotations

from tests.store.conformance.steps import SECOND, add, claim, register, settle, the
from windlass.job import JobStatus
from windlass.outcome import Completed, Failed
from windlass.store.protocol import JobFilter, Store
from windlass.testing import ManualClock


class Recovering:
    def test_a_dead_dispatchers_jobs_come_back_unspent_and_alone(self, store: Store) -> None:
        """J6, J7; huey #844 #559: a task is lost when its worker is killed."""
        job_id = add(store)
        claim(store, 7)
        assert store.reclaim(7) == 1
        assert (the(store, job_id).status, the(store, job_id).attempts) == (JobStatus.PENDING, 0)
        assert store.lanes()[0].alone
        assert [a.outcome for a in store.attempts(job_id)] == ["lost"]

    def test_a_reclaim_leaves_other_dispatchers_jobs_and_the_kept_ones(self, store: Store) -> None:
        add(store)
        second = add(store)
        claim(store, 1, limit=1)
        claim(store, 2, limit=1)
        assert store.reclaim(2, keep=[second]) == 0
        assert store.reclaim(1) == 1
        assert [job.id for job in store.select(JobFilter(status=(JobStatus.RUNNING,)))] == [second]

    def test_a_reclaim_is_bounded(self, store: Store) -> None:
        for _ in range(5):
            add(store)
        claim(store, 1)
        assert [store.reclaim(1, limit=2) for _ in range(4)] == [2, 2, 1, 0]

    def test_a_dispatchers_id_is_never_used_again(self, store: Store) -> None:
        """procrastinate #1518, Oban #862: a newcomer cannot inherit a dead one's jobs unseen."""
        first = register(store)
        store.unregister(first)
        assert register(store) > first
        assert [row.id for row in store.dispatchers()] == [first + 1]

    def test_a_dispatcher_is_not_forgotten_while_jobs_run_in_its_name(self, store: Store) -> None:
        """procrastinate #1495: its slot is recorded, so whoever looks later can take them back."""
        owner = register(store)
        add(store)
        claim(store, owner)
        store.unregister(owner)
        assert [row.id for row in store.dispatchers()] == [owner]
        store.reclaim(owner)
        store.unregister(owner)
        assert store.dispatchers() == []

    def test_pruning_takes_old_and_surplus_jobs_in_bounded_steps(
        self, store: Store, clock: ManualClock
    ) -> None:
        for _ in range(6):
            add(store)
            settle(store, claim(store)[0], Completed())
            clock.advance(1)
        waiting = add(store)
        assert store.prune(older_than_us=100 * SECOND, keep=4, limit=1) == 1
        assert store.prune(older_than_us=100 * SECOND, keep=4, limit=10) == 1
        assert store.prune(older_than_us=100 * SECOND, keep=4, limit=10) == 0
        assert store.prune(older_than_us=2 * SECOND, keep=100) == 2
        assert store.get(waiting) is not None

    def test_of_jobs_that_ended_in_one_turn_pruning_keeps_as_many_as_it_should(self, store: Store) -> None:
        ids = [add(store) for _ in range(10)]
        for one in claim(store):
            settle(store, one, Completed())
        assert store.prune(older_than_us=100 * SECOND, keep=3) == 7
        assert [job.id for job in store.select(JobFilter(), order="id")] == ids[7:]

    def test_pruning_keeps_so_many_of_each_status_and_takes_their_history_along(self, store: Store) -> None:
        failed = [add(store) for _ in range(3)]
        for one in claim(store):
            settle(store, one, Failed("no"))
        done = add(store)
        settle(store, claim(store)[0], Completed())
        assert store.prune(older_than_us=100 * SECOND, keep=1) == 2
        assert [job.id for job in store.select(JobFilter(), order="id")] == [failed[2], done]
        assert store.attempts(failed[0]) == []

    def test_pruning_goes_on_while_there_is_work(self, store: Store, clock: ManualClock) -> None:
        """authentik #22713: purge only when idle."""
        for _ in range(3):
            add(store)
            settle(store, claim(store)[0], Completed())
        clock.advance(10)
        for _ in range(20):
            add(store)
        claim(store, limit=5)
        assert store.prune(older_than_us=5 * SECOND, keep=100) == 3
        assert store.counts()[JobStatus.PENDING] == 15

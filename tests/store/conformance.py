"""What every store promises, written against the protocol alone.

A store's test module subclasses ``StoreConformance`` and gives the ``store`` and ``clock`` fixtures; the suite then
runs on it unchanged. Nothing in here knows a table, a driver or a file.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from windlass.clock import SystemClock
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
from windlass.store.protocol import (
    Claim,
    ClaimRequest,
    JobFilter,
    Lane,
    NewJob,
    ProgressNote,
    Settlement,
    Store,
)

SECOND = 1_000_000


class ManualClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000 * SECOND
        self.boot = 1_000 * SECOND
        self.id = "boot-1"

    def wall_us(self) -> int:
        return self.wall

    def boot_us(self) -> int:
        return self.boot

    def boot_id(self) -> str:
        return self.id

    def advance(self, span_us: int) -> None:
        self.wall += span_us
        self.boot += span_us


def register(store: Store) -> int:
    return store.register(
        host="here", pid=1, lock_file="/nowhere", version="1", mode="service", job_keys=None
    )


def add(store: Store, key: str = "work", **fields: object) -> int:
    return store.insert([NewJob(key=key, **fields)])[0].job_id  # type: ignore[arg-type]


def claim(
    store: Store,
    owner: int = 1,
    limit: int = 10,
    lanes: Iterable[Lane] | None = None,
    room: dict[str, int] | None = None,
    cap: int = 1000,
) -> list[Claim]:
    caps = dict.fromkeys(store.lanes() if lanes is None else lanes, cap)
    return store.settle_and_claim([], ClaimRequest(owner, limit, caps, room or {}, lambda _: True)).claimed


def settle(store: Store, one: Claim, outcome: AnyOutcome) -> bool:
    turn = store.settle_and_claim([Settlement(one.job_id, one.attempt, one.token, outcome)])
    assert not turn.unsettled
    return not turn.stale


class StoreConformance:
    """The suite. ``store`` is empty and migrated; its time is ``clock``."""

    # ── enqueue ────────────────────────────────────────────────────────────────────────────────
    def test_an_inserted_job_is_pending_and_has_the_id_that_was_told(self, store: Store) -> None:
        told = store.insert([NewJob(key="work", payload='{"a":1}', priority=5)])[0]
        job = store.get(told.job_id)
        assert job is not None
        assert (job.status, job.payload, job.priority, job.attempts) == (JobStatus.PENDING, {"a": 1}, 5, 0)
        assert told.created

    def test_a_second_insert_with_the_same_idempotency_key_finds_the_first(self, store: Store) -> None:
        first = store.insert([NewJob(key="work", idempotency_key="k")])[0]
        again = store.insert([NewJob(key="work", idempotency_key="k")])[0]
        assert (again.job_id, again.created) == (first.job_id, False)

    def test_an_idempotency_key_counts_per_job_key(self, store: Store) -> None:
        assert store.insert([NewJob(key="a", idempotency_key="k")])[0].created
        assert store.insert([NewJob(key="b", idempotency_key="k")])[0].created

    def test_inserts_that_collide_each_get_their_own_job(self, store: Store) -> None:
        ids: list[int] = []
        gate = threading.Barrier(8)

        def produce() -> None:
            gate.wait()
            for _ in range(25):
                ids.append(add(store))

        threads = [threading.Thread(target=produce) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ids) == len(set(ids)) == 200
        assert store.counts()[JobStatus.PENDING] == 200

    def test_a_rolled_back_transaction_leaves_no_job(self, store: Store) -> None:
        with pytest.raises(KeyError), store.transaction() as connection:
            store.insert([NewJob(key="work")], connection=connection)
            raise KeyError
        assert store.counts()[JobStatus.PENDING] == 0

    def test_a_committed_transaction_keeps_its_job(self, store: Store) -> None:
        with store.transaction() as connection:
            store.insert([NewJob(key="work")], connection=connection)
        assert store.counts()[JobStatus.PENDING] == 1

    # ── claim ──────────────────────────────────────────────────────────────────────────────────
    def test_a_claim_takes_the_highest_priority_first_then_the_oldest(self, store: Store) -> None:
        ids = [add(store, key, priority=p) for key, p in (("a", 0), ("b", 9), ("a", 9), ("b", -1), ("a", 0))]
        claimed = claim(store, limit=5)
        assert [one.job_id for one in claimed] == [ids[1], ids[2], ids[0], ids[4], ids[3]]

    def test_a_claim_never_exceeds_its_limit(self, store: Store) -> None:
        for _ in range(10):
            add(store)
        assert len(claim(store, limit=3)) == 3

    def test_a_claim_never_exceeds_a_lanes_cap(self, store: Store) -> None:
        for _ in range(5):
            add(store)
        assert len(claim(store, cap=2)) == 2

    def test_a_lane_that_is_not_named_is_not_opened(self, store: Store) -> None:
        add(store, "unknown", priority=9)
        known = add(store, "known")
        lanes = [lane for lane in store.lanes() if lane.key == "known"]
        assert [one.job_id for one in claim(store, lanes=lanes)] == [known]

    def test_lanes_are_told_apart_by_queue_and_key(self, store: Store) -> None:
        add(store, "a")
        add(store, "a", queue="mail")
        add(store, "b")
        assert {(lane.queue, lane.key) for lane in store.lanes()} == {
            ("default", "a"),
            ("mail", "a"),
            ("default", "b"),
        }

    def test_a_full_queue_gives_nothing(self, store: Store) -> None:
        for _ in range(3):
            add(store, queue="mail")
        assert len(claim(store, room={"mail": 1})) == 1

    def test_a_declined_job_stays_as_it_was(self, store: Store) -> None:
        job_id = add(store)
        caps = dict.fromkeys(store.lanes(), 10)
        turn = store.settle_and_claim([], ClaimRequest(1, 10, caps, {}, lambda _: False))
        job = store.get(job_id)
        assert not turn.claimed
        assert job is not None
        assert (job.status, job.attempts) == (JobStatus.PENDING, 0)

    def test_two_claims_never_get_the_same_job(self, store: Store) -> None:
        for _ in range(6):
            add(store)
        first, second = claim(store, 1, limit=3), claim(store, 2, limit=10)
        assert not {one.job_id for one in first} & {one.job_id for one in second}
        assert len(first) + len(second) == 6

    def test_a_claimed_job_is_running_and_its_attempt_is_counted(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        job = store.get(job_id)
        assert job is not None
        assert (job.status, job.attempts, one.attempt) == (JobStatus.RUNNING, 1, 1)
        assert job.started_at is not None

    # ── settle ─────────────────────────────────────────────────────────────────────────────────
    def test_a_completed_job_keeps_its_result(self, store: Store) -> None:
        job_id = add(store)
        assert settle(store, claim(store)[0], Completed('{"n":2}'))
        job = store.get(job_id)
        assert job is not None
        assert (job.status, job.result) == (JobStatus.COMPLETED, {"n": 2})
        assert job.finished_at is not None

    def test_a_stale_attempt_cannot_complete_a_rescued_job(self, store: Store) -> None:
        """procrastinate #1518, Oban #532: the late result of an old attempt changes nothing."""
        job_id = add(store)
        (old,) = claim(store, 1)
        assert store.reclaim(1) == 1
        (new,) = claim(store, 2)
        assert not settle(store, old, Completed())
        assert settle(store, new, Failed("no", "permanent"))
        assert not settle(store, old, Completed())
        job = store.get(job_id)
        assert job is not None
        assert job.status is JobStatus.FAILED

    def test_a_stale_settlement_leaves_its_batch_alone(self, store: Store) -> None:
        """DBOS #546: one bad entry strands nothing."""
        add(store)
        add(store)
        one, two = claim(store)
        batch = [
            Settlement(one.job_id, one.attempt, one.token + 1, Completed()),
            Settlement(two.job_id, two.attempt, two.token, Completed()),
        ]
        turn = store.settle_and_claim(batch)
        assert [stale.job_id for stale in turn.stale] == [one.job_id]
        assert store.counts()[JobStatus.COMPLETED] == 1

    def test_an_outcome_the_database_refuses_fails_alone(self, store: Store) -> None:
        add(store)
        add(store)
        one, two = claim(store)
        batch = [
            Settlement(one.job_id, one.attempt, one.token, Completed("\ud800")),
            Settlement(two.job_id, two.attempt, two.token, Completed("1")),
        ]
        turn = store.settle_and_claim(batch)
        assert [bad.job_id for bad, _ in turn.unsettled] == [one.job_id]
        assert store.counts()[JobStatus.COMPLETED] == 1

    def test_a_retried_job_waits_for_its_delay_and_keeps_its_error(
        self, store: Store, clock: ManualClock
    ) -> None:
        job_id = add(store)
        assert settle(store, claim(store)[0], Retried("boom", 10 * SECOND))
        job = store.get(job_id)
        assert job is not None
        assert (job.status, job.last_error, job.attempts) == (JobStatus.PENDING, "boom", 1)
        assert not store.lanes()
        assert store.promote().next_due_us == 10 * SECOND
        clock.advance(10 * SECOND)
        assert store.promote().promoted == 1
        assert claim(store)[0].attempt == 2

    def test_a_snoozed_job_spends_no_attempt(self, store: Store) -> None:
        job_id = add(store)
        settle(store, claim(store)[0], Snoozed("later", SECOND))
        job = store.get(job_id)
        assert job is not None
        assert (job.attempts, job.last_error) == (0, None)

    def test_a_released_job_is_ready_again_and_spends_no_attempt(self, store: Store) -> None:
        job_id = add(store)
        settle(store, claim(store)[0], Released("not started"))
        job = store.get(job_id)
        assert job is not None
        assert (job.status, job.attempts) == (JobStatus.PENDING, 0)
        assert [one.job_id for one in claim(store)] == [job_id]

    def test_a_crashed_job_spends_its_attempt_and_runs_alone(self, store: Store) -> None:
        job_id = add(store)
        settle(store, claim(store)[0], Crashed("died"))
        assert [lane.alone for lane in store.lanes()] == [True]
        job = store.get(job_id)
        assert job is not None
        assert (job.attempts, job.crashes) == (1, 1)

    def test_the_third_crash_of_a_job_is_its_last(self, store: Store) -> None:
        job_id = add(store, max_attempts=10)
        for _ in range(3):
            settle(store, claim(store)[0], Crashed("died"))
        job = store.get(job_id)
        assert job is not None
        assert (job.status, job.reason, job.crashes) == (JobStatus.FAILED, "crashed", 3)

    def test_one_of_several_suspects_is_not_failed_for_another(self, store: Store) -> None:
        job_id = add(store, max_attempts=1)
        settle(store, claim(store)[0], Crashed("died", sole=False))
        job = store.get(job_id)
        assert job is not None
        assert (job.status, job.crashes) == (JobStatus.PENDING, 0)

    def test_a_quarantined_job_is_held_with_its_reason(self, store: Store) -> None:
        job_id = add(store)
        settle(store, claim(store)[0], Quarantined("payload is not an object"))
        job = store.get(job_id)
        assert job is not None
        assert (job.status, job.hold, job.attempts) == (JobStatus.PENDING, "payload is not an object", 0)
        assert not store.lanes()

    def test_what_went_wrong_is_kept_attempt_by_attempt(self, store: Store) -> None:
        job_id = add(store)
        settle(store, claim(store)[0], Retried("one", 0))
        settle(store, claim(store)[0], Failed("two", "exhausted"))
        history = store.attempts(job_id)
        assert [(a.attempt, a.outcome, a.error) for a in history] == [
            (1, "retried", "one"),
            (2, "failed", "two"),
        ]

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
        job = store.get(job_id)
        assert job is not None
        assert job.progress is not None
        assert job.progress.done == 1

    def test_completing_on_a_connection_commits_with_it(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        connection = store.connect()
        store.begin(connection)
        assert store.complete_on(connection, Settlement(*one_key(one), Completed("7")))
        store.commit(connection)
        store.disconnect(connection)
        job = store.get(job_id)
        assert job is not None
        assert (job.status, job.result) == (JobStatus.COMPLETED, 7)

    def test_completing_a_job_that_is_no_longer_ours_says_so(self, store: Store) -> None:
        add(store)
        (one,) = claim(store)
        store.reclaim(1)
        connection = store.connect()
        store.begin(connection)
        assert not store.complete_on(connection, Settlement(*one_key(one), Completed()))
        connection.rollback()
        store.disconnect(connection)

    # ── upkeep ─────────────────────────────────────────────────────────────────────────────────
    def test_a_dead_dispatchers_jobs_come_back_unspent_and_alone(self, store: Store) -> None:
        job_id = add(store)
        claim(store, 7)
        assert store.reclaim(7) == 1
        job = store.get(job_id)
        assert job is not None
        assert (job.status, job.attempts) == (JobStatus.PENDING, 0)
        assert store.lanes()[0].alone
        assert [a.outcome for a in store.attempts(job_id)] == ["lost"]

    def test_a_reclaim_leaves_other_dispatchers_jobs_and_the_kept_ones(self, store: Store) -> None:
        first, second = add(store), add(store)
        claim(store, 1, limit=1)
        claim(store, 2, limit=1)
        assert store.reclaim(2, keep=[second]) == 0
        assert store.reclaim(1) == 1
        assert [job.id for job in store.select(JobFilter(status=(JobStatus.RUNNING,)))] == [second]
        assert first != second

    def test_a_dispatchers_id_is_never_used_again(self, store: Store) -> None:
        """procrastinate #1518, Oban #862: a newcomer cannot inherit a dead one's jobs unseen."""
        first = register(store)
        store.unregister(first)
        assert register(store) > first
        assert [row.id for row in store.dispatchers()] == [first + 1]

    def test_a_delay_follows_elapsed_time_when_the_wall_clock_jumps(
        self, store: Store, clock: ManualClock
    ) -> None:
        """S4: ninety days forward and back neither hurry nor lose it."""
        add(store, delay_us=60 * SECOND)
        clock.wall += 90 * 86_400 * SECOND
        assert store.promote().promoted == 0
        clock.wall -= 180 * 86_400 * SECOND
        assert store.promote().promoted == 0
        clock.boot += 60 * SECOND
        assert store.promote().promoted == 1

    def test_after_a_reboot_the_wall_time_of_a_delay_decides(self, store: Store, clock: ManualClock) -> None:
        add(store, delay_us=60 * SECOND)
        clock.id, clock.boot = "boot-2", 5 * SECOND
        assert store.promote().promoted == 0
        clock.wall += 60 * SECOND
        assert store.promote().promoted == 1

    def test_promotion_is_bounded(self, store: Store, clock: ManualClock) -> None:
        for _ in range(5):
            add(store, delay_us=SECOND)
        clock.advance(SECOND)
        first = store.promote(limit=3)
        assert (first.promoted, first.next_due_us) == (3, 0)
        assert store.promote(limit=3).promoted == 2

    def test_a_run_at_in_the_past_is_ready_at_once(self, store: Store, clock: ManualClock) -> None:
        add(store, run_at_us=clock.wall - SECOND)
        assert len(claim(store)) == 1

    def test_pruning_takes_old_and_surplus_jobs_in_bounded_steps(
        self, store: Store, clock: ManualClock
    ) -> None:
        for _ in range(6):
            add(store)
            settle(store, claim(store)[0], Completed())
            clock.advance(SECOND)
        waiting = add(store)
        assert store.prune(older_than_us=100 * SECOND, keep=4, limit=1) == 1
        assert store.prune(older_than_us=100 * SECOND, keep=4, limit=10) == 1
        assert store.prune(older_than_us=100 * SECOND, keep=4, limit=10) == 0
        assert store.prune(older_than_us=2 * SECOND, keep=100) == 2
        assert store.get(waiting) is not None

    # ── the job manager ────────────────────────────────────────────────────────────────────────
    def test_an_unknown_job_is_none(self, store: Store) -> None:
        assert store.get(12345) is None

    def test_cancelling_a_pending_job_ends_it(self, store: Store) -> None:
        job_id = add(store)
        assert store.cancel([job_id, 999]) == {job_id: JobStatus.CANCELLED}
        assert not store.lanes()

    def test_cancelling_a_running_job_asks_its_dispatcher(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store, 4)
        assert store.cancel([job_id]) == {job_id: JobStatus.RUNNING}
        assert store.cancellations(4) == [job_id]
        assert settle(store, one, Retried("stopped", SECOND))
        job = store.get(job_id)
        assert job is not None
        assert job.status is JobStatus.CANCELLED

    def test_a_cancelled_job_of_a_dead_dispatcher_stays_cancelled(self, store: Store) -> None:
        job_id = add(store)
        claim(store, 4)
        store.cancel([job_id])
        store.reclaim(4)
        job = store.get(job_id)
        assert job is not None
        assert job.status is JobStatus.CANCELLED

    @pytest.mark.parametrize(
        "ending", [Completed(), Failed("no"), Cancelled("no"), Quarantined("bad"), Retried("x", SECOND)]
    )
    def test_a_retry_makes_it_ready_with_an_attempt_left(self, store: Store, ending: AnyOutcome) -> None:
        job_id = add(store, max_attempts=1)
        settle(store, claim(store)[0], ending)
        assert store.retry([job_id]) == [job_id]
        assert [one.job_id for one in claim(store)] == [job_id]
        job = store.get(job_id)
        assert job is not None
        assert job.attempts <= job.max_attempts

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

    def test_counts_see_every_job_once(self, store: Store) -> None:
        for _ in range(4):
            add(store)
        add(store, delay_us=SECOND)
        one, two = claim(store, limit=2)
        settle(store, one, Completed())
        settle(store, two, Quarantined("bad"))
        claim(store, limit=1)
        counts = store.counts()
        assert (counts[JobStatus.PENDING], counts[JobStatus.RUNNING], counts[JobStatus.COMPLETED]) == (
            3,
            1,
            1,
        )

    def test_queues_tell_switches_and_contents(self, store: Store) -> None:
        add(store, queue="mail")
        store.set_queue("mail", paused=True)
        store.set_queue("mail", concurrency=2)
        (mail,) = store.queues()
        assert (mail.queue, mail.paused, mail.concurrency, mail.ready) == ("mail", True, 2, 1)
        store.set_queue("mail", paused=False)
        store.set_queue("mail", concurrency=None)
        assert store.switches() == {}

    # ── around ─────────────────────────────────────────────────────────────────────────────────
    def test_a_ring_is_heard_once(self, store: Store) -> None:
        bell = store.bell("watch")
        store.ring()
        assert bell.drain()
        assert not bell.drain()
        bell.close()

    def test_migrating_twice_changes_nothing(self, store: Store) -> None:
        assert store.migrate() == []

    def test_the_system_clock_satisfies_the_stores_idea_of_one(self) -> None:
        clock = SystemClock()
        assert clock.boot_us() >= 0
        assert clock.boot_id() == clock.boot_id()


def one_key(one: Claim) -> tuple[int, int, int]:
    return one.job_id, one.attempt, one.token

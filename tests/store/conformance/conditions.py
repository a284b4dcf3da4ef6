"""Jobs that need a condition: in lanes of their own, opened by whoever finds that it holds."""

from __future__ import annotations

from tests.store.conformance.steps import SECOND, accept_any, add, claim, register, settle, the
from windlass.job import JobStatus
from windlass.outcome import Released
from windlass.store.protocol import ClaimRequest, Lane, Store
from windlass.testing import ManualClock

CHARGING, ONLINE = '{"charging":true}', '{"network":"connected"}'


def conditioned(store: Store) -> list[Lane]:
    return [lane for lane in store.lanes() if lane.constraints is not None]


def plain(store: Store) -> list[Lane]:
    return [lane for lane in store.lanes() if lane.constraints is None]


class Conditions:
    def test_each_set_of_constraints_is_a_lane_of_its_own(self, store: Store) -> None:
        add(store)
        for text in (CHARGING, ONLINE, CHARGING):
            add(store, constraints=text)
        add(store, queue="mail", constraints=ONLINE)
        add(store, "a", constraints=ONLINE)
        assert set(store.lanes()) == {
            Lane(False, "default", "work"),
            Lane(False, "default", "work", CHARGING),
            Lane(False, "default", "work", ONLINE),
            Lane(False, "mail", "work", ONLINE),
            Lane(False, "default", "a", ONLINE),
        }

    def test_a_job_whose_lane_is_not_opened_stays_as_it_is(self, store: Store) -> None:
        blocked, free = add(store, priority=9, constraints=CHARGING), add(store)
        assert [one.job_id for one in claim(store, lanes=plain(store))] == [free]
        assert (the(store, blocked).status, the(store, blocked).attempts) == (JobStatus.PENDING, 0)

    def test_a_claim_says_under_which_constraints_it_runs(self, store: Store) -> None:
        add(store, constraints=ONLINE)
        add(store)
        assert [one.constraints for one in claim(store)] == [ONLINE, None]

    def test_the_order_over_all_lanes_stays(self, store: Store) -> None:
        ids = [
            add(store, priority=priority, constraints=text)
            for priority, text in ((0, None), (5, CHARGING), (5, None), (0, ONLINE), (9, ONLINE), (0, None))
        ]
        found = [one.job_id for one in claim(store)]
        assert found == [ids[4], ids[1], ids[2], ids[0], ids[3], ids[5]]

    def test_what_is_not_ready_opens_no_lane(self, store: Store, clock: ManualClock) -> None:
        add(store, constraints=ONLINE, delay_us=5 * SECOND)
        add(store, constraints=CHARGING, hold="it waits for its parents")
        assert store.lanes() == []
        clock.advance(6)
        store.promote()
        assert [lane.constraints for lane in store.lanes()] == [ONLINE]

    def test_a_released_job_waits_for_its_condition_again(self, store: Store) -> None:
        """A condition that was lost spends no attempt and leaves no suspect."""
        job_id = add(store, constraints=ONLINE, max_attempts=1)
        for _ in range(3):
            (one,) = claim(store)
            assert settle(store, one, Released("its condition was lost"))
            assert conditioned(store) == [Lane(False, "default", "work", ONLINE)]
        job = the(store, job_id)
        assert (job.status, job.attempts, job.crashes) == (JobStatus.PENDING, 0, 0)
        assert store.attempts(job_id) == []

    def test_a_suspect_keeps_its_constraints(self, store: Store) -> None:
        add(store, constraints=ONLINE)
        (one,) = claim(store)
        settle(store, one, Released("its dispatcher died", alone=True))
        assert store.lanes() == [Lane(True, "default", "work", ONLINE)]

    def test_a_job_keeps_its_constraints_over_a_retry(self, store: Store) -> None:
        job_id = add(store, constraints=ONLINE)
        store.cancel([job_id])
        assert store.lanes() == []
        assert store.retry([job_id]) == [job_id]
        assert [lane.constraints for lane in store.lanes()] == [ONLINE]

    def test_queues_count_what_waits_for_a_condition_as_ready(self, store: Store) -> None:
        add(store)
        add(store, constraints=ONLINE)
        assert [(state.queue, state.ready) for state in store.queues()] == [("default", 2)]

    def test_a_paused_queue_gives_nothing_from_its_conditioned_lanes(self, store: Store) -> None:
        add(store, constraints=ONLINE)
        lanes = store.lanes()
        store.set_queue("default", paused=True)
        assert claim(store, lanes=lanes) == []

    # ── since when ─────────────────────────────────────────────────────────────────────────────
    def test_a_lane_waits_since_its_oldest_job_was_enqueued(self, store: Store, clock: ManualClock) -> None:
        began_us = clock.wall_us()
        add(store, constraints=ONLINE)
        clock.advance(10)
        add(store, constraints=ONLINE, priority=9)
        (lane,) = store.lanes()
        assert store.waits_since(lane) == began_us
        claim(store, lanes=[])
        assert store.waits_since(lane._replace(key="other")) is None

    def test_a_claim_may_leave_out_what_came_later(self, store: Store, clock: ManualClock) -> None:
        """A file that changed before a job was enqueued is not what that job waits for."""
        first = add(store, constraints=ONLINE)
        clock.advance(10)
        changed_us = clock.wall_us()
        clock.advance(10)
        second = add(store, constraints=ONLINE, priority=9)
        (lane,) = store.lanes()
        request = ClaimRequest(1, 10, {lane: 10}, accept_any, before={lane: changed_us})
        assert [one.job_id for one in store.settle_and_claim([], request).claimed] == [first]
        assert store.settle_and_claim([], request).claimed == []
        assert [one.job_id for one in claim(store)] == [second]

    # ── what cannot be read ────────────────────────────────────────────────────────────────────
    def test_a_lane_is_held_step_by_step_and_no_other(self, store: Store) -> None:
        odd = [add(store, constraints="{") for _ in range(5)]
        other = add(store, constraints=ONLINE)
        lane = Lane(False, "default", "work", "{")
        assert [store.hold_lane(lane, "unreadable", limit=3) for _ in range(3)] == [3, 2, 0]
        assert {the(store, job_id).hold for job_id in odd} == {"unreadable"}
        assert the(store, other).hold is None
        assert [one.constraints for one in store.lanes()] == [ONLINE]

    # ── devices ────────────────────────────────────────────────────────────────────────────────
    def test_each_dispatcher_says_what_it_reads(self, store: Store, clock: ManualClock) -> None:
        first, second = register(store), register(store)
        store.publish_device(first, "{}")
        clock.advance(5)
        store.publish_device(second, '{"now_us":1}')
        store.publish_device(first, '{"now_us":2}')
        now_us = clock.wall_us()
        assert [(row.owner, row.state, row.read_at_us) for row in store.devices()] == [
            (first, '{"now_us":2}', now_us),
            (second, '{"now_us":1}', now_us),
        ]
        store.forget_device(first)
        store.forget_device(first)
        assert [row.owner for row in store.devices()] == [second]

    def test_a_dispatcher_that_is_gone_says_nothing_more(self, store: Store) -> None:
        owner = register(store)
        add(store)
        claim(store, owner)
        store.publish_device(owner, "{}")
        store.unregister(owner)  # its job is still to be reclaimed: the row stays, its word does not
        assert [row.id for row in store.dispatchers()] == [owner]
        assert store.devices() == []

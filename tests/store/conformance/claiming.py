"""Claim: the best first, never more than asked, never what may not run."""

from __future__ import annotations

from tests.store.conformance.steps import accept_any, add, claim, settlement, the
from windlass.job import JobStatus
from windlass.outcome import Completed
from windlass.store.protocol import ClaimRequest, Store


class Claiming:
    def test_a_claim_takes_the_highest_priority_first_then_the_oldest(self, store: Store) -> None:
        ids = [add(store, key, priority=p) for key, p in (("a", 0), ("b", 9), ("a", 9), ("b", -1), ("a", 0))]
        claimed = claim(store, limit=5)
        assert [one.job_id for one in claimed] == [ids[1], ids[2], ids[0], ids[4], ids[3]]

    def test_the_ends_of_the_priorities_are_in_order_too(self, store: Store) -> None:
        least, most = add(store, priority=-(2**63)), add(store, priority=2**63 - 1)
        assert [one.job_id for one in claim(store)] == [most, least]

    def test_a_claim_never_exceeds_its_limit(self, store: Store) -> None:
        """delayed_job #915: LIMIT overshoot."""
        for _ in range(10):
            add(store)
        assert len(claim(store, limit=3)) == 3
        assert store.counts()[JobStatus.RUNNING] == 3

    def test_a_limit_holds_over_all_lanes_together(self, store: Store) -> None:
        """delayed_job #915, again."""
        for key in "abcde":
            for _ in range(3):
                add(store, key)
        assert len(claim(store, limit=4)) == store.counts()[JobStatus.RUNNING] == 4

    def test_a_claim_of_nothing_takes_nothing(self, store: Store) -> None:
        add(store)
        assert claim(store, limit=0) == []
        assert claim(store, cap=0) == []
        assert claim(store, lanes=[]) == []

    def test_a_claim_never_exceeds_a_lanes_cap(self, store: Store) -> None:
        for _ in range(5):
            add(store)
        assert len(claim(store, cap=2)) == 2

    def test_a_lane_that_is_not_named_is_not_opened(self, store: Store) -> None:
        """J8: an unknown key waits as it is, whatever its priority."""
        unknown = add(store, "unknown", priority=9)
        known = add(store, "known")
        lanes = [lane for lane in store.lanes() if lane.key == "known"]
        assert [one.job_id for one in claim(store, lanes=lanes)] == [known]
        assert (the(store, unknown).status, the(store, unknown).attempts) == (JobStatus.PENDING, 0)
        assert [one.job_id for one in claim(store)] == [unknown]

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
        assert len(claim(store, limits={"mail": 1})) == 1
        assert claim(store, 2, limits={"mail": 1}) == []

    def test_room_in_a_queue_is_counted_after_what_ends_in_the_same_turn(self, store: Store) -> None:
        for _ in range(2):
            add(store, queue="mail")
        (one,) = claim(store, limits={"mail": 1})
        caps = dict.fromkeys(store.lanes(), 10)
        request = ClaimRequest(1, 10, caps, accept_any)
        assert len(store.settle_and_claim([settlement(one, Completed())], request).claimed) == 1

    def test_a_queue_paused_since_the_lanes_were_read_gives_nothing(self, store: Store) -> None:
        add(store, queue="mail")
        lanes = store.lanes()
        store.set_queue("mail", paused=True)
        assert claim(store, lanes=lanes) == []
        store.set_queue("mail", paused=False)
        assert len(claim(store, lanes=lanes)) == 1

    def test_a_declined_job_stays_as_it_was(self, store: Store) -> None:
        job_id = add(store)
        caps = dict.fromkeys(store.lanes(), 10)
        turn = store.settle_and_claim([], ClaimRequest(1, 10, caps, lambda _: False))
        assert not turn.claimed
        assert (the(store, job_id).status, the(store, job_id).attempts) == (JobStatus.PENDING, 0)

    def test_two_claims_never_get_the_same_job(self, store: Store) -> None:
        for _ in range(6):
            add(store)
        first, second = claim(store, 1, limit=3), claim(store, 2, limit=10)
        assert not {one.job_id for one in first} & {one.job_id for one in second}
        assert len(first) + len(second) == 6

    def test_a_claimed_job_is_running_and_its_attempt_is_counted(self, store: Store) -> None:
        job_id = add(store)
        (one,) = claim(store)
        job = the(store, job_id)
        assert (job.status, job.attempts, one.attempt) == (JobStatus.RUNNING, 1, 1)
        assert job.started_at is not None

    def test_claims_of_different_turns_have_different_tokens(self, store: Store) -> None:
        add(store)
        add(store)
        tokens = {claim(store, limit=1)[0].token for _ in range(2)}
        assert len(tokens) == 2

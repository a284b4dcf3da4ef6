"""Limits: never more at once than the concurrency, never more starts in a span than the rate."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.store.conformance.steps import SECOND, accept_any, add, claim, settle, the
from windlass.job import JobStatus
from windlass.outcome import Completed, Released
from windlass.rate import Rate, read_rate
from windlass.store.limits import Limit, in_force
from windlass.store.protocol import Claim, ClaimRequest, Lane, Store, Turn
from windlass.testing import ManualClock

TWO_A_SECOND = read_rate("2/s")
SPACING = TWO_A_SECOND.spacing_us


def turn(store: Store, owner: int = 1, *, extra_us: int = 0) -> Turn:
    caps = dict.fromkeys(store.lanes(), 100)
    return store.settle_and_claim([], ClaimRequest(owner, 100, caps, accept_any, extra_us=extra_us))


def wait(clock: ManualClock, span_us: int) -> None:
    clock.advance(timedelta(microseconds=span_us))


class Limiting:
    # ── how many at once ───────────────────────────────────────────────────────────────────────
    def test_a_full_key_gives_nothing_over_all_its_queues_and_dispatchers(self, store: Store) -> None:
        store.set_limit("key", "sms", concurrency=2)
        for queue in ("default", "mail", "default"):
            add(store, "sms", queue=queue)
        assert len(claim(store, 1, limit=1)) == 1
        assert len(claim(store, 2)) == 1
        assert claim(store, 3) == []
        assert (store.running_by_key(), sum(store.running_by_queue().values())) == ({"sms": 2}, 2)

    def test_a_place_is_free_again_in_the_turn_that_settles(self, store: Store) -> None:
        store.set_limit("key", "sms", concurrency=1)
        add(store, "sms")
        add(store, "sms")
        (one,) = claim(store)
        assert settle(store, one, Completed())
        assert len(claim(store)) == 1

    def test_a_job_counts_for_its_queue_and_for_its_key(self, store: Store) -> None:
        store.set_limit("queue", "mail", concurrency=3)
        store.set_limit("key", "sms", concurrency=2)
        for key in ("sms", "sms", "sms", "letter", "letter"):
            add(store, key, queue="mail")
        assert sorted(one.key for one in claim(store)) == ["letter", "sms", "sms"]

    def test_a_limited_lane_holds_no_other_back(self, store: Store) -> None:
        store.set_limit("key", "sms", concurrency=1)
        for _ in range(5):
            add(store, "sms", priority=9)
        other = add(store, "letter")
        assert [one.key for one in claim(store)] == ["sms", "letter"]
        assert the(store, other).status is JobStatus.RUNNING

    def test_a_queues_limit_is_one_with_its_switch(self, store: Store) -> None:
        """What older versions wrote is the same limit, and counts."""
        store.set_queue("mail", concurrency=2)
        assert store.limits() == [Limit(kind="queue", name="mail", concurrency=2)]
        store.set_limit("queue", "mail", concurrency=3)
        assert store.switches()["mail"].concurrency == 3
        store.set_limit("queue", "mail", rate=TWO_A_SECOND)
        assert store.limits() == [Limit(kind="queue", name="mail", concurrency=3, rate=TWO_A_SECOND)]
        store.set_queue("mail", concurrency=None)
        assert store.limits() == [Limit(kind="queue", name="mail", rate=TWO_A_SECOND)]
        assert store.lift_limit("queue", "mail")
        assert store.limits() == []
        assert not store.lift_limit("queue", "mail")

    # ── how often ──────────────────────────────────────────────────────────────────────────────
    def test_starts_are_spaced_evenly(self, store: Store, clock: ManualClock) -> None:
        store.set_limit("key", "sms", rate=TWO_A_SECOND)
        for _ in range(3):
            add(store, "sms")
        first = turn(store)
        assert len(first.claimed) == 1
        assert first.slot_in_us is not None
        assert 0 < first.slot_in_us <= SPACING
        assert turn(store).claimed == []
        wait(clock, first.slot_in_us - 1)
        assert turn(store).claimed == []
        wait(clock, 1)
        assert len(turn(store).claimed) == 1

    def test_a_claim_under_a_rate_says_until_when_it_may_start(
        self, store: Store, clock: ManualClock
    ) -> None:
        store.set_limit("key", "sms", rate=TWO_A_SECOND)
        add(store, "sms")
        add(store, "letter")
        found = {one.key: one.start_by_us for one in turn(store).claimed}
        assert found == {"sms": clock.boot_us() + TWO_A_SECOND.late_us, "letter": None}

    def test_extra_time_to_start_moves_all_later_ones(self, store: Store, clock: ManualClock) -> None:
        store.set_limit("key", "sms", rate=TWO_A_SECOND)
        add(store, "sms")
        add(store, "sms")
        found = turn(store, extra_us=SECOND)
        assert found.claimed[0].start_by_us == clock.boot_us() + TWO_A_SECOND.late_us + SECOND
        assert found.slot_in_us == SPACING + SECOND - TWO_A_SECOND.early_us

    def test_a_rate_holds_over_all_dispatchers(self, store: Store, clock: ManualClock) -> None:
        store.set_limit("key", "sms", rate=TWO_A_SECOND)
        for _ in range(9):
            add(store, "sms")
        assert [len(turn(store, owner).claimed) for owner in (1, 2, 3)] == [1, 0, 0]
        wait(clock, SPACING)
        assert [len(turn(store, owner).claimed) for owner in (3, 2, 1)] == [1, 0, 0]

    def test_a_slot_is_not_given_back(self, store: Store, clock: ManualClock) -> None:
        """Its dispatcher was killed, or its process was late: it was counted."""
        store.set_limit("key", "sms", rate=TWO_A_SECOND)
        add(store, "sms")
        (one,) = turn(store).claimed
        assert settle(store, one, Released("late"))
        assert turn(store).claimed == []
        wait(clock, SPACING)
        assert [again.attempt for again in turn(store).claimed] == [1]

    def test_nothing_is_saved_up_while_nobody_starts(self, store: Store, clock: ManualClock) -> None:
        store.set_limit("key", "sms", rate=TWO_A_SECOND)
        add(store, "sms")
        turn(store)
        clock.advance("1h")
        for _ in range(5):
            add(store, "sms")
        assert len(turn(store).claimed) == 1
        assert turn(store).claimed == []

    def test_both_rates_of_a_job_hold(self, store: Store, clock: ManualClock) -> None:
        store.set_limit("key", "sms", rate=TWO_A_SECOND)
        store.set_limit("queue", "mail", rate=read_rate("1/m"))
        for queue in ("mail", "mail", "default"):
            add(store, "sms", queue=queue)
        assert [one.queue for one in turn(store).claimed] == ["mail"]
        wait(clock, SPACING)
        assert [one.queue for one in turn(store).claimed] == ["default"]
        wait(clock, SPACING)
        assert turn(store).claimed == []
        clock.advance("1m")
        assert [one.queue for one in turn(store).claimed] == ["mail"]

    def test_a_declined_job_takes_no_slot(self, store: Store) -> None:
        store.set_limit("key", "sms", rate=TWO_A_SECOND)
        add(store, "sms")
        asked: list[Claim] = []

        def decline(one: Claim) -> bool:
            asked.append(one)
            return False

        caps = dict.fromkeys(store.lanes(), 10)
        declined = store.settle_and_claim([], ClaimRequest(1, 10, caps, decline))
        assert (declined.claimed, declined.slot_in_us, len(asked)) == ([], None, 1)
        assert len(turn(store).claimed) == 1

    def test_only_what_waits_for_its_slot_is_told_of_it(self, store: Store) -> None:
        store.set_limit("key", "sms", rate=TWO_A_SECOND, concurrency=1)
        add(store, "sms")
        add(store, "letter")
        assert turn(store).slot_in_us is None  # it is the place that is missing, and whoever frees it says so
        assert turn(store).slot_in_us is None

    # ── clocks ─────────────────────────────────────────────────────────────────────────────────
    @pytest.mark.parametrize("days", [90, -90])
    def test_a_jump_of_the_wall_clock_moves_no_slot(
        self, store: Store, clock: ManualClock, days: int
    ) -> None:
        """S4."""
        store.set_limit("key", "sms", rate=TWO_A_SECOND)
        add(store, "sms")
        add(store, "sms")
        turn(store)
        clock.jump(clock.now + timedelta(days=days))
        assert turn(store).claimed == []
        wait(clock, SPACING)
        assert len(turn(store).claimed) == 1

    def test_a_rate_survives_a_reboot(self, store: Store, clock: ManualClock) -> None:
        store.set_limit("key", "report", rate=read_rate("1/h"))
        add(store, "report")
        add(store, "report")
        turn(store)
        clock.reboot()
        waits = turn(store)
        assert waits.claimed == []
        # The start before cannot have been after this boot began, whenever that was.
        assert waits.slot_in_us is not None
        assert 3600 * SECOND <= waits.slot_in_us <= 3602 * SECOND
        wait(clock, waits.slot_in_us)
        assert len(turn(store).claimed) == 1

    # ── setting ────────────────────────────────────────────────────────────────────────────────
    def test_what_was_set_wins_over_what_is_declared_and_is_kept(self, store: Store) -> None:
        store.set_limit("declared", "sms", concurrency=4, rate=Rate(50, SECOND))
        store.set_limit("key", "sms", concurrency=1)
        assert in_force(store.limits()) == {
            ("key", "sms"): Limit(kind="key", name="sms", concurrency=1, rate=Rate(50, SECOND))
        }
        store.set_limit("declared", "sms", concurrency=9, rate=None)
        assert in_force(store.limits())["key", "sms"].concurrency == 1
        assert store.lift_limit("key", "sms")
        assert in_force(store.limits()) == {("key", "sms"): Limit(kind="declared", name="sms", concurrency=9)}

    def test_a_declared_limit_can_be_lifted_by_setting_none(self, store: Store) -> None:
        store.set_limit("declared", "sms", concurrency=1)
        store.set_limit("key", "sms", concurrency=None)
        for _ in range(3):
            add(store, "sms")
        assert len(claim(store)) == 3

    def test_setting_and_lifting_a_limit_starts_no_rate_anew(self, store: Store, clock: ManualClock) -> None:
        rate = read_rate("1/m")
        store.set_limit("declared", "sms", rate=rate)
        for _ in range(5):
            add(store, "sms")
        assert len(turn(store).claimed) == 1
        store.set_limit("key", "sms", concurrency=4)
        assert turn(store).claimed == []
        clock.advance("2m")
        assert len(turn(store).claimed) == 1
        store.lift_limit("key", "sms")
        assert turn(store).claimed == []

    def test_a_faster_rate_does_not_wait_out_a_slower_one(self, store: Store, clock: ManualClock) -> None:
        store.set_limit("key", "sms", rate=read_rate("1/d"))
        add(store, "sms")
        add(store, "sms")
        turn(store)
        store.set_limit("key", "sms", rate=TWO_A_SECOND)
        slot_in_us = turn(store).slot_in_us
        assert slot_in_us is not None
        assert slot_in_us <= TWO_A_SECOND.farthest_us
        wait(clock, slot_in_us)
        assert len(turn(store).claimed) == 1

    def test_a_limit_says_how_long_until_its_next_slot(self, store: Store, clock: ManualClock) -> None:
        store.set_limit("key", "sms", rate=TWO_A_SECOND)
        assert store.limits()[0].slot_in_us == 0
        add(store, "sms")
        turn(store)
        assert store.limits()[0].slot_in_us == SPACING - TWO_A_SECOND.early_us
        wait(clock, SPACING)
        assert store.limits()[0].slot_in_us == 0

    def test_a_limited_lane_costs_one_row_however_much_waits_in_it(self, store: Store) -> None:
        """It is not opened at all while it may give nothing."""
        store.set_limit("key", "sms", rate=TWO_A_SECOND)
        for _ in range(20):
            add(store, "sms")
        asked: list[int] = []

        def count(one: Claim) -> bool:
            asked.append(one.job_id)
            return True

        caps = {Lane(False, "default", "sms"): 100}
        for _ in range(3):
            store.settle_and_claim([], ClaimRequest(1, 100, caps, count))
        assert len(asked) == 1

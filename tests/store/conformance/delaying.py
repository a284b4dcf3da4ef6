"""Delays and dates: two clocks, so that neither a jump nor a reboot loses or hurries anything."""

from __future__ import annotations

from datetime import timedelta

from tests.store.conformance.steps import SECOND, add, claim, the
from windlass.clock import to_wall_us
from windlass.store.protocol import Store
from windlass.testing import ManualClock

DAYS_90 = timedelta(days=90)


class Delaying:
    def test_a_delay_follows_elapsed_time_when_the_wall_clock_jumps(
        self, store: Store, clock: ManualClock
    ) -> None:
        """S4: ninety days forward and back neither hurry nor lose it."""
        add(store, delay_us=60 * SECOND)
        clock.jump(clock.now + DAYS_90)
        assert store.promote().promoted == 0
        clock.jump(clock.now - 2 * DAYS_90)
        assert store.promote().promoted == 0
        clock.advance(60)
        assert store.promote().promoted == 1

    def test_a_date_follows_the_wall_clock(self, store: Store, clock: ManualClock) -> None:
        add(store, run_at_us=to_wall_us(clock.now + DAYS_90))
        clock.advance(60)
        assert store.promote().promoted == 0
        clock.jump(clock.now + DAYS_90)
        assert store.promote().promoted == 1

    def test_after_a_reboot_the_wall_time_of_a_delay_decides(self, store: Store, clock: ManualClock) -> None:
        """Celery #2599, kombu #337: and it is still one job."""
        add(store, delay_us=60 * SECOND)
        clock.reboot()
        assert store.promote().promoted == 0
        clock.advance(60)
        assert store.promote().promoted == 1
        assert len(claim(store)) == 1

    def test_after_a_reboot_no_delay_waits_for_more_than_its_turn(
        self, store: Store, clock: ManualClock
    ) -> None:
        """However many delays the earlier boot left behind, each step says that there is more."""
        for _ in range(25):
            add(store, delay_us=60 * SECOND)
        clock.reboot()
        add(store, delay_us=3600 * SECOND)
        clock.advance(60)
        promoted, steps = 0, 0
        while (promotion := store.promote(limit=10)).next_due_us == 0:
            promoted += promotion.promoted
            steps += 1
        assert promoted + promotion.promoted == 25
        assert steps <= 6
        assert promotion.next_due_us == 3540 * SECOND

    def test_the_next_due_job_is_told_over_both_clocks(self, store: Store, clock: ManualClock) -> None:
        assert store.promote().next_due_us is None
        add(store, run_at_us=to_wall_us(clock.now) + 90 * SECOND)
        add(store, delay_us=60 * SECOND)
        assert store.promote().next_due_us == 60 * SECOND
        clock.advance(60)
        assert store.promote() == (1, 30 * SECOND)

    def test_promotion_is_bounded(self, store: Store, clock: ManualClock) -> None:
        """delayed_job #915: LIMIT overshoot."""
        for _ in range(5):
            add(store, delay_us=SECOND)
        for _ in range(2):
            add(store, run_at_us=to_wall_us(clock.now) + SECOND)
        clock.advance(1)
        first = store.promote(limit=3)
        assert (first.promoted, first.next_due_us) == (3, 0)
        assert store.promote(limit=3).promoted == 3
        assert store.promote(limit=3).promoted == 1

    def test_a_run_at_in_the_past_is_ready_at_once(self, store: Store, clock: ManualClock) -> None:
        job_id = add(store, run_at_us=to_wall_us(clock.now) - SECOND)
        assert the(store, job_id).run_at is None
        assert len(claim(store)) == 1

    def test_a_delayed_job_is_in_no_lane(self, store: Store) -> None:
        add(store, delay_us=SECOND, priority=2**63 - 1)
        assert store.lanes() == []

"""Many calls that make one job: each puts it off and gives it the newest payload."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.conformance.existing import put, ready
from tests.store.conformance.steps import SECOND, claim, settle, the
from windlass.outcome import AnyOutcome, Completed, Failed, Retried
from windlass.store.protocol import Inserted, Store
from windlass.testing import ManualClock


def put_off(store: Store, payload: str = "{}", most_us: int | None = None, **fields: Any) -> Inserted:
    debounce: dict[str, Any] = {"delay_us": 2 * SECOND, "debounce_us": 2 * SECOND}
    return put(store, payload=payload, debounce_most_us=most_us, **(debounce | fields))


class Debouncing:
    def test_each_call_moves_the_job_and_gives_it_the_newest_payload(
        self, store: Store, clock: ManualClock
    ) -> None:
        first = put_off(store, '{"n": 1}')
        clock.advance(1)
        again = put_off(store, '{"n": 2}')
        assert (again.job_id, again.created, again.disposition) == (first.job_id, False, "debounced")
        assert store.promote().next_due_us == 2 * SECOND
        clock.advance(2)
        assert store.promote().promoted == 1
        (one,) = claim(store)
        assert (one.job_id, one.payload) == (first.job_id, '{"n": 2}')

    def test_a_stream_of_calls_puts_it_off_no_longer_than_the_most(
        self, store: Store, clock: ManualClock
    ) -> None:
        for _ in range(5):
            put_off(store, most_us=5 * SECOND)
            clock.advance(1)
        assert store.promote().promoted == 1
        assert len(claim(store)) == 1

    def test_calls_while_it_runs_make_one_follow_up(self, store: Store, clock: ManualClock) -> None:
        first = put_off(store)
        clock.advance(2)
        store.promote()
        (one,) = claim(store)
        follow_up = put_off(store, '{"n": 1}')
        assert (follow_up.created, follow_up.disposition) == (True, "appended")
        last = put_off(store, '{"n": 2}')
        assert (last.job_id, last.disposition) == (follow_up.job_id, "debounced")
        assert follow_up.job_id != first.job_id
        settle(store, one, Completed())
        assert ready(store) == []
        clock.advance(2)
        store.promote()
        assert [(after.job_id, after.payload) for after in claim(store)] == [(last.job_id, '{"n": 2}')]

    def test_a_follow_up_runs_whatever_became_of_the_one_before(
        self, store: Store, clock: ManualClock
    ) -> None:
        put_off(store)
        clock.advance(2)
        store.promote()
        (one,) = claim(store)
        follow_up = put_off(store).job_id
        clock.advance(2)
        settle(store, one, Failed("no"))
        store.promote()
        assert ready(store) == [follow_up]

    def test_a_call_does_not_hurry_a_job_that_waits_for_its_next_attempt(
        self, store: Store, clock: ManualClock
    ) -> None:
        put_off(store)
        clock.advance(2)
        store.promote()
        settle(store, claim(store)[0], Retried("no", 60 * SECOND))
        assert put_off(store, '{"n": 2}').disposition == "debounced"
        assert store.promote().next_due_us == 60 * SECOND

    def test_a_clock_that_was_set_back_does_not_put_it_off_for_ever(
        self, store: Store, clock: ManualClock
    ) -> None:
        """S4."""
        put_off(store, most_us=10 * SECOND)
        clock.jump(clock.now.replace(year=clock.now.year - 1))
        job_id = put_off(store, most_us=10 * SECOND).job_id
        assert ready(store) == [job_id]

    # ── where a job in the middle of a line was retried, and has the key before those that came first ──
    def test_a_call_puts_off_the_retried_job_not_one_that_is_held_before_it(self, store: Store) -> None:
        """The newest payload would never have run, and an old one did."""
        held, retried = jumped_the_line(store)
        assert put_off(store, '{"n": 2}')[:2] == (retried, False)
        assert the(store, retried).payload == {"n": 2}
        assert the(store, held).payload is None

    @pytest.mark.parametrize("outcome", [Completed(), Failed("no")], ids=["completed", "failed"])
    def test_a_call_while_the_retried_job_runs_makes_one_that_follows_it(
        self, store: Store, clock: ManualClock, outcome: AnyOutcome
    ) -> None:
        held, _ = jumped_the_line(store)
        (one,) = claim(store)
        follow_up = put_off(store)
        assert follow_up.disposition == "appended"
        clock.advance(2)
        settle(store, one, outcome)
        store.promote()
        assert ready(store) == [follow_up.job_id]
        assert (the(store, held).hold or "").startswith("job ")

    def test_a_follow_up_is_not_held_when_one_that_is_held_before_it_is_cancelled(
        self, store: Store, clock: ManualClock
    ) -> None:
        held, _ = jumped_the_line(store)
        (one,) = claim(store)
        follow_up = put_off(store)
        store.cancel([held])
        clock.advance(2)
        settle(store, one, Failed("no"))
        store.promote()
        assert ready(store) == [follow_up.job_id]

    def test_a_retry_lets_the_line_behind_it_go_on_past_what_is_held_before(self, store: Store) -> None:
        _, retried = jumped_the_line(store)
        (one,) = claim(store)
        put_off(store, delay_us=None)
        behind = put(store, "append").job_id
        settle(store, one, Completed())
        (follow_up,) = claim(store)
        settle(store, follow_up, Failed("no"))
        assert ready(store) == []
        store.retry([follow_up.job_id])
        settle(store, claim(store)[0], Completed())
        assert ready(store) == [behind]
        assert retried < follow_up.job_id < behind


def jumped_the_line(store: Store) -> tuple[int, int]:
    """A line whose head was cancelled: one stays held, and the last one was retried and has the key."""
    first, held, last = (put(store, "append").job_id for _ in range(3))
    store.cancel([first])
    assert store.retry([last]) == [last]
    return held, last

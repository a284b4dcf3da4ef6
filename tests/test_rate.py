"""Rates: what people write, and that no window ever holds more starts than it may."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.errors import InvalidJob
from windlass.rate import COUNT_MOST, EXTRA_MOST_US, LONGEST_US, SHORTEST_US, Rate, read_rate

SECOND = 1_000_000
RATES = st.builds(
    Rate,
    st.integers(1, 60) | st.integers(1, COUNT_MOST),
    st.integers(SHORTEST_US, 10 * SECOND) | st.integers(SHORTEST_US, LONGEST_US),
)


@pytest.mark.parametrize(
    ("text", "count", "per_us"),
    [
        ("50/s", 50, SECOND),
        (" 50 / s ", 50, SECOND),
        ("600/m", 600, 60 * SECOND),
        ("600/minute", 600, 60 * SECOND),
        ("1/h", 1, 3600 * SECOND),
        ("10/day", 10, 86_400 * SECOND),
        ("5/10s", 5, 10 * SECOND),
        ("7/1h 30m", 7, 5400 * SECOND),
        ((50, "1s"), 50, SECOND),
        ((50, 2), 50, 2 * SECOND),
        (Rate(3, SECOND), 3, SECOND),
    ],
)
def test_a_rate_is_read_as_people_write_it(text: Any, count: int, per_us: int) -> None:
    assert read_rate(text) == Rate(count, per_us)


@pytest.mark.parametrize("text", ["50/s", "600/m", "1/h", "10/d", "5/10s", "7/1h 30m"])
def test_a_rate_is_shown_as_it_was_written(text: str) -> None:
    assert str(read_rate(text)) == text
    assert read_rate(str(read_rate(text))) == read_rate(text)


@pytest.mark.parametrize(
    "value",
    ["fast", "", "50", "/s", "50/", "-1/s", "1.5/s", "50/parsec", 50, 0.5, None, (1, 2, 3), ("a", "s"),
     (True, "1s"), (1.5, "1s"), (50, "soon"), (50, -1), [50, "1s"]],
)  # fmt: skip
def test_what_is_no_rate_is_named_with_the_way_to_write_one(value: Any) -> None:
    with pytest.raises(InvalidJob, match=r'expected rate to be a number of starts .*"50/s".* got '):
        read_rate(value)


@pytest.mark.parametrize("value", ["0/s", (0, "1s"), (-3, "1s"), (COUNT_MOST + 1, "1s")])
def test_a_rate_that_allows_nothing_says_to_pause_the_queue(value: Any) -> None:
    with pytest.raises(
        InvalidJob, match=r"expected rate to allow 1 to 100,000 starts, got .* pause the queue"
    ):
        read_rate(value)


@pytest.mark.parametrize("value", ["5/100ms", (5, 0), "5/999ms", "1/200w"])
def test_a_window_that_nobody_could_keep_to_is_refused(value: Any) -> None:
    with pytest.raises(InvalidJob, match="between a second and a year"):
        read_rate(value)


class _Journal:
    """Starts as they happen: counted at one moment, begun a little later."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.due = 0
        self.now = 0
        self.begun: list[int] = []

    def wait(self, span_us: int) -> None:
        self.now += span_us

    def start(self, late: float, extra: int) -> None:
        for _ in range(min(self.rate.room(self.due, self.now, extra), 200)):
            self.due = self.rate.after(self.due, self.now, extra)
            self.begun.append(self.now + int(late * (self.rate.late_us + extra)))


@given(
    rate=RATES,
    steps=st.lists(
        st.tuples(st.sampled_from(["next", "spacings", "spans"]), st.floats(0, 3), st.floats(0, 1),
                  st.sampled_from([0, 0, 0, EXTRA_MOST_US])),
        min_size=1, max_size=40,
    ),
)  # fmt: skip
def test_no_window_holds_more_starts_than_the_rate_allows(
    rate: Rate, steps: list[tuple[str, float, float, int]]
) -> None:
    journal = _Journal(rate)
    for kind, much, late, extra in steps:
        unit = {"next": 0, "spacings": rate.spacing_us, "spans": rate.per_us}[kind]
        journal.wait(int(much * unit) or rate.wait_us(journal.due, journal.now))
        journal.start(late, extra)
        assert journal.due - journal.now <= rate.farthest_us
    # In the order in which they begin, which need not be the one in which they were counted.
    begun = sorted(journal.begun)
    for first, beyond in zip(begun, begun[rate.count :], strict=False):
        assert beyond - first >= rate.per_us


@given(rate=RATES, now=st.integers(0, 10**12), ahead=st.integers(-(10**9), 10**9))
def test_there_is_room_exactly_when_there_is_nothing_to_wait_for(rate: Rate, now: int, ahead: int) -> None:
    due = now + ahead
    wait_us = rate.wait_us(due, now)
    assert (rate.room(due, now) > 0) is (wait_us == 0)
    assert rate.room(due, now + wait_us) > 0
    assert wait_us == 0 or rate.room(due, now + wait_us - 1) == 0


@given(rate=RATES, lateness=st.lists(st.floats(0, 1), min_size=20, max_size=20))
def test_a_slow_wake_up_costs_no_slot(rate: Rate, lateness: list[float]) -> None:
    """Woken a little late, by less than what a start may come early, the next is never overdue."""
    now, due = 0, rate.early_us
    for late in lateness:
        now += rate.wait_us(due, now) + int(late * rate.early_us)
        assert now <= due
        for _ in range(rate.room(due, now)):
            due = rate.after(due, now)


@given(rate=st.builds(Rate, st.integers(1, 10_000), st.integers(SHORTEST_US, LONGEST_US)))
def test_the_average_is_within_five_in_a_hundred_of_the_limit(rate: Rate) -> None:
    """47.5 to 50 of 50 a second."""
    assert 0.95 < rate.per_us / (rate.count * rate.spacing_us) < 1

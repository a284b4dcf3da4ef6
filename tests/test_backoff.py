"""Backoff: how long to wait, capped, and spread by chance that comes from outside."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.backoff import DEFAULT, Backoff
from windlass.errors import ConfigError

RULES = st.builds(
    Backoff,
    st.sampled_from(["linear", "exponential"]),
    st.integers(0, 10**9),
    st.floats(1, 100),
    st.integers(0, 10**12),
    st.sampled_from(["full", "equal", "none"]),
)


@given(RULES, st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_negative_or_beyond_its_cap(rule: Backoff, attempt: int, chance: float) -> None:
    assert 0 <= rule.delay_us(attempt, chance=chance) <= rule.cap_us


@given(RULES, st.integers(1, 100), st.floats(0, 1, exclude_max=True))
def test_waits_never_shrink_from_one_attempt_to_the_next(rule: Backoff, attempt: int, chance: float) -> None:
    assert rule.delay_us(attempt, chance=chance) <= rule.delay_us(attempt + 1, chance=chance)


def test_linear_grows_by_its_first_wait() -> None:
    rule = Backoff.linear("2s", cap="7s", jitter="none")
    assert [rule.delay_us(n, chance=0) // 1_000_000 for n in (1, 2, 3, 4, 5)] == [2, 4, 6, 7, 7]


def test_exponential_grows_by_its_factor() -> None:
    rule = Backoff.exponential("1s", factor=3, cap="1m", jitter="none")
    assert [rule.delay_us(n, chance=0) // 1_000_000 for n in (1, 2, 3, 4, 5)] == [1, 3, 9, 27, 60]


def test_jitter_spreads_evenly_over_all_or_half_of_the_wait() -> None:
    full, equal = Backoff.linear("10s"), Backoff.linear("10s", jitter="equal")
    assert [full.delay_us(1, chance=c) for c in (0, 0.5, 0.99)] == [0, 5_000_000, 9_900_000]
    assert [equal.delay_us(1, chance=c) for c in (0, 0.5)] == [5_000_000, 7_500_000]


def test_the_default_is_a_second_doubling_to_an_hour() -> None:
    assert (DEFAULT.kind, DEFAULT.jitter) == ("exponential", "full")
    assert DEFAULT.delay_us(1, chance=0.999) < 1_000_000
    assert 3_500_000_000 < DEFAULT.delay_us(1000, chance=0.99) < 3_600_000_000


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Backoff.exponential("1s", factor=0.5), "expected factor to be between 1 and 100, got 0.5"),
        (lambda: Backoff.exponential("soon"), "expected first to be a duration"),
        (lambda: Backoff.linear("1s", cap="never"), "expected cap to be a duration"),
        (lambda: Backoff.linear("1s", jitter="some"), 'expected jitter to be "full", "equal" or "none"'),  # type: ignore[arg-type]
    ],
)
def test_a_rule_that_cannot_be_is_refused(make: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        make()

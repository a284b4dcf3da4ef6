"""Durations: what people write, exactly, and a clear no to the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.duration import describe, to_seconds, to_us
from windlass.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "us"),
    [
        ("10m", 600_000_000),
        ("1h 30m", 5_400_000_000),
        ("1h30m", 5_400_000_000),
        (" 2 d ", 172_800_000_000),
        ("1.5s", 1_500_000),
        ("250ms", 250_000),
        ("7us", 7),
        ("1w", 604_800_000_000),
        (30, 30_000_000),
        (0.25, 250_000),
        (0, 0),
        (timedelta(days=1, microseconds=1), 86_400_000_001),
    ],
)
def test_a_duration_is_what_it_says(written: Any, us: int) -> None:
    assert to_us(written) == us
    assert to_seconds(written) == us / 1_000_000


@pytest.mark.parametrize(
    "written",
    ["", " ", "soon", "10", "10 minutes", "-5s", "1h-30m", "5s!", "١٠s", "1e3s", "s", -1, -0.5, True, None,
     [], float("nan"), float("inf"), 4e9, "200000d", timedelta(seconds=-1), b"5s"],
    ids=repr,
)  # fmt: skip
def test_what_is_no_duration_is_refused_by_its_name(written: Any) -> None:
    with pytest.raises(ConfigError, match="expected delay to be "):
        to_us(written, name="delay")


@given(st.integers(0, 10**15))
def test_whole_microseconds_survive_every_form(us: int) -> None:
    assert to_us(timedelta(microseconds=us)) == us
    assert to_us(f"{us}us") == us


@given(st.integers(0, 10**14))
def test_a_description_is_short_and_close(us: int) -> None:
    told = describe(us)
    assert 0 < len(told) <= 9
    assert abs(to_us(told) - us) <= max(us * 0.1, 500)


@pytest.mark.parametrize(
    ("us", "told"),
    [
        (5_400_000_000, "1h 30m"),
        (3_250_000, "3.2s"),
        (59_000_000, "59s"),
        (999_499, "999ms"),
        (999_500, "1s"),
        (86_400_000_000, "1d"),
        (90_061_000_000, "1d 1h"),
    ],
)
def test_a_description_is_in_the_two_largest_units(us: int, told: str) -> None:
    assert describe(us) == told

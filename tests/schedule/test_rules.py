"""The rules of schedules: pure, so every claim is about numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.schedule import Every, Spec, from_text, to_text

TIMES = st.integers(-(10**18), 10**18)
SPANS = st.integers(1, 10**16)


@given(TIMES, SPANS, TIMES)
def test_the_next_time_is_the_first_of_the_grid_that_is_still_to_come(
    nominal: int, span: int, now: int
) -> None:
    """Celery beat and its like drift: each late run puts off all later ones."""
    after = Every(span).next_after(nominal, now)
    assert after > max(nominal, now)
    assert (after - nominal) % span == 0
    assert after - span <= max(nominal, now)


def test_what_is_stored_can_be_read_back() -> None:
    spec = Spec(every=10**6, initial_delay=5, queue="mail", priority=3, max_attempts=7, tags=("a",))
    assert from_text(to_text(spec)) == spec
    assert from_text('{"every": 3600000000}').longest_wait_us(has_run=False) == 3_600_000_000


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"every": 0}', '{"every": -5}', '{"every": "1h"}'])
def test_what_cannot_be_read_says_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_text(text)

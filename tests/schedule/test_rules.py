"""The rule of intervals: pure, so every claim is about numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from windlass.schedule import Every

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


@given(TIMES, SPANS, TIMES)
def test_a_rest_is_as_long_as_it_is_said(nominal: int, span: int, ended: int) -> None:
    assert Every(span, from_end=True).next_after(nominal, ended) == max(nominal, ended) + span

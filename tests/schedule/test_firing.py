"""Missed runs and clocks that jump: S2 and S4, as properties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.schedule import Cron, Daily, Every, Firing, Once, Rule, Spec, between, due, spec_for
from windlass.schedule.firing import LATE_US

SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
NOW = int(datetime(2026, 10, 24, 12, tzinfo=UTC).timestamp()) * SECOND

ZONES = st.sampled_from(["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe"])
CRONS = st.sampled_from(
    [
        "*/5 * * * *",
        "0 * * * *",
        "30 2 * * *",
        "*/20 1-5 * * *",
        "15 6 * * MON-FRI",
        "0 0 1 * *",
        "10 * * * * SUN",
    ]
)
RULES: st.SearchStrategy[Rule] = st.one_of(
    st.builds(Every, st.integers(60 * SECOND, 3 * DAY)),
    st.builds(Cron, CRONS, ZONES),
    st.builds(
        lambda times, zone: Daily(tuple(sorted(times)), zone),
        st.sets(st.integers(0, 86_399), min_size=1, max_size=4), ZONES,
    ),
    st.builds(Once, st.integers(NOW - DAY, NOW + DAY)),
)  # fmt: skip
POLICIES = st.sampled_from(["latest", "skip", "all"])
MOST = 5


def spec(rule: Rule, missed: str = "latest", *, overlap: bool = True) -> Spec:
    return spec_for(rule, missed=missed, missed_most=MOST, overlap=overlap)


def nominals(rule: Rule, due_us: int, now_us: int) -> list[int]:
    """One after the other, as the oracle."""
    return [due_us, *between(rule, due_us, now_us)] if due_us <= now_us else []


@settings(max_examples=200, deadline=None)
@given(RULES, POLICIES, st.booleans(), st.integers(-DAY, 5 * DAY))
def test_each_policy_gives_the_runs_it_promises(rule: Rule, missed: str, overlap: bool, late_us: int) -> None:
    due_us = rule.first(NOW)
    assert due_us is not None
    now_us = due_us + late_us
    passed = nominals(rule, due_us, now_us)
    firing = due(spec(rule, missed, overlap=overlap), due_us, now_us)
    if not passed:
        assert firing == Firing((), due_us)
        return
    wanted = passed[-MOST:] if missed == "all" else passed[-1:]
    if missed == "skip" and now_us - passed[-1] > LATE_US:
        wanted = []
    next_us = rule.next_after(passed[-1], now_us)
    if overlap or len(wanted) < 2:
        assert firing == Firing(tuple(wanted), next_us)
    else:
        assert firing == Firing((wanted[0],), wanted[1])


@settings(max_examples=150, deadline=None)
@given(
    RULES,
    POLICIES,
    st.booleans(),
    st.lists(st.integers(-4 * DAY, 4 * DAY) | st.integers(0, 2 * HOUR), min_size=5, max_size=30),
)
def test_whatever_the_clock_does_no_nominal_time_fires_twice_and_they_rise(
    rule: Rule, missed: str, overlap: bool, jumps: list[int]
) -> None:
    wanted = spec(rule, missed, overlap=overlap)
    waits, now_us, fired = rule.first(NOW), NOW, list[int]()
    for jump in jumps:
        now_us += jump
        if waits is None:
            break
        firing = due(wanted, waits, now_us)
        assert all(nominal <= now_us for nominal in firing.nominals)
        assert firing.next_us is None or firing.next_us > max(firing.nominals, default=waits - 1)
        fired += firing.nominals
        waits = firing.next_us
    assert all(before < after for before, after in pairwise(fired))


@settings(max_examples=100, deadline=None)
@given(RULES, st.booleans(), st.lists(st.integers(-2 * HOUR, 3 * HOUR), min_size=1, max_size=30))
def test_a_policy_of_all_leaves_nothing_out(rule: Rule, overlap: bool, jumps: list[int]) -> None:
    wanted = spec_for(rule, missed="all", missed_most=10_000, overlap=overlap)
    first_us = waits = rule.first(NOW)
    now_us, latest_us, fired = NOW, NOW, list[int]()
    for jump in (0, *jumps):
        now_us += jump
        latest_us = max(latest_us, now_us)
        while waits is not None and waits <= now_us:
            firing = due(wanted, waits, now_us)
            fired += firing.nominals
            waits = firing.next_us
    assert first_us is not None
    assert fired == nominals(rule, first_us, latest_us)


def test_a_year_of_seconds_is_not_counted_one_by_one() -> None:
    """DBOS #803: after a long sleep every tick is replayed. It would not end here, either."""
    rule = Cron("* * * * * *", "Europe/Zurich")
    year = due(spec(rule, "all"), NOW, NOW + 365 * DAY)
    assert year.nominals == tuple(NOW + 365 * DAY - back * SECOND for back in (4, 3, 2, 1, 0))
    assert year.next_us == NOW + 365 * DAY + SECOND
    bursts = Cron("* * * * * MON", "UTC")
    sunday = int(datetime(2026, 11, 15, 12, tzinfo=UTC).timestamp()) * SECOND
    last = int(datetime(2026, 11, 9, 23, 59, 59, tzinfo=UTC).timestamp()) * SECOND
    monday = last - DAY + SECOND - 14 * DAY
    assert due(spec(bursts), monday, sunday).nominals == (last,)


@pytest.mark.parametrize(("late", "count"), [(0, 1), (LATE_US, 1), (LATE_US + 1, 0)])
def test_a_run_that_is_a_little_late_is_not_missed(late: int, count: int) -> None:
    assert len(due(spec(Every(HOUR), "skip"), NOW, NOW + late).nominals) == count
    flexible = spec_for(Every(HOUR), missed="skip", flex="5m")
    assert len(due(flexible, NOW, NOW + 300 * SECOND + late).nominals) == count


@pytest.mark.parametrize("missed", ["latest", "all"])
def test_a_moment_that_has_passed_is_one_missed_run(missed: Literal["latest", "all"]) -> None:
    once = spec(Once(NOW - DAY), missed)
    assert once.rule.first(NOW) == NOW - DAY
    assert due(once, NOW - DAY, NOW) == Firing((NOW - DAY,), None)
    assert due(spec(Once(NOW - DAY), "skip"), NOW - DAY, NOW) == Firing((), None)


def test_a_rest_counts_from_the_end_of_the_run() -> None:
    rest = Every(HOUR, from_end=True)
    assert due(spec(rest, overlap=False), NOW, NOW + 5 * HOUR) == Firing((NOW,), NOW + 6 * HOUR)
    ended_us = NOW + 7 * HOUR
    assert rest.next_after(NOW, ended_us) == ended_us + HOUR


def test_clocks_set_back_wait_until_the_time_that_has_not_been() -> None:
    daily = spec(Daily((0,), "UTC"))
    midnight = NOW + 12 * HOUR
    fired = due(daily, midnight, midnight + SECOND)
    assert fired == Firing((midnight,), midnight + DAY)
    assert due(daily, midnight + DAY, midnight - 90 * DAY) == Firing((), midnight + DAY)


def test_the_first_run_comes_at_once_or_after_its_delay() -> None:
    assert Every(HOUR).first(NOW) == NOW
    assert Every(HOUR).first(NOW, 5) == NOW + 5
    noon = Daily((12 * 3600,), "UTC")
    assert noon.first(NOW) == NOW, "not before, but it may be this moment"
    assert noon.first(NOW, 1) == NOW + DAY
    assert Cron("0 12 * * *", "UTC").first(NOW, 1) == NOW + DAY
    assert timedelta(microseconds=Cron("0 12 * * *", "UTC").first(NOW) or 0) == timedelta(microseconds=NOW)

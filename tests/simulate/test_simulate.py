"""A short world, with the right library and with wrong ones: does the judge see the difference?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.simulate.nominal import Nominal
from tests.simulate.planted import BUGS, planted
from tests.simulate.run import Outcome, simulate
from tests.simulate.script import ZONES, Weather

# A busy machine makes it longer, not wrong.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

AUTUMN = Weather(
    days=42,
    schedules=12,
    suspends=12,
    reboots=8,
    jumps=4,
    small_jumps=6,
    outages=4,
    edits=70,
    life_days=6,
    pause_days=14,
    # Clocks go forward on Lord Howe Island on 4 October, and back in Europe and America in the weeks after.
    begin=datetime(2026, 9, 25, tzinfo=UTC),
)


RIGHT_CLOCK = AUTUMN._replace(jumps=0, small_jumps=0)
"""What goes by the wall clock is silent for as long as that was set back."""


def autumn(folder: Path, bug: str | None = None, weather: Weather = AUTUMN) -> Outcome:
    with planted(bug):
        return simulate(5, weather, folder)


def test_each_nominal_time_has_the_runs_its_policy_promises_and_a_seed_replays_it(tmp_path: Path) -> None:
    first, again = (autumn(tmp_path / name) for name in ("first", "again"))
    assert [str(fault) for fault in first.verdict.faults] == []
    assert first.problems == []
    happened = first.verdict.figures
    # All of it happens in so short a world, too.
    for kind in (
        "suspended",
        "booted",
        "clock set",
        "paused",
        "resumed",
        "updated",
        "removed",
        "killed in a look",
    ):
        assert happened.get(kind, 0) > 0, kind
    assert happened["runs"] > 500
    assert happened["nominal times"] > happened["runs"]
    assert again.digest == first.digest
    assert again.verdict == first.verdict


@pytest.mark.parametrize("zone", ZONES)
def test_the_judge_knows_one_half_past_two_for_each_day_of_all_the_years(zone: str) -> None:
    begin, end = datetime(2025, 6, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
    begin_us, end_us = (int(moment.timestamp()) * 1_000_000 for moment in (begin, end))
    nominal = Nominal("30 2 * * *", zone)
    first_us = nominal.after(begin_us)
    assert first_us is not None
    assert len(nominal.passed(first_us, end_us)) == (end - begin).days


def test_another_seed_is_another_world(tmp_path: Path) -> None:
    short = AUTUMN._replace(days=3)
    assert simulate(1, short, tmp_path / "one").digest != simulate(2, short, tmp_path / "other").digest


@pytest.mark.parametrize(
    ("bug", "fault"),
    [
        ("ignores_turn", "twice"),
        ("drifts", "ghost"),
        ("fires_twice_in_a_fold", "ghost"),
        ("loses_what_was_missed_when_off", "lost"),
        ("repeats_after_a_jump_back", "twice"),
        ("makes_up_for_what_is_to_be_skipped", "ghost"),
        ("forgets_what_it_has_skipped_over", "lost"),
        ("overlaps", "overlap"),
        ("sleeps_too_long", "late"),
        ("trusts_its_wait", "late"),
        ("forgets_that_the_clock_was_set", "ghost"),
    ],
)
def test_the_judge_catches_a_planted_bug(tmp_path: Path, bug: str, fault: str) -> None:
    weather = AUTUMN if "jump" in bug or "clock" in bug else RIGHT_CLOCK
    found = autumn(tmp_path, bug, weather).verdict.kinds()
    assert any(kind.startswith(fault) for kind in found), found


def test_every_bug_that_can_be_planted_is_tried_here() -> None:
    (tried,) = (
        mark.args[1] for mark in test_the_judge_catches_a_planted_bug.pytestmark if mark.name == "parametrize"
    )
    assert {bug for bug, _ in tried} == BUGS.keys()

"""A short storm over a real service, and the same storm over services with a bug planted in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.storm.driver import Outcome, Plan, Storm

# A busy machine makes a storm longer, not wrong.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def storm(folder: Path, **how: Any) -> Outcome:
    return Storm(Plan(seed=7, mean_gap_s=0.1, **how), folder, print).run()


def test_forty_kills_lose_nothing_and_repeat_nothing_without_a_cause(tmp_path: Path) -> None:
    outcome = storm(tmp_path, kills=40)
    assert [str(violation) for violation in outcome.verdict.violations] == []
    assert sum(outcome.kills.values()) == 40
    assert {"isolate", "dispatcher", "producer"} <= outcome.kills.keys()
    assert outcome.verdict.figures["duplicates explained"] > 0


@pytest.mark.alone
def test_a_dispatcher_stopped_past_its_lease_settles_nothing_when_it_goes_on(tmp_path: Path) -> None:
    outcome = storm(tmp_path, kills=3, weights={"producer": 1}, freezes=3, lease_s=1.0)
    assert [str(violation) for violation in outcome.verdict.violations] == []
    assert outcome.verdict.figures["dispatchers frozen"] == 3
    assert outcome.verdict.figures["duplicates explained"] > 0


@pytest.mark.parametrize(
    ("bug", "faults", "weather"),
    [
        ("settle_by_id_alone", {"double completion"}, {"freezes": 2, "lease_s": 0.6}),
        ("delete_on_claim", {"lost"}, {"weights": {"dispatcher": 1}, "embedded": False}),
        ("no_reclaim", {"lost"}, {"weights": {"dispatcher": 1}, "drain_s": 2.0}),
        ("ack_before_commit", {"lost"}, {}),
        ("completion_apart_from_effects", {"double completion"}, {"kills": 15, "weights": {"isolate": 1}}),
        ("reclaim_the_living", {"two live fences"}, {"work_ms": 1500}),
    ],
)
def test_the_checker_catches_a_planted_bug(
    tmp_path: Path, bug: str, faults: set[str], weather: dict[str, Any]
) -> None:
    usual = {"kills": 4, "weights": {"producer": 1}, "seconds_least": 4.0, "drain_most_s": 10.0}
    # What a bug needs to show itself is a matter of moments: on a busy machine they may not come at once.
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        outcome = storm(folder, plant=bug, **(usual | weather))
        if faults <= outcome.verdict.kinds().keys():
            return
    raise AssertionError(f"{bug} was not seen in three storms: {outcome.verdict.kinds()}")

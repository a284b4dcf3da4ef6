"""A short storm over three hosts and two servers, and storms over services with a bug planted in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.storm.driver import Outcome
from tests.storm.postgres.driver import Plan, Storm

# A busy machine makes a storm longer, not wrong.
pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(900)]


def storm(folder: Path, **how: Any) -> Outcome:
    return Storm(Plan(seed=7, **how), folder, print).run()


def test_hosts_and_servers_under_fire_lose_nothing_and_repeat_nothing_without_a_cause(tmp_path: Path) -> None:
    outcome = storm(tmp_path, kills=25, failovers=1)
    assert [str(violation) for violation in outcome.verdict.violations] == []
    assert outcome.kills["failover"] == 1
    assert outcome.verdict.figures["acknowledged"] > 0


def test_the_jobs_of_a_host_that_vanishes_run_elsewhere(tmp_path: Path) -> None:
    outcome = storm(tmp_path, kills=3, failovers=0, vanishes=1, weights={"producer": 1})
    assert [str(violation) for violation in outcome.verdict.violations] == []
    assert outcome.kills["vanish"] == 1


@pytest.mark.parametrize(
    ("bug", "faults", "weather"),
    [
        ("claim_what_others_claim", {"two live fences"}, {"weights": {"producer": 1}}),
        ("ack_before_disk", {"lost"}, {"weights": {"crash": 1}}),
        ("unknown_is_refused", {"unexpected"}, {"weights": {"commit": 1}, "kills": 12}),
    ],
)
def test_the_checker_catches_a_planted_bug(
    tmp_path: Path, bug: str, faults: set[str], weather: dict[str, Any]
) -> None:
    usual = {"kills": 6, "failovers": 0, "drain_s": 5.0, "drain_most_s": 10.0}
    # What a bug needs to show itself is a matter of moments: on a busy machine they may not come at once.
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        outcome = storm(folder, plant=bug, **(usual | weather))
        if faults <= outcome.verdict.kinds().keys():
            return
    raise AssertionError(f"{bug} was not seen in three storms: {outcome.verdict.kinds()}")

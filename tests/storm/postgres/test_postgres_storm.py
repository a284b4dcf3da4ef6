"""A short storm over three hosts and two servers, and storms over services with a bug planted in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.storm.driver import Outcome
from tests.storm.postgres.driver import Plan, Storm
from tests.storm.postgres.weather import seen

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


def test_a_host_that_stops_for_long_and_hosts_that_are_half_cut_off_settle_nothing_late(
    tmp_path: Path,
) -> None:
    outcome = storm(tmp_path, kills=5, failovers=0, freezes=2, lease_s=5.0, weights={"cut": 1})
    assert [str(violation) for violation in outcome.verdict.violations] == []
    assert outcome.kills["freeze"] == 2
    assert outcome.kills["cut"] == 3


@pytest.mark.parametrize(
    "bug",
    [
        "ack_before_disk",
        "unknown_is_refused",
        "no_reclaim",
        "claim_what_others_claim",
        "settle_by_id_alone",
    ],
)
def test_the_checker_catches_a_planted_bug(tmp_path: Path, bug: str) -> None:
    """These five at every run; all nine take long: ``python3 dev.py storm --postgres --plants``."""
    assert seen(bug, tmp_path, print) is not None

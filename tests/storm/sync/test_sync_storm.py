"""A short storm over real replicas, and the same storm over replicas with a bug planted in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.storm.sync.driver import Outcome, Plan, Storm
from tests.storm.sync.shape import on_postgres

# A busy machine makes a storm longer, not wrong.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def storm(folder: Path, **how: Any) -> Outcome:
    return Storm(Plan(**{"seed": 7, "replicas": 3, "mean_gap_s": 0.1, **how}), folder, print).run()


def test_replicas_become_equal_and_nothing_is_lost_and_nothing_done_twice(tmp_path: Path) -> None:
    # With one policy by which an edit always wins: then no excuse is accepted for one that went nowhere.
    outcome = storm(tmp_path, rounds=30, calm_every=15, heat=0.3, threads=2, policies=("client",))
    assert [str(violation) for violation in outcome.verdict.violations] == []
    assert outcome.rounds == 30
    assert sum(outcome.kills.values()) > 0
    figures = outcome.verdict.figures
    assert figures["calms"] == 2
    assert figures["… that took effect"] > 20
    assert figures["answers cut or truncated"] > 0


def test_replicas_in_postgresql_become_equal_though_their_programs_are_killed(tmp_path: Path) -> None:
    """Editors write while rows are pulled: what clashes with a pull is undone, and the rest is kept."""
    with on_postgres(tmp_path, 3):
        outcome = storm(tmp_path, rounds=20, calm_every=10, heat=0.3, threads=2, policies=("client",))
    assert [str(violation) for violation in outcome.verdict.violations] == []
    assert outcome.rounds == 20
    assert sum(outcome.kills.values()) > 0
    assert outcome.verdict.figures["… that took effect"] > 10


@pytest.mark.parametrize(
    ("bug", "fault", "weather"),
    [
        ("another_id_with_each_resend", "another mutation id", {"weather": {"cut": 0.3}}),
        ("cursor_before_rows", "not equal", {}),
        ("pull_over_pending", "lost", {"cut_share": 0.5}),
        ("echo", "echo", {}),
        ("settle_by_envelope", "lost", {"cut_share": 0.4}),
        ("delete_blindly", "blind write", {}),
        ("acknowledge_before_sending", "lost", {"weather": {"drop": 0.3}}),
    ],
)
def test_the_checker_catches_a_planted_bug(
    tmp_path: Path, bug: str, fault: str, weather: dict[str, Any]
) -> None:
    usual: dict[str, Any] = {"rounds": 30, "mean_gap_s": 0.2, "kill_share": 0.1, "drain_s": 5.0}
    usual |= {"threads": 3, "policies": ("client", "merge", "latest"), "heat": 0.6}
    # What a bug needs to show itself is a matter of moments: they may not come in the first storm.
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        outcome = storm(folder, plant=bug, seed=7 + attempt, **(usual | weather))
        if outcome.verdict.kinds()[fault]:
            return
    raise AssertionError(f"{bug} was not seen in three storms: {outcome.verdict.kinds()}")

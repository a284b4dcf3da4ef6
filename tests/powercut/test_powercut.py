"""A power cut at any write or sync of the real store loses nothing that was acknowledged."""

from __future__ import annotations

import pytest

from tests.powercut.launch import Found, faults, replay

SCRIPTS = 10


@pytest.mark.slow
def test_no_power_cut_loses_an_acknowledged_job_or_damages_the_file() -> None:
    results = list(replay("--rounds", "3"))
    assert len(results) == SCRIPTS
    assert [fault for found in results for fault in found.faults] == []
    assert sum(found.images for found in results) > 2000
    assert all(found.reopened for found in results)


@pytest.mark.parametrize("script", ["enqueue_one", "enqueue_many", "transactional", "group_commit"])
def test_the_replay_sees_the_jobs_that_fast_durability_loses(script: str) -> None:
    found = _one(script, "--durability", "fast")
    assert found.losses
    assert found.contradictions == found.damages == []


def test_the_replay_sees_the_damage_of_a_disk_that_does_not_sync() -> None:
    assert _one("checkpoint", "--lying-disk").damages


@pytest.mark.slow
def test_what_the_store_says_on_a_failing_disk_is_true_and_it_goes_on_afterwards() -> None:
    results = list(faults("--every", "5"))
    assert {found.fault for found in results} == {
        "input/output error on write",
        "input/output error on sync",
        "disk full",
    }
    assert [text for found in results for text in found.wrong] == []
    assert all(found.errors for found in results)


def _one(script: str, *arguments: str) -> Found:
    [found] = replay("--only", script, *arguments)
    return found

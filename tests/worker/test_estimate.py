"""How far ahead work may be handed out."""

from __future__ import annotations

from windlass.worker.estimate import AHEAD_US, Estimates


def test_nothing_is_known_before_the_first_run():
    assert Estimates().of("a") is None


def test_what_takes_longer_than_the_time_ahead_counts_as_unknown():
    estimates = Estimates()
    estimates.learn("short", AHEAD_US)
    estimates.learn("long", AHEAD_US + 1)
    assert estimates.of("short") == AHEAD_US
    assert estimates.of("long") is None


def test_an_estimate_is_quick_to_rise_and_slow_to_fall():
    estimates = Estimates()
    estimates.learn("a", 100)
    estimates.learn("a", 4000)
    assert estimates.of("a") == 4000
    estimates.learn("a", 100)
    assert 3000 < (estimates.of("a") or 0) < 4000
    for _ in range(50):
        estimates.learn("a", 100)
    assert (estimates.of("a") or 0) < 110


def test_what_was_forgotten_is_measured_again():
    estimates = Estimates()
    estimates.learn("a", 100)
    estimates.forget("a")
    estimates.forget("never seen")
    assert estimates.of("a") is None


def test_a_run_that_took_no_time_still_counts_for_something():
    estimates = Estimates()
    estimates.learn("a", 0)
    assert estimates.of("a") == 1.0

"""One match reads whatever came out of a handler."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from windlass.backoff import Backoff
from windlass.job import FINAL, TRANSITIONS, JobStatus
from windlass.outcome import (
    AnyOutcome,
    Cancel,
    Cancelled,
    Committed,
    Completed,
    Crashed,
    Failed,
    PermanentError,
    Policy,
    Quarantined,
    Released,
    Retried,
    Retry,
    Snooze,
    Snoozed,
    classify,
)

SECOND = 1_000_000
FIXED = Backoff.linear("4s", jitter="none")


def verdict(raised: BaseException, *, attempt: int = 1, of: int = 3, rules: Any = None) -> AnyOutcome:
    policy = Policy(FIXED, rules or {})
    return classify(raised, attempt=attempt, max_attempts=of, policy=policy, describe="it broke", chance=0.5)


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (ValueError("x"), Retried("it broke", 4 * SECOND)),
        (PermanentError("no"), Failed("it broke", "permanent")),
        (Retry(), Retried("it broke", 4 * SECOND)),
        (Retry(after="9s"), Retried("it broke", 9 * SECOND)),
        (Retry(after=0), Retried("it broke", 0)),
        (Snooze("2s"), Snoozed("the handler snoozed", 2 * SECOND)),
        (Snooze("2s", "not yet"), Snoozed("not yet", 2 * SECOND)),
        (Cancel("unwanted"), Cancelled("unwanted")),
        (KeyboardInterrupt(), Retried("it broke", 4 * SECOND)),
    ],
    ids=repr,
)
def test_what_came_out_becomes_its_outcome(raised: BaseException, outcome: AnyOutcome) -> None:
    assert verdict(raised) == outcome


@pytest.mark.parametrize("raised", [ValueError("x"), Retry(after="9s"), Retry()], ids=repr)
def test_the_last_attempt_that_fails_is_the_end(raised: BaseException) -> None:
    """``max_attempts`` counts total runs."""
    assert isinstance(verdict(raised, attempt=2, of=3), Retried)
    assert verdict(raised, attempt=3, of=3) == Failed("it broke", "exhausted")
    assert verdict(raised, attempt=1, of=1) == Failed("it broke", "exhausted")


@pytest.mark.parametrize("raised", [Snooze("1s"), Cancel()], ids=repr)
def test_what_is_no_failure_ends_on_no_attempt(raised: BaseException) -> None:
    assert type(verdict(raised, attempt=3, of=3)) is type(verdict(raised, attempt=1, of=3))


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ("retry", Retried("it broke", 4 * SECOND)),
        ("fail", Failed("it broke", "permanent")),
        (Backoff.linear("7s", jitter="none"), Retried("it broke", 7 * SECOND)),
        (Retry(after="1s"), Retried("it broke", SECOND)),
        (Snooze("3s"), Snoozed("the handler snoozed", 3 * SECOND)),
        (Cancel(), Cancelled("the handler cancelled")),
        (lambda error: "fail" if "fatal" in str(error) else "retry", Failed("it broke", "permanent")),
        (lambda _: Retry(after="2s"), Retried("it broke", 2 * SECOND)),
        (lambda _: None, Retried("it broke", 4 * SECOND)),
    ],
    ids=lambda value: getattr(value, "__qualname__", str(value)),
)
def test_a_rule_for_its_type_decides(rule: Any, outcome: AnyOutcome) -> None:
    assert verdict(ConnectionError("fatal"), rules={OSError: rule}) == outcome


def test_the_nearest_rule_in_the_line_of_ancestors_decides() -> None:
    rules = {Exception: "retry", OSError: Snooze("1s"), ConnectionResetError: "fail"}
    assert isinstance(verdict(ConnectionResetError(), rules=rules), Failed)
    assert isinstance(verdict(ConnectionError(), rules=rules), Snoozed)
    assert isinstance(verdict(ValueError(), rules=rules), Retried)


def test_an_instruction_is_above_every_rule() -> None:
    assert isinstance(verdict(Snooze("1s"), rules={Exception: "fail"}), Snoozed)


@pytest.mark.parametrize(
    "outcome",
    [
        Completed(),
        Completed('{"a":1}'),
        Committed(),
        Retried("e", 5),
        Retried("e", 5, True),
        Snoozed("r", 5),
        Cancelled("r"),
        Failed("e", "timeout"),
        Crashed("e", False),
        Released("r", True),
        Quarantined("r"),
    ],
    ids=repr,
)
def test_an_outcome_crosses_a_pipe_unchanged(outcome: AnyOutcome) -> None:
    raw = msgspec.msgpack.encode(outcome)
    assert msgspec.msgpack.decode(raw, type=AnyOutcome) == outcome


def test_nothing_follows_an_end_but_a_retry_by_hand() -> None:
    assert {status for status in JobStatus if status.is_final} == FINAL
    assert all(TRANSITIONS[status] == {JobStatus.PENDING} for status in FINAL)
    assert set(TRANSITIONS) == set(JobStatus)

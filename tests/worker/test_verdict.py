from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.attempting import Workshop
from windlass.backoff import Backoff
from windlass.context import Context
from windlass.outcome import (
    AnyOutcome,
    Cancel,
    Cancelled,
    Failed,
    PermanentError,
    Retried,
    Retry,
    Snooze,
    Snoozed,
)


@pytest.fixture
def shop(database_url: str) -> Iterator[Workshop]:
    made = Workshop(database_url)
    yield made
    made.close()


def leave(value: Any, how: str) -> Any:
    if how == "raise":
        raise value
    return value


@pytest.mark.parametrize("how", ["raise", "return"])
@pytest.mark.parametrize("takes", ["nothing", "context", "provided"])
def test_instructions_mean_the_same_raised_or_returned(shop: Workshop, how: str, takes: str) -> None:
    class Session:
        closed = False

        def close(self) -> None:
            self.closed = True

    shop.registry.provide(Session, Session)
    instructions: dict[str, Any] = {
        "retry": Retry("busy", after="10s"),
        "snooze": Snooze("1m", "not yet"),
        "cancel": Cancel("no longer wanted"),
        "permanent": PermanentError("bad address"),
    }
    outcomes: dict[str, AnyOutcome] = {}
    for name, instruction in instructions.items():

        def plain() -> Any:
            return leave(instruction, how)  # noqa: B023 - run within this turn

        def with_context(ctx: Context) -> Any:
            return leave(instruction, how)  # noqa: B023

        def with_provider(session: Session) -> Any:
            return leave(instruction, how)  # noqa: B023

        fn = {"nothing": plain, "context": with_context, "provided": with_provider}[takes]
        shop.registry.add(name, fn)
        outcomes[name] = shop.perform(name)
    assert outcomes["retry"] == Retried("busy", 10_000_000)
    assert outcomes["snooze"] == Snoozed("not yet", 60_000_000)
    assert outcomes["cancel"] == Cancelled("no longer wanted")
    permanent = outcomes["permanent"]
    assert isinstance(permanent, Failed)
    assert permanent.reason == "permanent"
    assert permanent.error.startswith("PermanentError: bad address")


def test_an_exception_is_retried_until_no_attempt_is_left(shop: Workshop) -> None:
    @shop.job(backoff=Backoff.linear("5s", jitter="none"))
    def job() -> None:
        raise ValueError("no")

    claim = shop.claim("job", max_attempts=2)
    first = shop.performer.perform(claim)
    assert isinstance(first, Retried)
    assert first.delay_us == 5_000_000
    assert first.error.startswith("ValueError: no\n  at ")
    last = shop.performer.perform(claim._replace(attempt=2))
    assert isinstance(last, Failed)
    assert last.reason == "exhausted"


def test_rules_decide_by_the_nearest_type(shop: Workshop) -> None:
    @shop.job(on_error={OSError: "fail", ConnectionError: Snooze("1m", "offline"), LookupError: "retry"})
    def job(name: str) -> None:
        raise {"os": OSError, "reset": ConnectionResetError, "key": KeyError}[name]("x")

    assert isinstance(shop.perform("job", '{"name":"os"}'), Failed)
    assert shop.perform("job", '{"name":"reset"}') == Snoozed("offline", 60_000_000)
    assert isinstance(shop.perform("job", '{"name":"key"}'), Retried)


def test_a_rule_that_fails_leaves_an_ordinary_retry_and_is_told(shop: Workshop) -> None:
    def rule(error: BaseException) -> str:
        raise KeyError("in the rule")

    @shop.job(on_error={ValueError: rule})
    def job() -> None:
        raise ValueError("first")

    outcome = shop.perform("job")
    assert isinstance(outcome, Retried)
    assert outcome.error.startswith("ValueError: first")
    assert "the rule for ValueError failed: KeyError: 'in the rule'" in outcome.error


def recurse() -> None:
    recurse()


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not telling")


class Odd(BaseException):
    pass


@pytest.mark.parametrize(
    ("action", "told"),
    [
        (lambda: sys.exit(3), "SystemExit: 3"),
        (recurse, "RecursionError: maximum recursion depth"),
        (lambda: leave(MemoryError(), "raise"), "MemoryError"),
        (lambda: leave(KeyboardInterrupt(), "raise"), "KeyboardInterrupt"),
        (lambda: leave(GeneratorExit(), "raise"), "GeneratorExit"),
        (lambda: leave(StopIteration(1), "raise"), "StopIteration: 1"),
        (lambda: leave(asyncio.CancelledError(), "raise"), "CancelledError"),
        (lambda: leave(Mute(), "raise"), "Mute: (its text could not be made: RuntimeError)"),
        (lambda: leave(Odd("base"), "raise"), "Odd: base"),
        (
            lambda: leave(ValueError("token=CANARY \0\ud800"), "raise"),
            "ValueError: token=[redacted] \\x00\\ud800",
        ),
        (
            lambda: leave(ExceptionGroup("g", [ValueError("one")]), "raise"),
            "ExceptionGroup: g (1 sub-exception)",
        ),
    ],
)
def test_whatever_a_handler_raises_becomes_an_outcome(shop: Workshop, action: Any, told: str) -> None:
    """Celery #10462 and others: the attempt fails, the worker lives."""

    @shop.job
    def job(given: int = 0) -> None:
        action()

    @shop.job
    def with_context(ctx: Context) -> None:
        action()

    @shop.job
    async def ajob() -> None:
        action()

    for key in ("job", "with_context", "ajob"):
        if key == "ajob" and told.startswith("StopIteration"):
            told = "RuntimeError: coroutine raised StopIteration"
        claim = shop.claim(key)
        outcome = shop.performer.perform(claim)
        assert isinstance(outcome, Retried)
        assert outcome.error.startswith(told)
        assert not shop.performer.running
        assert shop.settle(claim, outcome), "the store must take what was told"


def test_an_instruction_that_cannot_tell_its_reason_is_an_outcome_too(shop: Workshop) -> None:
    class MuteSnooze(Snooze):
        def __str__(self) -> str:
            raise RuntimeError("not telling")

    @shop.job
    def job() -> None:
        raise MuteSnooze("1m")

    assert isinstance(shop.perform("job"), Retried)


def test_a_leaked_coroutine_of_a_failed_plain_function_is_no_warning(shop: Workshop) -> None:
    @shop.job
    async def job() -> None:
        raise ValueError("no")

    assert isinstance(shop.perform("job"), Retried)
    gc.collect()

"""An app's own conditions: code of the user's, for which nobody waits."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.device.watching import Watched
from windlass.constraints import Constraints
from windlass.device.predicates import Predicate
from windlass.errors import RegistrationError

WEEKEND = Constraints(when="weekend")


def often(fn: Callable[[], Any], *, timeout_s: float = 30.0) -> dict[str, Predicate]:
    return {"weekend": Predicate(fn, every_s=0.02, timeout_s=timeout_s)}


def test_a_predicate_is_asked_until_it_holds_and_after():
    answers = [False, True, False]
    with Watched(WEEKEND, predicates=often(lambda: answers[0])) as watched:
        assert watched.until_blocked("") == "it does not hold: when waits for weekend"

        answers.pop(0)
        watched.until_open()

        answers.pop(0)
        watched.until_blocked("it does not hold")


def test_a_text_says_why_it_does_not_hold():
    with Watched(WEEKEND, predicates=often(lambda: "it is Tuesday")) as watched:
        assert watched.until_blocked("") == "it is Tuesday: when waits for weekend"


@pytest.mark.parametrize("error", [ZeroDivisionError("by nothing"), SystemExit("enough")])
def test_a_predicate_that_raises_blocks_with_the_reason_and_is_asked_again(error: BaseException):
    errors = [error]

    def raising() -> bool:
        if errors:
            raise errors[0]
        return True

    with Watched(WEEKEND, predicates=often(raising)) as watched:
        reason = f"when weekend cannot be told: it raised {type(error).__name__}: {error}"
        assert watched.until_blocked("") == reason

        errors.clear()
        watched.until_open()


def test_a_predicate_that_raises_always_the_same_is_logged_once(caplog: pytest.LogCaptureFixture):
    calls = threading.Semaphore(0)

    def raising() -> bool:
        calls.release()
        raise ValueError("again")

    with Watched(WEEKEND, predicates=often(raising)):
        for _ in range(5):
            assert calls.acquire(timeout=30)

    assert [record.message for record in caplog.records] == ["condition weekend: it raised ValueError: again"]


def test_a_predicate_that_hangs_blocks_nobody_and_is_not_called_twice():
    calls, end = [], threading.Event()

    def hanging() -> bool:
        calls.append(threading.current_thread().name)
        end.wait()
        return True

    with Watched(WEEKEND, predicates=often(hanging, timeout_s=0.1)) as watched:
        reason = watched.until_blocked("cannot be told")
        assert reason == "when weekend cannot be told: it has not answered within 0.1 s"
        assert calls == ["windlass-condition"]

        end.set()
        watched.until_open()


def test_an_app_that_ends_does_not_wait_for_a_predicate_that_hangs():
    end = threading.Event()
    watched = Watched(WEEKEND, predicates=often(end.wait))

    watched.device.close()

    assert [each.name for each in threading.enumerate() if each.name.startswith("windlass-device")] == []
    end.set()


@pytest.mark.parametrize("answer", [None, 1, ["yes"]])
def test_an_answer_that_is_neither_yes_nor_no_blocks(answer: object):
    with Watched(WEEKEND, predicates=often(lambda: answer)) as watched:
        assert f"it returned {answer!r}: expected True, False" in watched.until_blocked("")


def test_a_condition_that_nobody_registered_is_named():
    with Watched(WEEKEND, predicates={}) as watched:
        reason = watched.until_blocked("")

    assert reason.endswith('this program registers no such condition: is @app.condition("weekend") missing?')


async def asynchronous() -> bool:
    return True


@pytest.mark.parametrize(
    ("fn", "options", "fault"),
    [
        (7, {}, "expected a function that is not async, got 7"),
        (asynchronous, {}, "expected a function that is not async"),
        (lambda job: True, {}, "is called without arguments: missing a required argument: 'job'"),
        (lambda: True, {"name": "two words"}, "expected the name of a condition to be 1 to 128 letters"),
        (lambda: True, {"every": "soon"}, 'expected every to be a duration such as "10m"'),
        (lambda: True, {"timeout": 0}, "expected spans of at least 100ms"),
    ],
)
def test_what_cannot_be_a_predicate_is_refused(fn: Any, options: dict[str, Any], fault: str):
    with pytest.raises(RegistrationError, match=fault):
        Predicate.of(fn, **{"name": "weekend", **options})


def test_a_predicate_may_be_anything_that_can_be_called():
    made = Predicate.of(functools.partial(max, 1, 2), name="weekend", every="1m", timeout="2s")

    assert (made.every_s, made.timeout_s) == (60, 2)

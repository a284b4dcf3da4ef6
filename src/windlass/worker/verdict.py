"""What a finished attempt amounts to: reads what came out of a handler and gives its outcome."""

from __future__ import annotations

from typing import Any

import msgspec

from windlass.context import Context
from windlass.duration import describe as describe_span
from windlass.errors import InvalidPayload, RegistrationError, StaleAttempt
from windlass.handlers import Handler
from windlass.outcome import (
    AnyOutcome,
    Cancel,
    Cancelled,
    Committed,
    Completed,
    Failed,
    PermanentError,
    Policy,
    Quarantined,
    Released,
    Retry,
    Snooze,
    Snoozed,
    classify,
)
from windlass.payload import encode_result, why_not_object
from windlass.redact import clean, describe, message_of
from windlass.store.protocol import Claim
from windlass.worker.stopped import stopped

INSTRUCTIONS = (Retry, Snooze, Cancel, PermanentError)
"""What a handler may return as well as raise."""
REASON_BYTES_MAX = 1024
UNKNOWN_AGAIN_US = 30_000_000


def unknown(claim: Claim) -> Snoozed:
    """This process does not know the key, though its dispatcher does: their code differs.

    Put off, as the next process may be like this one: released at once it would come straight back.
    """
    return Snoozed(f"this process has no handler for {claim.key!r}", UNKNOWN_AGAIN_US)


def unreadable(handler: Handler, claim: Claim, error: BaseException) -> AnyOutcome:
    """The payload did not become arguments: whose fault is it?"""
    if isinstance(error, RegistrationError):
        # No attempt can succeed, and none of them would be the job's fault.
        return Quarantined(clean(str(error), REASON_BYTES_MAX))
    reason = why_not_object(claim.payload)
    if reason is not None:
        return Quarantined(clean(reason, REASON_BYTES_MAX))
    if isinstance(error, InvalidPayload):
        return Failed(clean(f"InvalidPayload: {error}"), "invalid")
    if isinstance(error, msgspec.ValidationError):
        return Failed(clean(f"InvalidPayload: {handler.key}: {handler.plan.shape.explain(error)}"), "invalid")
    return _classified(handler, claim, error)


def judge(handler: Handler, ctx: Context, result: Any, failure: BaseException | None) -> AnyOutcome:
    """The outcome of an attempt that ran and raised ``failure``. Gives back what the context opened."""
    try:
        ctx.close()
    except BaseException as trouble:  # noqa: BLE001 - the handler is done, and this changes nothing
        _log_late(ctx, "giving back what the job used failed", trouble)
    if ctx.committed:
        if failure is not None:
            _log_late(ctx, "failed after its transaction had completed the job", failure)
        return Committed()
    if isinstance(result, INSTRUCTIONS):
        failure = result
    if failure is None:
        return _completed(ctx, result)
    if isinstance(failure, StaleAttempt):
        return Released("another attempt of this job goes on")
    claim = ctx.claim
    if isinstance(failure, INSTRUCTIONS) or ctx.stop_reason is None:
        return _classified(handler, claim, failure)
    # Whatever a handler raises after it was asked to stop is how it stopped.
    match ctx.stop_reason:
        case "timeout":
            return _timed_out(handler, claim, failure)
        case "shutdown":
            return Released("the service stopped while it ran")
        case reason:
            return stopped(reason, "while it ran")


def _completed(ctx: Context, result: Any) -> AnyOutcome:
    if result is None:
        return Completed(ctx.result)
    try:
        return Completed(encode_result(result))
    except Exception as error:  # noqa: BLE001 - a model may raise anything while it is dumped
        return Failed(clean(f"the handler's result cannot be kept: {message_of(error)}"), "permanent")


def _timed_out(handler: Handler, claim: Claim, failure: BaseException) -> AnyOutcome:
    limit_us = claim.timeout_us or handler.options.timeout_us or 0
    error = TimeoutError(f"it ran longer than its timeout of {describe_span(limit_us)}")
    error.__traceback__ = failure.__traceback__
    outcome = _classified(handler, claim, error)
    if isinstance(outcome, Failed) and outcome.reason == "exhausted":
        return Failed(outcome.error, "timeout")
    return outcome


def _classified(handler: Handler, claim: Claim, failure: BaseException) -> AnyOutcome:
    import random

    text = message_of(failure) if isinstance(failure, Retry) else describe(failure)
    policy = handler.options.policy
    given: dict[str, Any] = {
        "attempt": claim.attempt,
        "max_attempts": claim.max_attempts,
        "chance": random.random(),
    }
    try:
        outcome = classify(failure, policy=policy, describe=text, **given)
    except BaseException as trouble:  # noqa: BLE001 - a rule is user code
        text = clean(f"{text}\nand the rule for {type(failure).__name__} failed: {describe(trouble)}")
        outcome = classify(Exception(), policy=Policy(policy.backoff), describe=text, **given)
    match outcome:
        case Snoozed():
            return Snoozed(clean(outcome.reason, REASON_BYTES_MAX), outcome.delay_us)
        case Cancelled():
            return Cancelled(clean(outcome.reason, REASON_BYTES_MAX))
        case _:
            return outcome


def _log_late(ctx: Context, what: str, error: BaseException) -> None:
    # As text: the exception itself may hold secrets, or be unable to describe itself.
    ctx.log.error("%s: %s", what, describe(error))

"""The names that OpenTelemetry's semantic conventions give to what messaging systems do.

All names of attributes that spans carry stand here: when the conventions change, this file does. They are
those of the messaging conventions of version 1.38, of which some are still experimental; what they have no
word for begins with ``windlass.``.

A queue is the destination, a job is the message. A job key is to a queue what a subscription is to a topic:
who consumes, consumes one key of it. Spans are named by the key, since one queue holds jobs of many kinds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from windlass.outcome import AnyOutcome, Failed
from windlass.store.protocol import Claim, NewJob

Attributes = Mapping[str, str | int | bool]

SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
SUBSCRIPTION = "messaging.destination.subscription.name"
MESSAGE_ID = "messaging.message.id"
BODY_SIZE = "messaging.message.body.size"
BATCH_COUNT = "messaging.batch.message_count"
ERROR_TYPE = "error.type"
ATTEMPT = "windlass.job.attempt"
ATTEMPTS_MOST = "windlass.job.max_attempts"
OUTCOME = "windlass.job.outcome"
DISPOSITION = "windlass.job.disposition"

_ENQUEUE, _SEND = "enqueue", "send"
_PERFORM, _PROCESS = "perform", "process"


def enqueue_span(jobs: Sequence[NewJob]) -> tuple[str, Attributes]:
    """The name of the span around an enqueue, and what is known of it before."""
    first = jobs[0]
    attributes: dict[str, str | int | bool] = {
        SYSTEM: "windlass",
        OPERATION_NAME: _ENQUEUE,
        OPERATION_TYPE: _SEND,
    }
    keys, queues = {job.key for job in jobs}, {job.queue for job in jobs}
    if len(queues) == 1:
        attributes[DESTINATION] = first.queue
    if len(keys) == 1:
        attributes[SUBSCRIPTION] = first.key
    if len(jobs) > 1:
        attributes[BATCH_COUNT] = len(jobs)
    elif first.payload is not None:
        attributes[BODY_SIZE] = len(first.payload.encode())
    name = f"{_ENQUEUE} {first.key}" if len(keys) == 1 else _ENQUEUE
    return name, attributes


def attempt_span(claim: Claim) -> tuple[str, Attributes]:
    """The name of the span around an attempt, and what is known of it before."""
    attributes: dict[str, str | int | bool] = {
        SYSTEM: "windlass",
        OPERATION_NAME: _PERFORM,
        OPERATION_TYPE: _PROCESS,
        DESTINATION: claim.queue,
        SUBSCRIPTION: claim.key,
        MESSAGE_ID: str(claim.job_id),
        ATTEMPT: claim.attempt,
        ATTEMPTS_MOST: claim.max_attempts,
    }
    if claim.payload is not None:
        attributes[BODY_SIZE] = len(claim.payload.encode("utf-8", "surrogatepass"))
    return f"{_PERFORM} {claim.key}", attributes


def outcome_of(outcome: AnyOutcome) -> Attributes:
    """How an attempt ended, in one word."""
    return {OUTCOME: type(outcome).__name__.lower()}


def error_type(outcome: AnyOutcome, error: BaseException | None) -> str:
    """What kind of failure it was: the exception's type, or why the job failed."""
    if error is not None:
        kind = type(error)
        return (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
    return outcome.reason if isinstance(outcome, Failed) else "_OTHER"

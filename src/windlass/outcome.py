"""What became of an attempt, and how a handler says so.

A handler returns a value, raises, or returns or raises one of ``Retry``, ``Snooze``, ``Cancel`` and
``PermanentError``. ``classify`` reads whatever came out in one ``match`` and gives an ``Outcome``; the
store turns each kind of outcome into one transition of the job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from windlass.backoff import DEFAULT, Backoff
from windlass.duration import Duration, to_us

StopReason = Literal["cancelled", "replaced", "deadline", "timeout", "constraint", "shutdown", "lost"]
"""Why a running handler should end, and what becomes of its job if it does:

- ``cancelled``: a person or a program no longer wants it. CANCELLED.
- ``replaced``: a job with its unique key was enqueued in its place. CANCELLED, and that one starts.
- ``deadline``: its job was to have ended by now, retries and waits included. FAILED.
- ``timeout``: this attempt took too long. Retried, or FAILED where no attempt is left.
- ``constraint``: a condition that must hold while it runs does so no longer. It waits; no attempt is spent.
- ``shutdown``: the service stops. It goes back as it was; no attempt is spent.
- ``lost``: its machine was silent for so long that another runs the job by now. What it gives is discarded.
"""

DEADLINE_MISSED = "DeadlineMissed: it had not completed by its deadline"
"""The ``last_error`` of a job that ran out of time."""


class PermanentError(Exception):
    """Raised by a handler: no retry can help; the job is FAILED now."""


class Retry(Exception):
    """Raised or returned by a handler: try again, ``after`` that long or by the job's backoff.

    Counts as a failed attempt.
    """

    def __init__(
        self, reason: str = "the handler asked for a retry", *, after: Duration | None = None
    ) -> None:
        super().__init__(reason)
        self.after_us = None if after is None else to_us(after, name="after")


class Snooze(Exception):
    """Raised or returned by a handler: not now; run again after ``delay``. Spends no attempt."""

    def __init__(self, delay: Duration, reason: str = "the handler snoozed") -> None:
        super().__init__(reason)
        self.delay_us = to_us(delay, name="delay")


class Cancel(Exception):
    """Raised or returned by a handler: this job is no longer wanted; it becomes CANCELLED."""

    def __init__(self, reason: str = "the handler cancelled") -> None:
        super().__init__(reason)


class Outcome(msgspec.Struct, frozen=True, array_like=True, tag_field="kind"):
    """The root of all outcomes."""


class Completed(Outcome, frozen=True, array_like=True, tag="completed"):
    """It returned. ``result`` is JSON text."""

    result: str | None = None


class Committed(Outcome, frozen=True, array_like=True, tag="committed"):
    """It completed inside ``ctx.transaction()``: the row says so already."""


class Retried(Outcome, frozen=True, array_like=True, tag="retried"):
    """It failed and runs again after ``delay_us``. The attempt is spent."""

    error: str
    delay_us: int
    alone: bool = False
    """Its process was killed because of it: the next run shares its process with nothing."""


class Snoozed(Outcome, frozen=True, array_like=True, tag="snoozed"):
    """It runs again after ``delay_us``. The attempt is not spent."""

    reason: str
    delay_us: int


class Cancelled(Outcome, frozen=True, array_like=True, tag="cancelled"):
    """It is no longer wanted."""

    reason: str


class Failed(Outcome, frozen=True, array_like=True, tag="failed"):
    """No attempt is left, or none can help. ``reason`` says which in one word."""

    error: str
    reason: str = "permanent"
    """``permanent``, ``exhausted``, ``invalid``, ``crashed``, ``timeout`` or ``deadline``."""


class Crashed(Outcome, frozen=True, array_like=True, tag="crashed"):
    """The process that ran it died. The attempt is spent, and the next one runs alone."""

    error: str
    sole: bool = True
    """Nothing else had started there, so this job is the culprit."""


class Released(Outcome, frozen=True, array_like=True, tag="released"):
    """It goes back as it was: not started, or stopped by a shutdown. The attempt is not spent."""

    reason: str
    alone: bool = False
    """The next run shares its process with nothing."""


class Quarantined(Outcome, frozen=True, array_like=True, tag="quarantined"):
    """Its row cannot be read as a job: held until a person looks. The attempt is not spent."""

    reason: str


AnyOutcome = Completed | Committed | Retried | Snoozed | Cancelled | Failed | Crashed | Released | Quarantined

Rule = str | Backoff | Retry | Snooze | Cancel | Callable[[BaseException], Any]
"""What to do about one type of exception: ``"retry"``, ``"fail"``, a ``Backoff``, an instruction, or a
function from the exception to one of these."""


class Policy(msgspec.Struct, frozen=True):
    """How the attempts of one job key are judged."""

    backoff: Backoff = DEFAULT
    rules: Mapping[type[BaseException], Rule] = {}

    def rule_for(self, error: BaseException) -> Rule:
        """The rule of the nearest class in the exception's own line of ancestors."""
        for kind in type(error).__mro__:
            if kind in self.rules:
                return self.rules[kind]
        return "retry"


def classify(
    raised: BaseException, *, attempt: int, max_attempts: int, policy: Policy, describe: str, chance: float
) -> AnyOutcome:
    """The outcome of an attempt that ended with an exception or an instruction.

    ``describe`` is the text to keep as ``last_error``; ``chance`` is a random number in [0, 1).
    """
    verdict: Any = raised
    if not isinstance(raised, (PermanentError, Retry, Snooze, Cancel)):
        verdict = policy.rule_for(raised)
        if callable(verdict) and not isinstance(verdict, type):
            verdict = verdict(raised)
    backoff = policy.backoff
    after_us: int | None = None
    match verdict:
        case Snooze():
            return Snoozed(str(verdict), verdict.delay_us)
        case Cancel():
            return Cancelled(str(verdict))
        case PermanentError() | "fail":
            return Failed(describe, "permanent")
        case Retry():
            after_us = verdict.after_us
        case Backoff():
            backoff = verdict
        case _:
            pass
    if attempt >= max_attempts:
        return Failed(describe, "exhausted")
    if after_us is None:
        after_us = backoff.delay_us(attempt, chance=chance)
    return Retried(describe, after_us)

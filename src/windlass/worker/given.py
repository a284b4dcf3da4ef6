"""A job that an isolate holds, and what the dispatcher knows of how far it is."""

from __future__ import annotations

from windlass.context import StopReason
from windlass.store.protocol import Claim


class Given:
    """One attempt in one isolate. Times are ``clock.monotonic`` seconds."""

    __slots__ = (
        "claim",
        "deadline",
        "estimate_us",
        "interrupt",
        "is_async",
        "reason",
        "sent_at",
        "started",
        "timeout_s",
    )

    def __init__(
        self, claim: Claim, estimate_us: float | None, timeout_us: int | None, *, is_async: bool
    ) -> None:
        self.claim = claim
        self.estimate_us = estimate_us
        self.timeout_s = None if timeout_us is None else timeout_us / 1_000_000
        self.is_async = is_async
        self.sent_at = 0.0
        self.started = False
        """It is known to have begun; a sync job at the head may have without that."""
        self.deadline: float | None = None
        self.reason: StopReason | None = None
        """Why it was asked to stop."""
        self.interrupt = False

    def ask(self, reason: StopReason) -> None:
        """Notes why it is to stop: the first reason stays, but for the end of the service."""
        if self.reason in (None, "shutdown"):
            self.reason = reason

    def is_attempt(self, token: int) -> bool:
        """Is it that attempt of its job?"""
        return self.claim.token == token

    def end_by(self, moment: float) -> None:
        """From now on it must be over then, or earlier."""
        self.deadline = moment if self.deadline is None else min(moment, self.deadline)

"""Runs one claimed job: resolve → perform → classify.

Whatever a handler does, the answer is an outcome; nothing it raises gets past this file. What it opened is
given back before the outcome is told: its scope first, with what it failed with, then its context.
"""

from __future__ import annotations

import inspect
from collections.abc import KeysView
from typing import Any

import msgspec

from windlass.context import Context, Resources, Stopped, StopReason, enter, leave
from windlass.errors import InvalidPayload, StaleAttempt
from windlass.handlers import Handler, Registry, given_by
from windlass.outcome import (
    AnyOutcome,
    Cancel,
    Cancelled,
    Committed,
    Completed,
    Failed,
    PermanentError,
    Quarantined,
    Released,
    Retry,
    Snooze,
    Snoozed,
    classify,
)
from windlass.payload import MAX_BYTES, encode_result, why_not_object
from windlass.redact import clean, describe, message_of
from windlass.scope import Scope
from windlass.signature import KEY
from windlass.store.protocol import Claim

_INSTRUCTIONS = (Retry, Snooze, Cancel, PermanentError)
_NOTHING = Completed(None)
_COMMITTED = Committed()
REASON_LENGTH_MAX = 1024


class Performer:
    """Runs jobs of one app in this process. Thread-safe: one attempt per thread or task at a time."""

    def __init__(self, registry: Registry, resources: Resources) -> None:
        self._registry = registry
        self._resources = resources
        self._running: dict[int, Context] = {}

    @property
    def running(self) -> KeysView[int]:
        """The ids of the jobs that run here now; copy it before walking it."""
        return self._running.keys()

    def is_async(self, key: str) -> bool:
        """True where jobs of that key belong in ``aperform``."""
        handler = self._registry.get(key)
        return handler is not None and handler.is_async

    def cancel(self, job_id: int, reason: StopReason) -> bool:
        """Tells a running attempt to stop, from any thread; False where it does not run here."""
        ctx = self._running.get(job_id)
        if ctx is None:
            return False
        ctx.stop(reason)
        return True

    def perform(self, claim: Claim) -> AnyOutcome:
        """Runs the attempt in this thread; an async handler gets an event loop of its own. Never raises."""
        handler = self._registry.get(claim.key)
        if handler is None:
            return Released(f"this program has no handler for {claim.key!r}")
        if handler.is_async:
            import asyncio

            return asyncio.run(self.aperform(claim))
        payload = claim.payload
        try:
            plan = handler.plan
            if payload is not None and len(payload) > MAX_BYTES:
                return Quarantined(why_not_object(payload) or "")
            values = plan.decode(payload)
        except BaseException as error:
            return _unreadable(handler, claim, error)
        ctx = Context(claim, self._resources)
        self._running[claim.job_id] = ctx
        entered = enter(ctx)
        failure: BaseException | None = None
        result: Any = None
        try:
            result = handler.fn(*values) if plan.straight else self._call(handler, ctx, values)
        except BaseException as error:
            failure = error
        finally:
            leave(entered)
            del self._running[claim.job_id]
        return _judge(handler, ctx, claim, result, _closed(ctx, failure))

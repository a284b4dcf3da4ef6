"""Runs one claimed job: resolve → perform → classify.

Whatever a handler does, the answer is an outcome; nothing it raises gets past this file. What it opened is
given back before the outcome is told: its scope first, with what it failed with, then its context.
"""

from __future__ import annotations

from collections.abc import Coroutine, KeysView
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from windlass.clock import Clock, SystemClock
from windlass.context import Context, Resources, StopReason, enter, leave
from windlass.errors import InvalidPayload
from windlass.handlers import FILLED_IN, Handler, Registry, given_by
from windlass.outcome import AnyOutcome, Completed, Failed, PermanentError, Retried
from windlass.payload import MAX_BYTES
from windlass.scope import Scope
from windlass.store.protocol import Claim
from windlass.worker.slots import LATE, is_late
from windlass.worker.verdict import INSTRUCTIONS, judge, unknown, unreadable

if TYPE_CHECKING:
    from windlass.worker.hooks import Hooks

_NOTHING = Completed(None)


class Performer:
    """Runs jobs of one app in this process. Thread-safe: one attempt per thread or task at a time."""

    def __init__(
        self,
        registry: Registry,
        resources: Resources,
        clock: Clock | None = None,
        hooks: Hooks | None = None,
    ) -> None:
        self._registry = registry
        self._hooks = hooks
        self._resources = resources
        self._clock = clock or SystemClock()
        self._running: dict[int, Context] = {}

    @property
    def running(self) -> KeysView[int]:
        """The ids of the jobs that run here now; copy it before walking it."""
        return self._running.keys()

    def is_async(self, key: str) -> bool:
        """True where jobs of that key belong in ``aperform``."""
        handler = self._registry.get(key)
        return handler is not None and handler.is_async

    def cancel(self, job_id: int, reason: StopReason, *, interrupt: bool = True) -> bool:
        """Tells a running attempt to stop, from any thread; False where it does not run here.

        Without ``interrupt`` an async handler is told and may go on, like a synchronous one.
        """
        ctx = self._running.get(job_id)
        if ctx is None:
            return False
        ctx.stop(reason, interrupt=interrupt)
        return True

    def perform(self, claim: Claim) -> AnyOutcome:
        """Runs the attempt in this thread; an async handler gets an event loop of its own. Never raises."""
        handler = self._registry.get(claim.key)
        if handler is None:
            return unknown(claim)
        if handler.is_async:
            return _run_apart(self.aperform(claim))
        payload = claim.payload
        try:
            plan = handler.plan
            if payload is not None and len(payload) > MAX_BYTES:
                return self._unreadable(handler, claim, InvalidPayload())
            values = plan.decode(payload)
        except BaseException as error:  # noqa: BLE001 - the types of a payload may run user code
            return self._unreadable(handler, claim, error)
        if claim.start_by_us is not None and is_late(claim, self._clock):
            return LATE
        ctx = Context(claim, self._resources)
        self._running[claim.job_id] = ctx
        entered = enter(ctx)
        result = failure = None
        try:
            if plan.straight:
                result = handler.fn(*values)
                if isinstance(result, CoroutineType):
                    result = _run_apart(cast("Coroutine[Any, Any, Any]", result))
            else:
                result = self._call(handler, ctx, values)
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is this job's affair
            failure = error
        leave(entered)
        self._ended(ctx)
        if failure is None and result is None and not ctx.touched:
            return _NOTHING
        return self._judge(handler, ctx, result, failure)

    async def aperform(self, claim: Claim) -> AnyOutcome:
        """Runs the attempt of an async handler in the current task, within its timeout. Never raises.

        A synchronous handler runs in a thread, and its timeout is for the pool to keep.
        """
        import asyncio

        handler = self._registry.get(claim.key)
        if handler is None:
            return unknown(claim)
        if not handler.is_async:
            return await asyncio.to_thread(self.perform, claim)
        try:
            if claim.payload is not None and len(claim.payload) > MAX_BYTES:
                return self._unreadable(handler, claim, InvalidPayload())
            values = handler.plan.decode(claim.payload)
        except BaseException as error:  # noqa: BLE001 - the types of a payload may run user code
            return self._unreadable(handler, claim, error)
        if is_late(claim, self._clock):
            return LATE
        ctx = Context(claim, self._resources)
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # coroutines run in tasks

        def interrupt() -> None:
            # In the loop's own thread, so the attempt is either still under way or no longer listed.
            if self._running.get(claim.job_id) is ctx:
                task.cancel()

        def on_stop() -> None:
            loop.call_soon_threadsafe(interrupt)

        ctx.on_stop = on_stop
        limit_us = claim.timeout_us or handler.options.timeout_us
        timer = None if limit_us is None else loop.call_later(limit_us / 1_000_000, ctx.stop, "timeout")
        self._running[claim.job_id] = ctx
        entered = enter(ctx)
        result = failure = None
        asked_before = task.cancelling()
        try:
            result = await self._acall(handler, ctx, values)
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is this job's affair
            failure = error
        leave(entered)
        self._ended(ctx)
        if timer is not None:
            timer.cancel()
        if task.cancelling() > asked_before:
            if isinstance(failure, asyncio.CancelledError):
                ctx.stop("shutdown")  # by whoever runs this task, unless we asked first
            task.uncancel()
        return self._judge(handler, ctx, result, failure)

    def close(self, patience_s: float) -> None:
        """The process may end after this: what others are to be told is told now, so long at most."""
        if self._hooks is not None:
            self._hooks.close(patience_s)

    def _judge(
        self, handler: Handler, ctx: Context, result: Any, failure: BaseException | None
    ) -> AnyOutcome:
        outcome = judge(handler, ctx, result, failure)
        if isinstance(outcome, (Failed, Retried)):
            if failure is None:
                # An instruction may be returned, too; and what cannot be kept as a result was never raised.
                failure = result if isinstance(result, INSTRUCTIONS) else PermanentError(outcome.error)
            elif ctx.stop_reason == "timeout" and not isinstance(failure, INSTRUCTIONS):
                failure = TimeoutError(outcome.error.partition("\n")[0]).with_traceback(failure.__traceback__)
            self._failed(ctx.claim, outcome, failure)
        return outcome

    def _unreadable(self, handler: Handler, claim: Claim, error: BaseException) -> AnyOutcome:
        outcome = unreadable(handler, claim, error)
        if isinstance(outcome, (Failed, Retried)):
            self._failed(claim, outcome, error)
        return outcome

    def _failed(self, claim: Claim, outcome: Failed | Retried, error: BaseException) -> None:
        """An attempt has failed with this."""
        if self._hooks is not None:
            self._hooks.report(claim, outcome, error)

    def _call(self, handler: Handler, ctx: Context, values: tuple[Any, ...]) -> Any:
        plan = handler.plan
        if not plan.scoped:
            args, kwargs = plan.arguments(values, [FILLED_IN[need](ctx) for need in plan.needs])
            return _settled(handler.fn(*args, **kwargs))
        scope = Scope(self._registry.providers, given=given_by(ctx))
        try:
            args, kwargs = plan.arguments(values, scope.fill(plan.needs))
            result = _settled(handler.fn(*args, **kwargs))
        except BaseException as error:
            scope.close(error)
            raise
        scope.close()
        return result

    async def _acall(self, handler: Handler, ctx: Context, values: tuple[Any, ...]) -> Any:
        plan = handler.plan
        if plan.straight:
            return await handler.fn(*values)
        scope = Scope(self._registry.providers, given=given_by(ctx))
        try:
            args, kwargs = plan.arguments(values, await scope.afill(plan.needs))
            result = await handler.fn(*args, **kwargs)
            if isinstance(result, INSTRUCTIONS):
                raise result
        except BaseException as error:
            await scope.aclose(error)
            raise
        await scope.aclose()
        return result

    def _ended(self, ctx: Context) -> None:
        # Another attempt of the same job may have begun here meanwhile: only our own entry goes.
        if self._running.get(ctx.job_id) is ctx:
            del self._running[ctx.job_id]


def _settled(result: Any) -> Any:
    """The result of a call; a returned instruction counts as raised, so that scopes see it."""
    if isinstance(result, CoroutineType):
        result = _run_apart(cast("Coroutine[Any, Any, Any]", result))
    if isinstance(result, INSTRUCTIONS):
        raise result
    return result


def _run_apart(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine to its end on an event loop of its own, also below a loop that runs in this thread."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as one:
        return one.submit(asyncio.run, coroutine).result()

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args

import pytest

from tests.attempting import Workshop
from windlass.context import Context, StopReason
from windlass.outcome import (
    DEADLINE_MISSED,
    AnyOutcome,
    Cancelled,
    Completed,
    Failed,
    PermanentError,
    Released,
    Retried,
)
from windlass.store.protocol import Claim


@pytest.fixture
def shop(database_url: str) -> Iterator[Workshop]:
    made = Workshop(database_url)
    yield made
    made.close()


def test_a_running_sync_handler_is_told_to_stop(shop: Workshop) -> None:
    entered = threading.Event()

    @shop.job
    def job(ctx: Context) -> None:
        entered.set()
        ctx.wait_cancelled(10)
        ctx.raise_if_cancelled()

    outcomes: dict[str, AnyOutcome] = {}
    for reason in get_args(StopReason):
        entered.clear()
        claim = shop.claim("job", timeout_us=30_000_000)
        thread = threading.Thread(
            target=lambda claim=claim, reason=reason: outcomes.update({reason: shop.performer.perform(claim)})  # type: ignore[misc]
        )
        thread.start()
        assert entered.wait(10)
        assert list(shop.performer.running) == [claim.job_id]
        assert shop.performer.cancel(claim.job_id, reason)  # type: ignore[arg-type]
        thread.join(10)
    assert outcomes["cancelled"] == Cancelled("cancelled while it ran")
    assert outcomes["replaced"] == Cancelled("replaced while it ran")
    assert outcomes["deadline"] == Failed(DEADLINE_MISSED, "deadline")
    assert outcomes["constraint"] == Released("its condition was lost while it ran")
    assert outcomes["shutdown"] == Released("the service stopped while it ran")
    timed_out = outcomes["timeout"]
    assert isinstance(timed_out, Retried)
    assert timed_out.error.startswith("TimeoutError: it ran longer than its timeout of 30s")


def test_a_job_that_does_not_run_here_cannot_be_cancelled_here(shop: Workshop) -> None:
    assert not shop.performer.cancel(7, "cancelled")


def test_a_handler_that_finishes_after_it_was_asked_to_stop_is_completed(shop: Workshop) -> None:
    @shop.job
    def job(ctx: Context) -> str:
        shop.performer.cancel(ctx.job_id, "shutdown")
        return "done"

    assert shop.perform("job") == Completed('"done"')


def test_an_instruction_counts_also_after_a_request_to_stop(shop: Workshop) -> None:
    @shop.job
    def job(ctx: Context) -> None:
        shop.performer.cancel(ctx.job_id, "shutdown")
        raise PermanentError("bad address")

    assert isinstance(shop.perform("job"), Failed)


def test_an_exception_during_a_shutdown_spends_no_attempt(shop: Workshop) -> None:
    """D1: the unfinished is released."""

    @shop.job
    def job(ctx: Context) -> None:
        shop.performer.cancel(ctx.job_id, "shutdown")
        raise ConnectionError("my child process died of the same signal")

    assert shop.perform("job") == Released("the service stopped while it ran")


async def running(shop: Workshop, claim: Claim, entered: asyncio.Event) -> asyncio.Task[AnyOutcome]:
    task = asyncio.create_task(shop.performer.aperform(claim))
    await asyncio.wait_for(entered.wait(), 10)
    return task


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("cancelled", Cancelled("cancelled while it ran")),
        ("shutdown", Released("the service stopped while it ran")),
    ],
)
def test_a_running_async_handler_is_cancelled_from_another_thread(
    shop: Workshop, reason: Any, expected: AnyOutcome
) -> None:
    cleaned: list[str | None] = []

    async def main() -> AnyOutcome:
        entered = asyncio.Event()

        @shop.job
        async def job(ctx: Context) -> None:
            entered.set()
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0)
                cleaned.append(ctx.stop_reason)

        claim = shop.claim("job")
        task = await running(shop, claim, entered)
        assert await asyncio.to_thread(shop.performer.cancel, claim.job_id, reason)
        return await asyncio.wait_for(task, 10)

    assert asyncio.run(main()) == expected
    assert cleaned == [reason]


def test_an_async_handler_that_overruns_its_timeout_fails_the_attempt(shop: Workshop) -> None:
    @shop.job(timeout="20ms")
    async def own() -> None:
        await asyncio.sleep(60)

    @shop.job
    async def of_the_job() -> None:
        await asyncio.sleep(60)

    first = shop.perform("own")
    assert isinstance(first, Retried)
    assert first.error.startswith("TimeoutError: it ran longer than its timeout of 20ms")
    claim = shop.claim("of_the_job", timeout_us=10_000, max_attempts=1)
    last = shop.perform_on_a_loop(claim)
    assert isinstance(last, Failed)
    assert last.reason == "timeout"


def test_a_timeout_leaves_no_trace_in_the_task_that_ran_the_job(shop: Workshop) -> None:
    @shop.job
    async def job() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        for _ in range(2):
            outcome = await shop.performer.aperform(shop.claim("job", timeout_us=1000))
            assert isinstance(outcome, Retried)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)

    asyncio.run(main())


def test_a_cancellation_that_comes_too_late_hits_nobody(shop: Workshop) -> None:
    async def main() -> None:
        @shop.job
        async def job(ctx: Context) -> str:
            shop.performer.cancel(ctx.job_id, "cancelled")
            return "done"

        assert await shop.performer.aperform(shop.claim("job")) == Completed('"done"')
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())


def test_an_async_handler_that_swallows_its_cancellation_and_returns_is_completed(shop: Workshop) -> None:
    @shop.job
    async def job() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return "done"

    assert shop.perform_on_a_loop(shop.claim("job", timeout_us=1000)) == Completed('"done"')


def test_whoever_cancels_the_task_itself_gets_an_outcome(shop: Workshop) -> None:
    async def main() -> AnyOutcome:
        entered = asyncio.Event()

        @shop.job
        async def job() -> None:
            entered.set()
            await asyncio.sleep(60)

        task = await running(shop, shop.claim("job"), entered)
        task.cancel()
        return await asyncio.wait_for(task, 10)

    assert asyncio.run(main()) == Released("the service stopped while it ran")


def test_async_providers_are_closed_when_the_handler_is_cancelled(shop: Workshop) -> None:
    class Session:
        pass

    events: list[str] = []

    async def session() -> AsyncIterator[Session]:
        try:
            yield Session()
        except asyncio.CancelledError:
            events.append("told")
            raise
        finally:
            await asyncio.sleep(0)
            events.append("closed")

    shop.registry.provide(Session, session)

    @shop.job(timeout="10ms")
    async def job(session: Session) -> None:
        await asyncio.sleep(60)

    assert isinstance(shop.perform("job"), Retried)
    assert events == ["told", "closed"]


def test_many_async_jobs_run_beside_each_other(shop: Workshop) -> None:
    async def main() -> list[AnyOutcome]:
        together = asyncio.Barrier(20)

        @shop.job
        async def job(n: int, ctx: Context) -> int:
            await asyncio.wait_for(together.wait(), 10)
            return n if ctx.job.payload == {"n": n} else -1

        claims = [shop.claim("job", json.dumps({"n": n})) for n in range(20)]
        return await asyncio.gather(*map(shop.performer.aperform, claims))

    assert asyncio.run(main()) == [Completed(str(n)) for n in range(20)]
    assert not shop.performer.running


def test_is_async_tells_where_a_key_belongs(shop: Workshop) -> None:
    @shop.job
    async def ajob() -> None: ...

    @shop.job
    def job() -> None: ...

    assert shop.performer.is_async("ajob")
    assert not shop.performer.is_async("job")
    assert not shop.performer.is_async("nobody")

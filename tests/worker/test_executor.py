from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest

from tests.attempting import Workshop
from windlass.context import Context
from windlass.outcome import (
    AnyOutcome,
    Completed,
    Failed,
    Quarantined,
    Retried,
    Snoozed,
)


@pytest.fixture
def shop(database_url: str) -> Iterator[Workshop]:
    made = Workshop(database_url)
    yield made
    made.close()


def test_an_unknown_key_goes_back_unspent(shop: Workshop) -> None:
    """J8, APScheduler #341, River #1105: never deleted, never failed."""
    claim = shop.claim("nobody")
    expected = Snoozed("this process has no handler for 'nobody'", 30_000_000)
    assert shop.performer.perform(claim) == expected
    assert shop.perform_on_a_loop(claim) == expected


def test_a_fallback_receives_key_and_payload(shop: Workshop) -> None:
    def rest(key: str, payload: dict[str, Any] | None, ctx: Context) -> Any:
        return [key, payload, ctx.key]

    shop.registry.fallback(rest)
    assert shop.perform("other", '{"a":1}') == Completed('["other",{"a":1},"other"]')
    assert shop.perform("other", None) == Completed('["other",null,"other"]')


def test_a_fallback_needs_to_take_nothing(shop: Workshop) -> None:
    def rest() -> str:
        return "seen"

    shop.registry.fallback(rest)
    assert shop.perform("other", '{"a":1}') == Completed('"seen"')


@pytest.mark.parametrize("payload", ["[1]", "null", "7", "{", "", '{"order_id": NaN}', "[" * 100_000])
def test_a_payload_that_is_no_json_object_is_quarantined(shop: Workshop, payload: str) -> None:
    @shop.job
    def job(order_id: int = 1) -> None:
        raise AssertionError("it must not run")

    claim = shop.claim("job", payload)
    outcome = shop.performer.perform(claim)
    assert isinstance(outcome, Quarantined)
    assert outcome.reason.startswith("the payload is")
    assert shop.perform_on_a_loop(claim) == outcome


def test_a_foreign_payload_beyond_the_limit_is_quarantined(shop: Workshop) -> None:
    @shop.job
    def job(text: str) -> None: ...

    outcome = shop.perform("job", json.dumps({"text": "x" * (2 << 20)}))
    assert isinstance(outcome, Quarantined)
    assert "more than 1,048,576" in outcome.reason


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ('{"order_id":"x"}', "InvalidPayload: job: payload.order_id: expected int, got str"),
        ("{}", "InvalidPayload: job: payload.order_id is missing: job needs order_id"),
        (None, "InvalidPayload: job: payload.order_id is missing: job needs order_id"),
        ('{"order_id":1,"x":2}', "InvalidPayload: job: job has no payload field 'x': it takes order_id"),
    ],
)
def test_a_payload_that_does_not_fit_fails_at_once(shop: Workshop, payload: str | None, told: str) -> None:
    @shop.job
    def job(order_id: int) -> None:
        raise AssertionError("it must not run")

    assert shop.perform("job", payload) == Failed(told, "invalid")


def test_a_model_that_breaks_while_it_is_read_is_an_ordinary_failure(shop: Workshop) -> None:
    class Odd(pydantic.BaseModel):
        x: int

        @pydantic.model_validator(mode="after")
        def check(self) -> Odd:
            raise OSError("the lookup failed")

    @shop.job
    def job(odd: Odd) -> None: ...

    outcome = shop.perform("job", '{"odd":{"x":1}}')
    assert isinstance(outcome, Retried)
    assert "the lookup failed" in outcome.error


def test_a_signature_that_cannot_be_used_holds_the_job(shop: Workshop) -> None:
    @shop.job
    def job(ctx) -> None: ...  # type: ignore[no-untyped-def]

    outcome = shop.perform("job")
    assert isinstance(outcome, Quarantined)
    assert "has no annotation" in outcome.reason


def test_arguments_arrive_as_their_types(shop: Workshop) -> None:
    @dataclasses.dataclass
    class Line:
        sku: str

    @shop.job
    def job(first: int, /, ctx: Context, line: Line, *, count: int = 2, **rest: Any) -> Any:
        return [first, type(line).__name__, line.sku, count, rest, ctx.attempt]

    assert shop.perform("job", '{"first":1,"line":{"sku":"a"},"z":3}') == Completed(
        '[1,"Line","a",2,{"z":3},1]'
    )


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        (0, "0"),
        (False, "false"),
        ("", '""'),
        ([1, "ü"], '[1,"ü"]'),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_what_a_handler_returns_is_its_result(shop: Workshop, value: Any, stored: str | None) -> None:
    @shop.job
    def job() -> Any:
        return value

    @shop.job
    async def ajob() -> Any:
        return value

    assert shop.perform("job") == Completed(stored)
    assert shop.perform("ajob") == Completed(stored)


def test_a_result_set_on_the_context_is_kept(shop: Workshop) -> None:
    @shop.job
    def job(ctx: Context) -> None:
        ctx.set_result([1])

    assert shop.perform("job") == Completed("[1]")


class BadDump(pydantic.BaseModel):
    @pydantic.model_serializer
    def dump(self) -> Any:
        raise LookupError("cannot")


@pytest.mark.parametrize(
    "value",
    [
        object(),
        float("nan"),
        2**63,
        "\ud800",
        "x" * (2 << 20),
        ValueError("returned"),
        lambda: 1,
        {1: 2},
        BadDump(),
    ],
)
def test_a_result_that_cannot_be_kept_fails_the_job_for_good(shop: Workshop, value: Any) -> None:
    @shop.job
    def job() -> Any:
        return value

    outcome = shop.perform("job")
    assert isinstance(outcome, Failed)
    assert outcome.reason == "permanent"
    assert outcome.error.startswith("the handler's result cannot be kept: result")


def test_a_plain_function_that_returns_a_coroutine_is_awaited(shop: Workshop) -> None:
    async def inner(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    @shop.job
    def job(n: int) -> Any:
        return inner(n)

    @shop.job
    def with_context(ctx: Context, n: int) -> Any:
        return inner(n)

    assert shop.perform("job", '{"n":1}') == Completed("2")
    assert shop.perform("with_context", '{"n":1}') == Completed("2")


def test_async_handlers_run_also_where_nothing_awaits_them(shop: Workshop) -> None:
    @shop.job
    async def job(ctx: Context) -> bool:
        await asyncio.sleep(0)
        return ctx.db.execute("SELECT 1").fetchone() == (1,)

    async def below_a_running_loop() -> AnyOutcome:
        return shop.performer.perform(shop.claim("job"))

    assert shop.perform("job") == Completed("true")
    assert asyncio.run(below_a_running_loop()) == Completed("true")


def test_a_sync_handler_does_not_block_the_event_loop(shop: Workshop) -> None:
    proceed = threading.Event()

    @shop.job
    def job() -> str:
        assert proceed.wait(10)
        return threading.current_thread().name

    async def main() -> AnyOutcome:
        task = asyncio.create_task(shop.performer.aperform(shop.claim("job")))
        await asyncio.sleep(0)
        proceed.set()
        return await task

    assert asyncio.run(main()) != Completed('"MainThread"')

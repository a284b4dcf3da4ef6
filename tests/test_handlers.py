from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest

from windlass.backoff import Backoff
from windlass.context import Context, Service
from windlass.errors import InvalidPayload, RegistrationError
from windlass.handlers import Handler, Registry


class Kind(enum.Enum):
    SALE = "sale"


@dataclasses.dataclass
class Line:
    sku: str
    count: int = 1


class Money(msgspec.Struct):
    amount: decimal.Decimal
    currency: str = "EUR"


class Address(TypedDict):
    city: str


class Customer(pydantic.BaseModel):
    name: str
    born: datetime.date


class Rates:
    pass


def send_receipt(order_id: int, email: str, copies: int = 1) -> None: ...


def handler_of(fn: Callable[..., Any], **options: Any) -> Handler:
    return Registry().add(getattr(fn, "__name__", "job"), fn, **options)


def test_filled_in_parameters_are_not_payload() -> None:
    registry = Registry()

    def job(
        ctx: Context,
        order_id: int,
        db: sqlite3.Connection,
        service: Service,
        rates: Rates,
        later: Context | None = None,
    ) -> None: ...

    handler = registry.add("job", job)
    registry.provide(Rates, Rates)
    assert handler.encode((7,), {}) == '{"order_id":7}'
    assert handler.decode('{"order_id":7}') == (7,)
    registry.prepare()


def test_a_provider_may_be_registered_after_the_handler_was_used() -> None:
    registry = Registry()

    def job(rates: Rates, day: int) -> None: ...

    handler = registry.add("job", job)
    with pytest.raises(InvalidPayload, match=r"payload\.rates is missing"):
        handler.encode((), {"day": 1})
    registry.provide(Rates, Rates)
    assert handler.encode((1,), {}) == '{"day":1}'


def test_a_forgotten_provider_is_found_before_the_first_job() -> None:
    registry = Registry()

    def close_day(day: int, rates: Rates) -> None: ...

    registry.add("close_day", close_day)
    with pytest.raises(
        RegistrationError, match=r"rates has the type Rates, which is neither provided nor"
    ) as caught:
        registry.prepare()
    assert f"{__file__}:" in str(caught.value)


def test_a_context_without_annotation_is_found_before_the_first_job() -> None:
    registry = Registry()

    def job(ctx, day: int) -> None: ...  # type: ignore[no-untyped-def]

    registry.add("job", job)
    with pytest.raises(RegistrationError, match=r"ctx of .* has no annotation: write ctx: Context"):
        registry.prepare()


def test_string_annotations_may_name_types_local_to_the_defining_function() -> None:
    @dataclasses.dataclass
    class Local:
        x: int

    def job(value: Local) -> None: ...

    assert job.__annotations__["value"] == "Local"
    handler = handler_of(job)
    assert handler.decode('{"value":{"x":1}}') == (Local(1),)


def test_an_annotation_that_names_nothing_is_explained() -> None:
    def job(value: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(
        RegistrationError, match=r"'Nowhere' is not defined; import what it names at the top"
    ) as caught:
        handler_of(job).check()
    assert f"{__file__}:" in str(caught.value)


def test_partials_methods_and_callable_objects_are_handlers() -> None:
    class Mailer:
        def send(self, to: str) -> None: ...
        def __call__(self, to: str) -> None: ...

    def send(server: str, to: str) -> None: ...

    for fn in (Mailer().send, Mailer(), functools.partial(send, "smtp")):
        assert Registry().add("send", fn).encode(("ann",), {}) == '{"to":"ann"}'


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def job(*names: str): ...", r"\*names cannot be filled from a JSON object"),
        ("def job(payload: dict, more: int): ...", "payload takes the whole object"),
        ("def job(a: Rates | int | Path): ...", "its payload cannot be described as JSON"),
    ],
)
def test_signatures_that_no_payload_fits_are_refused(source: str, told: str) -> None:
    names: dict[str, Any] = {"Rates": Rates, "Path": Path}
    exec(source, names)  # noqa: S102 - a signature per case, written as people write it
    with pytest.raises(RegistrationError, match=told):
        handler_of(names["job"]).check()


def test_a_generator_cannot_be_a_handler() -> None:
    def job() -> Any:
        yield 1

    with pytest.raises(RegistrationError, match="is a generator: calling it would run nothing"):
        handler_of(job)


def test_async_functions_are_known_as_such() -> None:
    async def job() -> None: ...

    class Async:
        async def __call__(self) -> None: ...

    @functools.wraps(job)
    def wrapped() -> None: ...

    assert handler_of(job).is_async
    assert handler_of(functools.partial(job)).is_async
    assert handler_of(Async()).is_async
    assert not handler_of(wrapped).is_async
    assert not handler_of(send_receipt).is_async


def test_the_schema_describes_the_payload() -> None:
    schema = handler_of(send_receipt).schema()
    [definition] = schema["$defs"].values()
    assert list(definition["properties"]) == ["order_id", "email", "copies"]
    assert definition["required"] == ["order_id", "email"]
    json.dumps(schema)


def test_two_handlers_of_one_key_are_refused_and_both_named() -> None:
    registry = Registry()

    def first() -> None: ...
    def second() -> None: ...

    registry.add("send", first)
    with pytest.raises(RegistrationError, match=r"'send' belongs to .*first .*; .*second .* needs another"):
        registry.add("send", second)
    assert registry.get("send") is not None
    assert registry.keys() == ("send",)


def test_a_fallback_runs_every_other_key() -> None:
    registry = Registry()
    own = registry.add("own", send_receipt)

    def rest(key: str, payload: dict[str, Any] | None, ctx: Context) -> None: ...

    fallback = registry.fallback(rest)
    assert registry.get("own") is own
    assert registry.get("anything") is fallback
    assert registry.get_own("anything") is None
    assert registry.keys() is None
    assert fallback.encode_mapping({"a": 1}) == '{"a":1}'
    with pytest.raises(RegistrationError, match="is the fallback already"):
        registry.fallback(rest)


def test_a_fallback_takes_no_fields() -> None:
    registry = Registry()

    def rest(key: str, user: str) -> None: ...

    registry.fallback(rest)
    with pytest.raises(RegistrationError, match="a fallback takes key: str, payload"):
        registry.prepare()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_attempts": 0}, "expected max_attempts to be a positive integer, got 0"),
        ({"max_attempts": True}, "expected max_attempts to be a positive integer, got True"),
        ({"priority": 2**63}, "expected priority to be an integer of 64 bits"),
        ({"queue": "a b"}, "expected queue to be"),
        ({"timeout": "soon"}, "expected timeout to be a duration"),
        ({"timeout": 0}, "expected timeout to be longer than nothing"),
        ({"backoff": 3}, "expected backoff to be a Backoff"),
        ({"isolation": "thread"}, "expected isolation to be None or"),
        ({"tags": "mail"}, "expected tags to be several texts"),
        ({"tags": [""]}, "expected tags to be printable texts"),
        ({"on_error": {ValueError: "again"}}, "expected the rule for ValueError to be"),
        ({"on_error": {ValueError: Backoff}}, "expected the rule for ValueError to be"),
        ({"on_error": {"ValueError": "fail"}}, "expected the keys of on_error to be exception classes"),
    ],
)
def test_an_option_that_cannot_be_right_is_refused_with_the_function(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(RegistrationError, match=told) as caught:
        handler_of(send_receipt, **options)
    assert "send_receipt" in str(caught.value)


@pytest.mark.parametrize("key", ["", "a b", '"; DROP', "x" * 129, None, 7])
def test_a_key_that_cannot_be_stored_plainly_is_refused(key: Any) -> None:
    with pytest.raises(RegistrationError, match="expected job key to be"):
        Registry().add(key, send_receipt)


def test_start_callbacks_are_kept_in_order() -> None:
    registry = Registry()
    calls = [lambda service, db: None, lambda service, db: None]
    for call in calls:
        registry.on_start(call)
    assert registry.start_callbacks == calls
    with pytest.raises(RegistrationError, match="expected on_start to get a function"):
        registry.on_start(7)  # type: ignore[arg-type]

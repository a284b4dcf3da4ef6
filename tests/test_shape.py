from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pydantic
import pytest

from windlass.context import Context
from windlass.errors import InvalidPayload
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


def test_a_call_becomes_a_json_object_and_back() -> None:
    handler = handler_of(send_receipt)
    text = handler.encode((7,), {"email": "a@b.c"})
    assert text == '{"order_id":7,"email":"a@b.c"}'
    assert handler.decode(text) == (7, "a@b.c", 1)


def test_a_default_is_left_to_the_worker_so_that_a_later_one_applies() -> None:
    assert handler_of(send_receipt).encode((1, "a"), {}) == '{"order_id":1,"email":"a"}'


def test_a_mutable_default_is_the_very_object_as_in_any_call() -> None:
    shared = ["a"]

    def job(names: list[str] = shared) -> None: ...

    assert handler_of(job).decode("{}")[0] is shared


@pytest.mark.parametrize(
    ("args", "kwargs", "told"),
    [
        ((), {"email": "a"}, r"payload\.order_id is missing: send_receipt needs order_id, email"),
        ((), {"order_id": "7", "email": "a"}, r"payload\.order_id: expected int, got str"),
        ((), {"order_id": True, "email": "a"}, r"payload\.order_id: expected int, got bool"),
        ((), {"order_id": 1.5, "email": "a"}, r"payload\.order_id: expected int, got float"),
        ((), {"order_id": 1, "email": None}, r"payload\.email: expected str, got null"),
        ((), {"order_id": 1, "email": datetime.date(2026, 1, 1)}, r"payload\.email: expected str, got date"),
        ((), {"order_id": 2**63, "email": "a"}, r"payload\.order_id is beyond a 64-bit integer"),
        ((), {"order_id": 1, "email": "\ud800"}, r"payload\.email holds a lone surrogate"),
        ((), {"order_id": 1, "email": "x" * (2 << 20)}, r"payload.email is larger than 1 MiB"),
        (
            (),
            {"order_id": 1, "emial": "a", "email": "b"},
            r"no payload field 'emial': did you mean email\? it takes",
        ),
        ((1, "a", 2, 3), {}, r"at most 3 arguments by position, got 4"),
        ((1,), {"order_id": 1, "email": "a"}, r"got order_id twice"),
    ],
)
def test_a_call_that_does_not_fit_names_the_parameter(
    args: tuple[Any, ...], kwargs: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidPayload, match=told):
        handler_of(send_receipt).encode(args, kwargs)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (datetime.date, datetime.date(2026, 1, 2)),
        (datetime.datetime, datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC)),
        (datetime.timedelta, datetime.timedelta(seconds=90)),
        (decimal.Decimal, decimal.Decimal("1.50")),
        (uuid.UUID, uuid.UUID(int=7)),
        (Kind, Kind.SALE),
        (bytes, b"\0\xff"),
        (Path, Path("/srv/data")),
        (Line, Line("a", 2)),
        (Money, Money(decimal.Decimal("2.00"))),
        (Address, {"city": "Oslo"}),
        (Customer, Customer(name="Ada", born=datetime.date(1815, 12, 10))),
        (Customer | None, None),
        (list[Line], [Line("a"), Line("b", 3)]),
        (dict[int, str], {1: "one"}),
        (dict[str, Money], {"a": Money(decimal.Decimal(1))}),
        (tuple[int, str], (1, "a")),
        (set[int], {1, 2}),
        (Literal["a", "b"], "b"),
        (int | str | None, "x"),
        (float, 3),
        (Annotated[int, msgspec.Meta(ge=1)], 1),
        (Any, {"deep": [1, {"er": None}]}),
    ],
)
def test_typed_values_come_back_as_they_went(annotation: Any, value: Any) -> None:
    def job(value: Any) -> None: ...

    job.__annotations__["value"] = annotation
    handler = handler_of(job)
    assert handler.decode(handler.encode((value,), {})) == (value,)


@pytest.mark.parametrize(
    ("annotation", "value", "told"),
    [
        (list[Line], [{"sku": "a"}, {"sku": 3}], r"payload\.value\[1\]\.sku: expected str, got int"),
        (Line, Line("a", "many"), r"payload\.value\.count: expected int, got str"),  # type: ignore[arg-type]
        (Line, {"count": 1}, r"payload\.value: object missing required field sku"),
        (Customer, {"name": "Ada"}, r"payload\.value: born: Field required"),
        (Kind, "gift", r"payload\.value: invalid enum value 'gift'"),
        (Annotated[int, msgspec.Meta(ge=1)], 0, r"payload\.value: expected int >= 1"),
        (float | None, float("nan"), r"payload\.value is NaN"),
        (list[float], [1.0, float("inf")], r"payload\.value\[1\] is infinite"),
        (dict[str, Any], {1: "x"}, r"payload\.value has the key 1"),
        (Any, object(), r"payload\.value is a value of type object"),
        (list[Any], functools.reduce(lambda inner, _: [inner], range(10_000), []), "nested deeper than 64"),  # type: ignore[var-annotated]
    ],
)
def test_a_value_deep_inside_is_named_by_its_path(annotation: Any, value: Any, told: str) -> None:
    def job(value: Any) -> None: ...

    job.__annotations__["value"] = annotation
    with pytest.raises(InvalidPayload, match=told):
        handler_of(job).encode((value,), {})


def test_keyword_only_and_positional_only_parameters_are_fields_too() -> None:
    def job(first: int, /, second: int, *, third: int = 3) -> None: ...

    handler = handler_of(job)
    assert handler.decode(handler.encode((1, 2), {"third": 4})) == (1, 2, 4)
    with pytest.raises(InvalidPayload, match="at most 2 arguments by position"):
        handler.encode((1, 2, 3), {})


def test_parameters_may_be_called_like_anything() -> None:
    def job(__struct_fields__: int, self: int, key: str, payload: str, class_: int = 0) -> None: ...

    handler = handler_of(job)
    assert handler.decode(handler.encode((1, 2, "k", "p"), {})) == (1, 2, "k", "p", 0)


def test_a_mapping_is_checked_like_a_call() -> None:
    handler = handler_of(send_receipt)
    assert handler.encode_mapping({"email": "a", "order_id": 1}) == '{"email":"a","order_id":1}'
    with pytest.raises(InvalidPayload, match=r"payload\.email is missing"):
        handler.encode_mapping({"order_id": 1})
    with pytest.raises(InvalidPayload, match=r"payload\.order_id is missing"):
        handler.encode_mapping(None)
    with pytest.raises(InvalidPayload, match="expected payload to be a dict or None, got list"):
        handler.encode_mapping([1])  # type: ignore[arg-type]


def test_no_payload_fits_where_nothing_is_required() -> None:
    def job(count: int = 3) -> None: ...

    handler = handler_of(job)
    assert handler.encode_mapping(None) is None
    assert handler.decode(None) == (3,)


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ('{"order_id":"x","email":"a"}', r"payload\.order_id: expected int, got str"),
        ('{"order_id":1}', r"payload\.email is missing"),
        ('{"order_id":1,"email":"a","z":1}', r"has no payload field 'z'"),
        (None, r"payload\.order_id is missing"),
    ],
)
def test_a_stored_payload_that_does_not_fit_is_explained(stored: str | None, told: str) -> None:
    with pytest.raises(InvalidPayload, match=told):
        handler_of(send_receipt).decode(stored)


@pytest.mark.parametrize("annotation", [dict | None, dict[str, Any] | None, "dict[str, object] | None"])
def test_a_parameter_called_payload_receives_the_whole_object(annotation: Any) -> None:
    def job(payload: Any) -> None: ...

    job.__annotations__["payload"] = annotation
    handler = handler_of(job)
    assert handler.decode('{"userId":"123"}') == ({"userId": "123"},)
    assert handler.decode(None) == (None,)
    assert handler.encode_mapping({"a": 1}) == '{"a":1}'
    assert handler.encode_mapping(None) is None
    assert handler.encode(({"a": 1},), {}) == '{"a":1}'
    assert handler.encode((), {"payload": {"a": 1}}) == '{"a":1}'
    with pytest.raises(InvalidPayload, match="takes its payload whole"):
        handler.encode((), {"a": 1})


def test_a_whole_payload_that_is_not_optional_refuses_null() -> None:
    def job(payload: dict[str, Any]) -> None: ...

    handler = handler_of(job)
    with pytest.raises(InvalidPayload, match="needs a payload"):
        handler.encode_mapping(None)
    with pytest.raises(InvalidPayload, match="needs a payload"):
        handler.decode(None)


def test_a_field_called_payload_of_another_type_is_a_field() -> None:
    def job(payload: str) -> None: ...

    assert handler_of(job).encode(("x",), {}) == '{"payload":"x"}'


def test_keyword_arguments_receive_all_other_fields() -> None:
    def job(name: str, **rest: int) -> None: ...

    handler = handler_of(job)
    text = handler.encode(("a",), {"x": 1, "y": 2})
    assert text == '{"name":"a","x":1,"y":2}'
    assert handler.decode(text) == ("a", {"x": 1, "y": 2})
    with pytest.raises(InvalidPayload, match=r"payload\.x: expected int, got str"):
        handler.encode(("a",), {"x": "1"})


def test_a_payload_cannot_fill_what_windlass_fills_in() -> None:
    def job(ctx: Context, **rest: Any) -> None: ...

    handler = handler_of(job)
    with pytest.raises(InvalidPayload, match="fills its parameter ctx itself"):
        handler.encode((), {"ctx": 1})
    with pytest.raises(InvalidPayload, match="fills its parameter ctx itself"):
        handler.decode('{"ctx":1}')

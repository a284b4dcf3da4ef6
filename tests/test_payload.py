from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import tracemalloc
import uuid
from pathlib import PurePosixPath
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.errors import InvalidPayload
from windlass.payload import MAX_DEPTH, check_json, encode_result, why_not_object


class Colour(enum.Enum):
    RED = "red"


class Subtext(str):
    __slots__ = ()


class Model(pydantic.BaseModel):
    on: datetime.date


@dataclasses.dataclass
class Point:
    x: float
    y: float


def nested(depth: int) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for _ in range(depth - 1):
        root = {"a": root}
    return root


def test_a_payload_is_kept_in_the_order_given() -> None:
    assert check_json({"b": 1, "a": [True, None, 1.5, "ü"]}) == '{"b":1,"a":[true,null,1.5,"ü"]}'


def test_no_payload_is_no_text() -> None:
    assert check_json(None) is None


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
        (decimal.Decimal("1.50"), "1.50"),
        (Colour.RED, "red"),
        (Subtext("text"), "text"),
        (PurePosixPath("/a/b"), "/a/b"),
        (Point(1.0, 2.0), {"x": 1.0, "y": 2.0}),
        (Model(on=datetime.date(2026, 1, 2)), {"on": "2026-01-02"}),
        ((1, 2), [1, 2]),
        ({"k": (1,)}, {"k": [1]}),
    ],
)
def test_values_with_an_obvious_json_form_take_it(value: Any, stored: Any) -> None:
    text = check_json({"value": value})
    assert text is not None
    assert json.loads(text) == {"value": stored}


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ([1], "expected payload to be a dict or None, got list"),
        ("{}", "expected payload to be a dict or None, got str"),
        ({"items": [{}, {}, {}, {"price": float("nan")}]}, r"payload\.items\[3\]\.price is NaN"),
        ({"price": float("inf")}, r"payload\.price is infinite"),
        ({"at": Point(float("nan"), 0)}, r"payload\.at\.x is NaN"),
        ({"big": 2**63}, r"payload\.big is beyond a 64-bit integer"),
        ({"big": -(2**63) - 1}, r"payload\.big is beyond a 64-bit integer"),
        ({"name": "a\ud800"}, r"payload\.name holds a lone surrogate"),
        ({"\ud800": 1}, r"holds a lone surrogate"),
        ({"by_id": {1: "x"}}, r"payload\.by_id has the key 1: expected text, got int"),
        ({"thing": object()}, r"payload\.thing is a value of type object, which JSON cannot hold"),
        ({"thing": [1, {2j}]}, r"payload\.thing\[1\]\[0\] is a value of type complex"),
        (nested(MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH} levels"),
        ({"blob": "x" * (2 << 20)}, "larger than 1 MiB"),
        ({"many": [0] * (1 << 20)}, "larger than 1 MiB"),
        ({"escaped": "\0" * 300_000}, "larger than 1 MiB"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place(payload: Any, told: str) -> None:
    with pytest.raises(InvalidPayload, match=told):
        check_json(payload)


def test_the_limits_themselves_are_allowed() -> None:
    assert check_json(nested(MAX_DEPTH)) is not None
    assert check_json({"least": -(2**63), "most": 2**63 - 1}) is not None
    assert check_json({"a": "x" * ((1 << 20) - 8)}) is not None


def test_a_depth_of_ten_thousand_is_refused_without_exhausting_the_stack() -> None:
    with pytest.raises(InvalidPayload, match="nested deeper than 64 levels"):
        check_json(nested(10_000))


def test_a_payload_that_holds_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = [loop]
    with pytest.raises(InvalidPayload, match="nested deeper"):
        check_json(loop)


def test_shared_references_that_fan_out_are_refused_soon() -> None:
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    with pytest.raises(InvalidPayload, match="larger than 1 MiB"):
        check_json({"fan": value})


def test_a_hundred_megabytes_are_refused_without_being_copied() -> None:
    payload = {"blob": "x" * 100_000_000}
    tracemalloc.start()
    try:
        with pytest.raises(InvalidPayload, match="larger than 1 MiB"):
            check_json(payload)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_another_name_is_used_in_messages() -> None:
    with pytest.raises(InvalidPayload, match=r"meta\.x is NaN"):
        check_json({"x": float("nan")}, name="meta")


def test_a_model_whose_dump_fails_is_refused_rather_than_let_through() -> None:
    class Broken:
        def model_dump(self, mode: str) -> Any:
            raise KeyError("nothing here")

    with pytest.raises(InvalidPayload, match="type Broken, which JSON cannot hold"):
        check_json({"model": Broken()})


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json_values))
def test_what_is_let_through_reads_back_equal(payload: dict[str, Any]) -> None:
    text = check_json(payload)
    assert text is not None
    assert json.loads(text) == payload
    assert why_not_object(text) is None


def test_results_obey_the_same_limits() -> None:
    assert encode_result(None) is None
    assert encode_result(0) == "0"
    assert encode_result(False) == "false"
    assert encode_result([1, "a"]) == '[1,"a"]'
    with pytest.raises(InvalidPayload, match=r"result\[0\] is NaN"):
        encode_result([float("nan")])
    with pytest.raises(InvalidPayload, match="result is beyond a 64-bit integer"):
        encode_result(2**63)


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        ("[1]", "a JSON array, not an object"),
        ("null", "a JSON null, not an object"),
        ("7", "a JSON number, not an object"),
        ('"a"', "a JSON string, not an object"),
        ("{", "not JSON"),
        ("", "not JSON"),
        ("NaN", "not JSON"),
        (b"{}", "a bytes value, not text"),
        ("[" * 100_000, "nested too deeply"),
        ('"' + "x" * (2 << 20) + '"', "more than 1,048,576"),
    ],
)
def test_stored_text_that_is_no_object_is_told_apart(stored: Any, why: str) -> None:
    assert why in (why_not_object(stored) or "")


def test_stored_objects_and_null_are_fine() -> None:
    assert why_not_object(None) is None
    assert why_not_object('{"a":[1]}') is None

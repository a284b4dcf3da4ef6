"""What a payload and a result may hold: JSON, within limits that keep a job storable and readable anywhere.

At most 1 MiB as text and 64 levels deep; numbers within 64 bits and finite; text without lone surrogates.
Every refusal says where the offender is. Nothing here recurses, so depth cannot exhaust the stack.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePath
from typing import Any, cast

import msgspec

from windlass.errors import InvalidPayload

MAX_BYTES = 1 << 20
"""The longest payload or result, as UTF-8 JSON text."""
MAX_DEPTH = 64
"""The deepest nesting; the payload object itself is level 1."""

INT_MIN, INT_MAX = -(1 << 63), (1 << 63) - 1

# A value's way down from the root, as a linked list: turned into text only for an error.
_Trail = tuple["_Trail | None", str | int]


def check_json(payload: Any, *, name: str = "payload") -> str | None:
    """The JSON text of a payload that no signature describes: a ``dict`` with text keys, or None.

    ``name`` is what error messages call it. Dates, UUIDs, Decimals, enums, dataclasses and Structs inside
    become JSON as msgspec writes them.

    >>> check_json({"userId": "123"})
    '{"userId":"123"}'

    Raises:
        InvalidPayload: not a dict or None, or outside the limits; the message says where.
    """
    if payload is None:
        return None
    if not isinstance(payload, Mapping):
        raise InvalidPayload(f"expected {name} to be a dict or None, got {type_name(payload)}")
    check_values(payload, name)
    return encode(payload, name)


def check_values(root: Any, where: str = "payload", *, depth: int = 1, typed_keys: bool = False) -> None:
    """Refuses what JSON cannot hold or what is beyond the limits.

    ``typed_keys`` lets dict keys be numbers, dates or UUIDs, where a schema reads them back as such.
    """
    # Each value takes at least a byte of JSON, so the budget also ends shared references that fan out.
    budget = MAX_BYTES
    # One iterator a level, rather than all that is still to be looked at: a list may hold one value often.
    levels: list[Iterator[tuple[Any, _Trail]]] = [iter([(root, (None, where))])]
    while levels:
        for value, trail in levels[-1]:
            budget -= 1
            while not _is_json(value):
                value = _as_builtin(value, trail)
            if isinstance(value, str):
                budget -= len(value)
                _check_text(value, trail, budget)
            elif isinstance(value, int):
                if not INT_MIN <= value <= INT_MAX:
                    raise InvalidPayload(f"{_path(trail)} is beyond a 64-bit integer: send it as text")
            elif isinstance(value, float):
                if not math.isfinite(value):
                    raise InvalidPayload(f"{_path(trail)} is {_float_name(value)}, which JSON cannot hold")
            elif value is not None:
                if depth + len(levels) - 1 > MAX_DEPTH:
                    raise InvalidPayload(f"{_path(trail)} is nested deeper than {MAX_DEPTH} levels")
                if len(value) > budget:
                    raise _too_large(where)
                if isinstance(value, Mapping):
                    keys = cast("Mapping[Any, Any]", value)
                    budget -= sum(_check_key(key, trail, budget, typed_keys) for key in keys)
                levels.append(_children(value, trail))
                break
            if budget < 0:
                raise _too_large(where)
        else:
            levels.pop()


def encode(value: Any, where: str = "payload") -> str:
    """The JSON text of a value that ``check_values`` has let through."""
    try:
        text = _ENCODER.encode(value)
    except UnicodeEncodeError:
        check_values(value, where)
        raise InvalidPayload(f"{where} holds a lone surrogate, which is not text") from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidPayload(f"{where} cannot be stored as JSON: {error}") from error
    if len(text) > MAX_BYTES:
        raise _too_large(where)
    return text.decode()


def encode_result(value: Any) -> str | None:
    """The JSON text of what a handler returned; None for None.

    Raises:
        InvalidPayload: it cannot be stored; the message says where and why.
    """
    if value is None:
        return None
    kind = cast("type[Any]", type(value))
    if kind is not bool and not (kind is int and INT_MIN <= value <= INT_MAX):
        check_values(value, "result")
    return encode(value, "result")


def why_not_object(text: Any) -> str | None:
    """Why stored payload text is no JSON object within the limits, or None where it is one (or NULL)."""
    if text is None:
        return None
    if not isinstance(text, str):
        return f"the payload is a {type_name(text)} value, not text"
    if len(text) > MAX_BYTES:
        return f"the payload has {len(text):,} characters, more than {MAX_BYTES:,}"
    try:
        value = msgspec.json.decode(text)
    except RecursionError:
        return "the payload is nested too deeply to be read"
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        return f"the payload is not JSON: {error}"
    return None if isinstance(value, dict) else f"the payload is a JSON {_json_name(value)}, not an object"


def encode_hook(value: Any) -> Any:
    """For msgspec: pydantic models, paths, and subclasses of plain types become plain values."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    if isinstance(value, PurePath):
        return str(value)
    for plain in (str, int, float):
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, Mapping):
        return dict(cast("Mapping[Any, Any]", value))
    if isinstance(value, (Sequence, AbstractSet)):
        return list(cast("Sequence[Any]", value))
    raise NotImplementedError(f"{type_name(value)} is not a JSON type")


def decode_hook(kind: Any, value: Any) -> Any:
    """For msgspec: JSON values become pydantic models or paths where the annotation says so."""
    if isinstance(kind, type) and isinstance(value, kind):
        return value
    validate = getattr(kind, "model_validate_json", None)
    if validate is not None:
        try:
            return validate(msgspec.json.encode(value))
        except ValueError as error:
            raise ValueError(_pydantic_text(error)) from None
    if is_path_type(kind) and isinstance(value, str):
        return kind(value)
    raise ValueError(f"Expected `{getattr(kind, '__name__', kind)}`, got `{type_name(value)}`")


def is_path_type(kind: Any) -> bool:
    """A class of ``pathlib``, or one derived from it."""
    return isinstance(kind, type) and issubclass(kind, PurePath)


def type_name(value: Any) -> str:
    """The name of a value's type, as people write it."""
    return "None" if value is None else type(value).__name__


_ENCODER = msgspec.json.Encoder(enc_hook=encode_hook)


def _is_json(value: Any) -> bool:
    return value is None or (
        isinstance(value, (str, int, float, Mapping, Sequence, AbstractSet))
        and not isinstance(value, (bytes, bytearray, memoryview))
    )


def _children(value: Any, trail: _Trail) -> Iterator[tuple[Any, _Trail]]:
    if isinstance(value, Mapping):
        named = cast("Mapping[Any, Any]", value)
        return ((child, (trail, str(key))) for key, child in named.items())
    return ((child, (trail, index)) for index, child in enumerate(value))


def _check_text(value: str, trail: _Trail, budget: int) -> None:
    if budget < 0:
        raise _too_large(_path(trail))
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InvalidPayload(f"{_path(trail)} holds a lone surrogate, which is not text")


def _check_key(key: Any, trail: _Trail, budget: int, typed_keys: bool) -> int:
    if isinstance(key, str):
        _check_text(key, (trail, "…key"), budget - len(key))
        return len(key)
    if not typed_keys:
        raise InvalidPayload(f"{_path(trail)} has the key {key!r:.80}: expected text, got {type_name(key)}")
    return 1


def _as_builtin(value: Any, trail: _Trail) -> Any:
    try:
        plain = msgspec.to_builtins(value, str_keys=True, enc_hook=encode_hook)
    except RecursionError:
        raise InvalidPayload(f"{_path(trail)} is nested deeper than {MAX_DEPTH} levels") from None
    except Exception as error:
        # A user's model may raise anything while it is dumped; whatever it was, the value is refused.
        raise InvalidPayload(
            f"{_path(trail)} is a value of type {type_name(value)}, which JSON cannot hold"
        ) from error
    if type(plain) is type(value):
        raise InvalidPayload(f"{_path(trail)} is a value of type {type_name(value)}, which JSON cannot hold")
    return plain


def _path(trail: _Trail) -> str:
    parts: list[str] = []
    step: _Trail | None = trail
    while step is not None:
        step, name = step
        parts.append(f"[{name}]" if isinstance(name, int) else f".{name:.60}")
    parts.reverse()
    if len(parts) > 12:
        parts[6:-4] = ["…"]
    return "".join(parts).removeprefix(".")


def _too_large(where: str) -> InvalidPayload:
    return InvalidPayload(f"{where} is larger than 1 MiB as JSON: store the data elsewhere and send its name")


def _float_name(value: float) -> str:
    return "NaN" if value != value else "infinite"


def _json_name(value: Any) -> str:
    names = {
        type(None): "null",
        bool: "boolean",
        int: "number",
        float: "number",
        str: "string",
        list: "array",
    }
    return names.get(cast("type[Any]", type(value)), "value")


def _pydantic_text(error: ValueError) -> str:
    details = getattr(error, "errors", None)
    if details is None:
        return str(error)
    found = cast(
        "list[dict[str, Any]]", details(include_url=False, include_input=False, include_context=False)
    )
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'value'}: {item['msg']}" for item in found[:5])

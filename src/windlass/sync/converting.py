"""One column's values on their way: how a kept one is told to a remote, and how a remote's is kept."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import msgspec

from windlass.change import Column
from windlass.errors import SyncError
from windlass.spelling import spelling_of
from windlass.sync.kept import LARGEST, as_kept

_KINDS = (str, int, float, bool, bytes)
_BOOLEANS = frozenset({"BOOL", "BOOLEAN"})


class Unmappable(SyncError):
    """A document that cannot become a row, or a row that cannot become a document."""


def is_binary(column: Column) -> bool:
    """True where a column is declared for bytes: they are sent as base64."""
    return "BLOB" in column.declared or "BINARY" in column.declared or column.declared == "BYTEA"


def is_boolean(column: Column) -> bool:
    """True where a column's 0 and 1 are sent as false and true."""
    return column.declared in _BOOLEANS


def is_json(column: Column) -> bool:
    """True where a column's texts are sent as the JSON that they are."""
    return column.declared.startswith("JSON")


def told_as_it_is(column: Column) -> frozenset[type]:
    """The types whose values need no look before they are told."""
    odd = is_binary(column) or is_boolean(column) or is_json(column)
    return frozenset() if odd else frozenset((str, int))


def giver(column: Column) -> Callable[[Any], Any]:
    """How a kept value is told to a remote."""
    name = column.name
    if is_binary(column):
        return lambda value: _write_base64(name, value)
    if is_boolean(column):
        return lambda value: bool(value) if value in (0, 1) else _tellable(name, value)
    if is_json(column):
        return lambda value: _read_json(_tellable(name, value))
    return lambda value: _tellable(name, value)


def kept_as_it_is(column: Column) -> type | None:
    """The type whose values need no look, where there is one: most of them, by far."""
    if is_binary(column) or is_json(column) or column.affinity not in ("TEXT", "BLOB"):
        return None
    return str if spelling_of(column) is None else None


def keeps_integers(column: Column) -> bool:
    return column.affinity == "INTEGER" and not is_binary(column) and not is_json(column)


def taker(column: Column) -> Callable[[Any], Any]:
    """How a remote's value becomes one to keep."""
    name, affinity, declared = column.name, column.affinity, column.declared
    if is_json(column):
        return lambda value: as_kept(_write_json(name, value), affinity)

    spell = spelling_of(column)

    def take(value: Any) -> Any:
        kind = type(value)  # pyright: ignore[reportUnknownVariableType]
        if spell is not None and kind is str:
            return spell(value)
        if kind is int and affinity == "INTEGER" and -LARGEST <= value < LARGEST:
            return value
        if kind is str and affinity in ("TEXT", "BLOB"):
            return value
        if kind in (dict, list):
            raise Unmappable(
                f"{name} is {declared or 'without a type'}, and the remote sent {kind.__name__}: declare the "
                "column JSON, or give from_remote= to take it apart"
            )
        if kind not in _KINDS:
            raise Unmappable(
                f"{name}: expected what SQLite keeps, got {kind.__name__}: make text or a number of it"
            )
        if kind is int and affinity != "TEXT" and not -LARGEST <= value < LARGEST:
            raise Unmappable(f"{name}: {value} is larger than SQLite's integers: send it as text")
        kept = as_kept(value, affinity)
        if type(kept) is float and math.isinf(kept):
            raise Unmappable(f"{name}: {value!r:.80} is larger than any number: make the column TEXT")
        return kept

    if is_binary(column):
        return lambda value: _read_base64(name, value) if type(value) is str else take(value)
    return take


def _tellable(name: str, value: Any) -> Any:
    # As base64 it would come back as text, and replace the bytes.
    if type(value) is bytes:
        raise Unmappable(
            f"{name} holds bytes, and JSON has none: declare the column BLOB, then base64 is sent"
        )
    if type(value) is float and math.isinf(value):
        raise Unmappable(f"{name} holds {value}, and JSON knows no infinity")
    return value


def _read_json(value: Any) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, TypeError):
        # What the program keeps there is no JSON: then it is sent as it is.
        return value


def _write_json(name: str, value: Any) -> str:
    try:
        return msgspec.json.encode(value, order="sorted").decode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Unmappable(f"{name} is JSON, and what was given for it is not: {error}") from error


def _read_base64(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Unmappable(f"{name} is bytes, and the remote sent text that is not base64") from error


def _write_base64(name: str, value: Any) -> Any:
    # Text would come back as bytes, and replace the text.
    if isinstance(value, str):
        raise Unmappable(f"{name} is declared for bytes and holds text: declare the column TEXT")
    return base64.b64encode(value).decode() if isinstance(value, bytes) else _tellable(name, value)


def means_the_same(one: Any, other: Any) -> bool:
    """True where a remote is told the same of two kept values of a JSON column.

    >>> means_the_same('{"b": 1, "a": [2.0]}', '{"a":[2],"b":1}'), means_the_same("tea", '"tea"')
    (True, True)
    >>> means_the_same("true", 1), means_the_same("null", None)
    (False, True)
    """
    if one == other and type(one) is type(other):
        return True
    if type(one) is bytes or type(other) is bytes:
        return False
    try:
        return _is_equal(_read_json(one), _read_json(other))
    except RecursionError:
        return False


def _is_equal(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        ones, others = cast("Mapping[str, Any]", one), cast("Mapping[str, Any]", other)
        return ones.keys() == others.keys() and all(_is_equal(ones[name], others[name]) for name in ones)
    if isinstance(one, list) and isinstance(other, list):
        here, there = cast("Sequence[Any]", one), cast("Sequence[Any]", other)
        return len(here) == len(there) and all(map(_is_equal, here, there))
    # JSON has one kind of number; and Python takes true for one.
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)

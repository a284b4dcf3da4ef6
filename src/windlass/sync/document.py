"""Documents as they are sent: JSON that every server reads as it was meant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, cast

import msgspec

from windlass.errors import InvalidDocument

_ENCODER = msgspec.json.Encoder()
_PLAIN = frozenset((str, int, bool, type(None)))
"""Nearly all that documents hold: nothing is in them that could be refused here."""
_VALUES = cast("Callable[[Any], Iterable[Any]]", dict.values)  # pyright: ignore[reportUnknownMemberType]


def encode(document: Any, depth_max: int = 64) -> bytes:
    """The document as JSON.

    >>> encode({"title": "Ä"}).decode()
    '{"title":"Ä"}'

    Raises:
        InvalidDocument: a NaN or infinity, a lone surrogate, nested too deeply, or of no JSON type.
    """
    level: list[Any] = [document]
    depth = 0
    while level:
        is_deeper, level = _below(level)
        depth += is_deeper
        if depth > depth_max:
            raise InvalidDocument(f"a document to be sent is nested deeper than {depth_max} levels")
    try:
        return _ENCODER.encode(document)
    except UnicodeEncodeError:
        raise InvalidDocument("a document to be sent holds a lone surrogate, which is not text") from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidDocument(f"a document to be sent is no JSON: {error}") from None


def _below(level: list[Any]) -> tuple[bool, list[Any]]:
    """Whether there is another level, and what is in it that has to be looked at."""
    if set(map(type, level)) == {dict}:
        # Nearly all that is sent; its plain values are not even listed.
        return any(level), [
            one for one in chain.from_iterable(map(_VALUES, level)) if type(one) not in _PLAIN
        ]
    below: list[Any] = []
    for value in level:
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidDocument(f"a document to be sent holds {value!r}, which JSON cannot hold")
        if type(value) is dict or isinstance(value, Mapping):
            below.extend(cast("Mapping[Any, Any]", value).values())
        elif isinstance(value, (list, tuple)):
            below.extend(cast("list[Any]", value))
    return bool(below), [value for value in below if type(value) not in _PLAIN]

"""What a table makes of a value that is put into a column: SQLite's affinity, in Python."""

from __future__ import annotations

import math
import re
from typing import Any

from windlass.change import Affinity, Column
from windlass.spelling import spelling_of

# Blanks and digits as SQLite sees them: Python knows more of both.
_NUMBER = re.compile(r"[\t-\r ]*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[\t-\r ]*")
LARGEST = 2**63
_DIGITS = 19
"""As many as the largest integer has."""


def as_kept(value: Any, affinity: Affinity) -> Any:
    """A value as SQLite would keep it in a column of that affinity.

    >>> as_kept("5", "INTEGER"), as_kept(5, "TEXT"), as_kept(5, "REAL"), as_kept("five", "INTEGER")
    (5, '5', 5.0, 'five')
    """
    kind = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is str:
        return value if affinity in ("TEXT", "BLOB") else _from_text(value, affinity)
    if kind is bool:
        value, kind = int(value), int
    if kind is int:
        if affinity == "TEXT":
            return str(value)
        return float(value) if affinity == "REAL" else value
    if kind is float:
        return _from_float(value, affinity)
    return value


def kept_by(column: Column, value: Any) -> Any:
    """A value as that column would keep it, and tell it."""
    found = as_kept(value, column.affinity)
    spell = spelling_of(column) if type(found) is str else None
    return found if spell is None else spell(found)


def _from_float(number: float, affinity: Affinity) -> Any:
    if math.isnan(number):
        return None
    if affinity == "TEXT":
        return spelled(number)
    if affinity in ("INTEGER", "NUMERIC") and number.is_integer() and abs(number) < LARGEST:
        return int(number)
    # SQLite stores a whole REAL as an integer, which has no negative zero.
    return 0.0 if affinity == "REAL" and number == 0 else number


def _from_text(text: str, affinity: Affinity) -> Any:
    if not _NUMBER.fullmatch(text):
        return text
    stripped = text.strip()
    digits = stripped.lstrip("+-").lstrip("0")
    if affinity != "REAL" and len(digits) <= _DIGITS and (digits.isdigit() or not digits):
        whole = int(f"{'-' if stripped[0] == '-' else ''}{digits or '0'}")
        if -LARGEST <= whole < LARGEST:
            return whole
    return _from_float(float(stripped), affinity)


def spelled(number: float) -> str:
    """A float as SQLite writes it into a text."""
    if math.isinf(number):
        return "Inf" if number > 0 else "-Inf"
    text = f"{number or 0.0:.15g}"
    mantissa, e, exponent = text.partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}{e}{exponent}"

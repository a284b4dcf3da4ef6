"""What was written down of a table, and comparing its rows with what the remote last said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from windlass.change import Table


class Known(msgspec.Struct, frozen=True):
    """What was written down of a table's columns when its capture was installed."""

    columns: tuple[str, ...]
    required: tuple[str, ...] = ()


def known_of(table: Table) -> Known:
    """Of a table as ``describe`` gives it."""
    return Known(
        tuple(column.name for column in table.columns),
        tuple(
            column.name
            for column in table.columns
            if column.not_null
            and column.default is None
            and not (table.makes_keys and column.name in table.key)
        ),
    )


def differ(row: Mapping[str, Any], shadow: Mapping[str, Any]) -> bool:
    """True where a row is not what its shadow says: by value and kind; 1 is 1.0, and "1" is not 1."""
    if row == shadow:
        return False
    return any(value != shadow.get(name) for name, value in row.items())

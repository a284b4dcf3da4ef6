"""Lists as PostgreSQL writes arrays. The driver looks at each value by itself, which took longer than the
rest of a turn in Python."""

from __future__ import annotations

from collections.abc import Iterable


def bigints(values: Iterable[int]) -> str:
    """An array of whole numbers, for ``::bigint[]``."""
    return f"{{{','.join(map(str, values))}}}"


def texts(values: Iterable[str | None]) -> str:
    """An array of texts, for ``::text[]``; None is NULL."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: str | None) -> str:
    if value is None:
        return "NULL"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

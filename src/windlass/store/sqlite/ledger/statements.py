"""The statements in ``sql/``, by name, and those of them that take a list of keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "sql"

CHANGE_COLUMNS = (
    "seq, id, key, type, data, captured, status, retry_count, conflicts, created_at, due_at, mutation_id, "
    "base_version, error_message, problem, hold"
)

SQL: dict[str, str] = {
    file.stem: file.read_text(encoding="utf-8").replace(":columns", CHANGE_COLUMNS)
    for file in sorted(FOLDER.glob("*.sql"))
}
"""``SQL["due"]`` is the text of ``sql/due.sql``."""

_SIZES = (1, 8, 64, 256, 512, 1000)
"""Lists are filled up to one of these lengths, so that few texts are prepared, and those again and again."""


def chunks(keys: Sequence[Any]) -> Iterator[list[Any]]:
    """The keys in lists of a length that ``keyed`` knows; the last one repeats its last key."""
    rest = iter(keys)
    while chunk := list(islice(rest, _SIZES[-1])):
        size = next(size for size in _SIZES if size >= len(chunk))
        yield chunk + chunk[-1:] * (size - len(chunk))


@cache
def keyed(name: str, count: int) -> str:
    """The statement with room for ``count`` keys in the place of ``:keys``."""
    return SQL[name].replace(":keys", marks(count))


@cache
def marks(count: int) -> str:
    """``?, ?, ?``"""
    return ", ".join("?" * count)

"""The statements in ``sql/``, by name, and those of them that take a list of keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from windlass.store.relational.engine import Connection

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


class Insert(NamedTuple):
    """A statement that inserts rows: what comes before and after their values."""

    head: str
    tail: str = ""


def insert_of(name: str) -> Insert:
    """The statement of that name, with ``:rows`` in the place of the values."""
    return Insert(*SQL[name].split(":rows"))


def insert_all(connection: Connection, insert: Insert, rows: Sequence[tuple[Any, ...]]) -> int:
    """Inserts rows, all of one width; how many of them were written."""
    if not rows:
        return 0
    return _insert(connection, insert, list(chain.from_iterable(rows)), len(rows), "?" * len(rows[0]))


def insert_columns(
    connection: Connection,
    insert: Insert,
    columns: Sequence[Sequence[Any] | None],
    *,
    shared: tuple[Any, ...],
) -> None:
    """Inserts rows that are told as columns (None: NULL in all of them), behind what is the same in each."""
    told = [column for column in columns if column is not None]
    kinds = "".join("0" if column is None else "?" for column in columns)
    values = list(chain.from_iterable(zip(*told, strict=True)))
    _insert(connection, insert, values, len(told[0]), kinds, shared)


def _insert(
    connection: Connection,
    insert: Insert,
    values: Sequence[Any],
    rows: int,
    kinds: str,
    shared: tuple[Any, ...] = (),
) -> int:
    """Many by one statement: what it costs beside its rows is more than they do, and while it runs other
    threads do, too."""
    width, begin, written = kinds.count("?"), 0, 0
    for count in _TOGETHER:
        while rows - begin >= count and (count == 1 or len(shared) + count * width <= _MARKS_MAX):
            part = values[begin * width : (begin + count) * width]
            done = connection.execute(_with_rows(insert, len(shared), kinds, count), (*shared, *part))
            written += done.rowcount
            begin += count
    return written


_TOGETHER, _MARKS_MAX = (64, 8, 1), 32_766
"""Rows of one statement; as many parameters as SQLite takes."""


@lru_cache(maxsize=256)
def _with_rows(insert: Insert, shared: int, kinds: str, count: int) -> str:
    """``kinds``: a letter for each column that is not shared, ``0`` for NULL."""
    told = [f"?{number + 1}" for number in range(shared)] + ["?" if kind == "?" else "NULL" for kind in kinds]
    row = f"({', '.join(told)})"
    return f"{insert.head}{', '.join([row] * count)}{insert.tail}"


@cache
def marks(count: int) -> str:
    """``?, ?, ?``"""
    return ", ".join("?" * count)

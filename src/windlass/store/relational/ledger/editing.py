"""Plain edits as a table: read from the journal with their rows and shadows, and settled in one go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from windlass.change import Edits
from windlass.store.ledger import Mark
from windlass.store.relational.ledger.ground import UserTable
from windlass.store.relational.ledger.values import decode_columns


def edits_of(mark: Mark, table: UserTable, entries: Sequence[tuple[Any, ...]]) -> Edits | None:
    """The entries of the journal that ``UserTable.edited`` reads; None: they are no such table."""
    if not entries:
        return None
    numbers, texts, versions, remote_ids, extras, *values = zip(*entries, strict=True)
    span, place = (numbers[0], numbers[-1]), table.columns.index(table.table.key[0])
    keys = values[place]
    if None in texts or None in keys:
        return None
    if len(set(keys)) < len(keys):
        # Rows that were edited again and again stand there as often.
        at = list(dict(zip(keys, range(len(keys)), strict=True)).values())
        told = [[column[one] for one in at] for column in (texts, versions, remote_ids, extras, *values)]
        texts, versions, remote_ids, extras, *values = told
        keys = values[place]
    columns = tuple(table.columns)
    known = decode_columns(columns, f"[{','.join(texts)}]")
    if known is None:
        return None
    return Edits(mark, span, columns, values, keys, known, versions, remote_ids, extras)

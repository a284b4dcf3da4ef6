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
    if len({entry[0] for entry in entries}) < len(entries):
        # Rows that were edited again and again stand there as often.
        entries = list({entry[0]: entry for entry in entries}.values())
    if not entries:
        return None
    keys, texts, versions, remote_ids, extras, *values = zip(*entries, strict=True)
    # What the column's collation takes for the key may be another one.
    if None in texts or keys != values[table.columns.index(table.table.key[0])]:
        return None
    columns = tuple(table.columns)
    known = decode_columns(columns, f"[{','.join(texts)}]")
    if known is None:
        return None
    return Edits(mark, columns, values, keys, known, versions, remote_ids, extras)

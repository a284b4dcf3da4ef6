"""The journal beside a look: what was edited since, and taking away what was read."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from windlass.change import Key, Span
from windlass.store.ledger import Mark
from windlass.store.relational.ledger.statements import SQL, chunks, keyed

_MANY = 8
"""So many keys, and more, are mostly the journal's oldest: those go at once."""


def keep_highest(connection: sqlite3.Connection) -> None:
    """Makes sure that the journal's highest number outlives what is about to be removed."""
    cursor = connection.execute(SQL["journal_keep_highest"])
    connection.execute(SQL["journal_drop_lower"], (cursor.lastrowid,))


def edited_since(connection: sqlite3.Connection, resource: int, mark: Mark) -> set[Key]:
    """The keys that were edited since the look of that mark."""
    if connection.execute(SQL["journal_mark"]).fetchone()[0] <= mark:
        return set()
    return {row[0] for row in connection.execute(SQL["journal_moved"], (resource, mark))}


def clear_journal(
    connection: sqlite3.Connection, resource: int, keys: Sequence[Key], mark: Mark, span: Span | None = None
) -> None:
    """Removes the entries of those keys up to that mark. ``span``: see ``Ground``."""
    if not keys or connection.execute(SQL["journal_has"], (resource,)).fetchone() is None:
        return
    keep_highest(connection)
    if span is not None:
        connection.execute(SQL["journal_remove_span"], (resource, *span))
    elif len(keys) >= _MANY:
        _clear_oldest(connection, resource, set(keys), mark)
    if len(keys) >= _MANY:
        # Those that were edited several times have entries elsewhere, too.
        keys = [
            row[0]
            for chunk in chunks(keys)
            for row in connection.execute(keyed("known_journaled", len(chunk)), (resource, *chunk))
        ]
    values: list[tuple[Any, ...]] = [(resource, key, mark) for key in dict.fromkeys(keys)]
    connection.executemany(SQL["journal_remove"], values)


def _clear_oldest(connection: sqlite3.Connection, resource: int, keys: set[Key], mark: Mark) -> None:
    """Removes the oldest entries, as far as all of them are of those keys: without a search for each."""
    oldest = connection.execute(SQL["journal_oldest"], (resource, mark, len(keys))).fetchall()
    ours = oldest
    if not keys.issuperset([key for _, key in oldest]):
        ours = list(takewhile(lambda entry: entry[1] in keys, oldest))
    if ours:
        connection.execute(SQL["journal_remove_oldest"], (resource, ours[-1][0]))

"""Columns that come and go: what was written down of rows takes the shape that their table has now.

In steps of a transaction each, before the new definition is kept: what is cut off begins again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from windlass.change import KEEP, Table
from windlass.store.relational.engine import Connection
from windlass.store.relational.ledger.base import Resource
from windlass.store.relational.ledger.batching import stored_batches
from windlass.store.relational.ledger.ground import Ground
from windlass.store.relational.ledger.statements import SQL

_PAGE = 1000


def reshape(ground: Ground, resource: str, found: Resource, table: Table) -> bool:
    """Lets shadows, changes and conflicts tell the columns of the table, and no others.

    True where rows are to be looked at again: what was to be said of them may have been said of a column
    that is gone.
    """
    gone = {column.name for column in found.table.columns} - {column.name for column in table.columns}
    is_news = bool(gone) and _Cut(ground, resource, found, gone).all()
    _complete_shadows(ground, found, table)
    return is_news


def _complete_shadows(ground: Ground, found: Resource, table: Table) -> None:
    """A column that is new has its default also in what the remote last said: nobody has edited it."""
    before = {column.name for column in found.table.columns}
    for column in table.columns:
        if column.name in before or column.default is KEEP or isinstance(column.default, bytes):
            continue
        after = 0
        while True:
            with ground.writing(full=False) as connection:
                last = connection.execute(SQL["shadow_page"], (found.id, after, _PAGE)).fetchone()[0]
                if last is None:
                    break
                path = f'$."{column.name}"'
                told = msgspec.json.encode(column.default).decode()
                connection.execute(SQL["shadow_complete"], (path, told, found.id, after, last, path))
                after = last


class _Cut:
    """Takes columns that are not synced any more out of all that is written down of their rows.

    Otherwise a shadow would put them back into the row: into a column that is there no more, or over what
    was to stay here.
    """

    def __init__(self, ground: Ground, resource: str, found: Resource, gone: set[str]) -> None:
        self._ground = ground
        self._resource = resource
        self._found = found
        self._gone = gone

    def all(self) -> bool:
        """True where a change or a conflict spoke of them."""
        after: Any = None
        while (after := self._shadows(after)) is not None:
            pass
        after, is_news = 0, False
        while after is not None:
            after, has_cut = self._changes(after)
            is_news = is_news or has_cut
        return self._rest() or is_news

    def _shadows(self, after: Any) -> Any:
        """A page of them; the key behind which the next one begins, None: nowhere."""
        found = self._found
        with self._ground.writing(full=False) as connection:
            self._lock(connection)
            asked = (found.id, _PAGE) if after is None else (found.id, after, _PAGE)
            name = "shadow_rows" if after is None else "shadow_rows_after"
            page = connection.execute(SQL[name], asked).fetchall()
            told = [(text, found.id, key) for key, row in page if (text := self._without(row)) is not None]
            connection.executemany(SQL["shadow_rewrite"], told)
        return page[-1][0] if len(page) == _PAGE else None

    def _changes(self, after: int) -> tuple[int | None, bool]:
        """A page of the captured ones; operations stay as they were given."""
        found = self._found
        with self._ground.writing(full=False) as connection:
            self._lock(connection)
            page = connection.execute(SQL["changes_captured"], (found.id, after, _PAGE)).fetchall()
            told = [(seq, key, text) for seq, key, data in page if (text := self._without(data)) is not None]
            connection.executemany(SQL["change_rewrite"], [(text, seq) for seq, _, text in told])
            self._look_again(connection, [key for _, key, _ in told])
        return (page[-1][0] if len(page) == _PAGE else None), bool(told)

    def _rest(self) -> bool:
        found = self._found
        with self._ground.writing(full=False) as connection:
            self._lock(connection)
            for batch in stored_batches(connection, found.id):
                rows: list[dict[str, Any]] = msgspec.json.decode(batch.data)
                text = msgspec.json.encode([self._kept(row) for row in rows]).decode()
                connection.execute(SQL["batch_rewrite"], (text, batch.number))
            told: list[tuple[Any, ...]] = []
            for key, *sides in connection.execute(SQL["conflict_sides"], (found.id,)).fetchall():
                texts = [self._without(side) for side in sides]
                if any(texts):
                    told.append((*texts, found.id, key))
            connection.executemany(SQL["conflict_rewrite"], told)
            self._look_again(connection, [one[-1] for one in told])
        return bool(told)

    def _lock(self, connection: Connection) -> None:
        """Whoever pushes or pulls meanwhile writes before this or after it."""
        connection.execute(SQL["resource_held"], (self._resource,)).fetchone()

    def _look_again(self, connection: Connection, keys: Sequence[Any]) -> None:
        values = [(self._found.id, key, "update") for key in dict.fromkeys(keys)]
        connection.executemany(SQL["journal_add"], values)

    def _without(self, text: Any) -> str | None:
        """The JSON text of a row without them; None: it tells none of them."""
        try:
            row: Any = msgspec.json.decode(text) if isinstance(text, str) else None
        except msgspec.DecodeError:
            # Foreign hands write to the queue, too.
            return None
        if not isinstance(row, dict) or self._gone.isdisjoint(told := cast("dict[str, Any]", row)):
            return None
        return msgspec.json.encode(self._kept(told)).decode()

    def _kept(self, row: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in row.items() if name not in self._gone}

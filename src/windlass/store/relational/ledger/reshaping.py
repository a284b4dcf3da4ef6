"""Columns that come and go: what was written down of rows takes the shape that their table has now.

In steps of a transaction each, before the new definition is kept: what is cut off begins again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from windlass.change import KEEP, Column, Row, Table
from windlass.store.relational.engine import Connection
from windlass.store.relational.ledger.base import Resource
from windlass.store.relational.ledger.batching import stored_batches
from windlass.store.relational.ledger.ground import Ground, UserTable
from windlass.store.relational.ledger.reading import untracked
from windlass.store.relational.ledger.statements import SQL
from windlass.store.relational.ledger.values import decode, encode

_PAGE = 1000
_LET_GO = "let_go"
"""The note of the columns that were synced once, are not now, and are in the table still."""


def reshape(
    ground: Ground,
    resource: str,
    found: Resource,
    now: UserTable,
    there: Sequence[Column],
    *,
    pulls: bool,
) -> bool:
    """Lets shadows, changes and conflicts tell the columns of the table as it is ``now``, and no others.

    ``there``: all columns of the table, synced or not. ``pulls``: see ``Ledger.install``. True
    where rows are to be looked at again: what was to be said of them may have been said of a column that is
    gone.
    """
    before, after = ({one.name for one in table.columns} for table in (found.table, now.table))
    gone, let_go = before - after, _let_go(ground, found)
    carried = _carried(found.table, now.table)
    is_news = bool(gone) and _Cut(ground, resource, found, gone, carried).all()
    taken_up = (let_go & after) - before if pulls else set[str]()
    if carried or taken_up:
        _TakeUp(ground, resource, found, now, set(carried.values()), taken_up).all()
    _complete_shadows(ground, found, now.table)
    left = ((let_go | gone) & {column.name for column in there}) - after
    if left != let_go:
        with ground.writing(full=False) as connection:
            connection.execute(SQL["note"], (found.id, _LET_GO, msgspec.json.encode(sorted(left)).decode()))
    return is_news


def _let_go(ground: Ground, found: Resource) -> set[str]:
    with ground.reading() as connection:
        notes = dict(connection.execute(SQL["notes"], (found.id,)).fetchall())
    return set(msgspec.json.decode(notes.get(_LET_GO, "[]"), type=list[str]))


def _carried(was: Table, now: Table) -> dict[str, str]:
    """The columns that have another name now, by their former one: the remote's field is the same."""
    before, after = ({column.name: column for column in table.columns} for table in (was, now))
    gone = {_field(column): column for name, column in before.items() if name not in after}
    new = {_field(column): column for name, column in after.items() if name not in before}
    return {
        gone[field].name: column.name
        for field, column in new.items()
        if field in gone
        and (gone[field].declared, gone[field].affinity) == (column.declared, column.affinity)
    }


def _field(column: Column) -> str:
    return column.name if column.field is msgspec.UNSET else column.field


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
    was to stay here. One that has only another name now is told by that.
    """

    def __init__(
        self, ground: Ground, resource: str, found: Resource, gone: set[str], carried: Mapping[str, str]
    ) -> None:
        self._ground = ground
        self._resource = resource
        self._found = found
        self._gone = gone
        self._carried = carried

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
        kept = {name: value for name, value in row.items() if name not in self._gone}
        return kept | {new: row[name] for name, new in self._carried.items() if name in row}


class _TakeUp:
    """What stands in columns that are synced again is nobody's edit before the remote has told them.

    Nothing is known of what the remote last said of them. Without this each row would be one that was edited
    here, and would be sent over what the remote has by now. A row of which something is to be sent keeps what
    is known of it: its edit may have been of that column.
    """

    def __init__(
        self, ground: Ground, resource: str, found: Resource, now: UserTable, carried: set[str],
        again: set[str],
    ) -> None:  # fmt: skip
        self._ground = ground
        self._resource = resource
        self._found = found
        self._now = now
        self._again = again
        self._defaults = {one.name: one.default for one in now.table.columns if one.name in carried}

    def all(self) -> None:
        after: Sequence[Any] | None = None
        while (after := self._page(after)) is not None:
            pass

    def _page(self, after: Sequence[Any] | None) -> Sequence[Any] | None:
        found = self._found
        with self._ground.writing(full=False) as connection:
            connection.execute(SQL["resource_held"], (self._resource,)).fetchone()
            page = self._now.page(connection, found.id, after, _PAGE)
            idle = set(untracked(connection, found.id, [key for key, _, _, shadow in page if shadow]))
            told = [
                (encode({**known, **news}), found.id, key)
                for key, _, row, shadow in page
                if shadow and key in idle and (news := self._news(row, known := decode(shadow)))
            ]
            connection.executemany(SQL["shadow_rewrite"], told)
        return page[-1][1] if len(page) == _PAGE else None

    def _news(self, row: Row, known: Row) -> Row:
        again = {name: row[name] for name in self._again if name not in known}
        # Made beside the former one instead of renamed, it is empty: the remote fills it.
        empty = {name: row[name] for name, default in self._defaults.items() if row[name] == default}
        return again | {name: value for name, value in empty.items() if known.get(name) != value}

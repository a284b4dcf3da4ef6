"""Putting the capture in place, checking it, and finding what got past it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from windlass.change import Key, Table
from windlass.errors import ConfigError, SweepRefused
from windlass.store.ledger import LOST
from windlass.store.relational.engine import Connection
from windlass.store.relational.ledger.base import A_HANDFUL, LedgerRole, Resource
from windlass.store.relational.ledger.reading import unheard, untracked
from windlass.store.relational.ledger.reshaping import reshape
from windlass.store.relational.ledger.statements import SQL
from windlass.store.relational.ledger.tables import Known, differ, known_of
from windlass.store.relational.ledger.values import decode

_PAGE = 1000
_FORGOTTEN_AT_ONCE = 5000
_FORGOTTEN_IN_STEPS = ("journal_forget", "shadow_forget", "change_forget")
_FORGOTTEN = ("forget_conflicts", "forget_quarantine", "forget_arrivals", "forget_around", "forget_batches")


class Capture(LedgerRole):
    """The table's side of the ledger."""

    def describe(self, table: str) -> Table:
        """See the protocol."""
        with self.ground.reading() as connection:
            return self.ground.describe(connection, table)

    def install(
        self, resource: str, table: Table, *, ids: str = "client", max_share: float = 1.0, pulls: bool = True
    ) -> bool:
        """See the protocol. Where triggers were missing, or the schema has changed, ``recapture`` follows."""
        with self.ground.reading() as connection:
            actual = self.ground.describe(connection, table.name)
            _check(resource, table, actual)
            found = self.find(connection, resource)
            if found is not None:
                _refuse_other_key(resource, found.table, table)
                if not self._outdated(connection, found, table, actual, ids):
                    return False
        is_news = False
        if found is not None:
            now = self.ground.user_table(*_texts(table, actual))
            is_news = reshape(self.ground, resource, found, now, actual.columns, pulls=pulls)
        with self.ground.writing(full=True) as connection:
            changed = self._install(connection, resource, table, ids)
        if is_news:
            self.bells.ring()
        self.recapture(resource, max_share=max_share)
        return changed

    def schema_version(self) -> int:
        """See the protocol."""
        with self.ground.glance() as connection:
            return self.ground.schema_version(connection)

    def _outdated(
        self, connection: Connection, found: Resource, table: Table, actual: Table, ids: str
    ) -> bool:
        definition, known = _texts(table, actual)
        return (
            (found.definition, found.known_columns, found.ids) != (definition, known, ids)
            or found.captured_at != self.ground.schema_version(connection)
            or bool(_crooked(connection, found))
        )

    def _install(self, connection: Connection, resource: str, table: Table, ids: str) -> bool:
        definition, known = _texts(table, self.ground.describe(connection, table.name))
        other = connection.execute(SQL["resource_of_table"], (table.name, resource)).fetchone()
        if other is not None:
            raise ConfigError(
                f"the table {table.name!r} is synced by the resource {other[0]!r} already: one table has one "
                "remote, so remove that resource first"
            )
        numeric = len(table.key) == 1 and any(
            column.name == table.key[0] and column.affinity in ("INTEGER", "NUMERIC")
            for column in table.columns
        )
        found = self.find(connection, resource)
        changed = True
        if found is None:
            connection.execute(
                SQL["add_resource"], (resource, table.name, definition, known, ids, int(numeric))
            )
        elif found.table_name != table.name:
            raise ConfigError(
                f"the resource {resource!r} syncs the table {found.table_name!r}, not {table.name!r}: give "
                "the new one a name of its own, or remove the old one first"
            )
        elif (found.definition, found.known_columns, found.ids) != (definition, known, ids):
            connection.execute(SQL["change_resource"], (definition, known, ids, int(numeric), found.id))
        else:
            changed = False
        found = self.resource(connection, resource)
        if _crooked(connection, found):
            self.ground.drop(connection, found.id)
            self.ground.make(connection, _wanted(found))
            # Until a recapture has come to its end: edits may have gone unheard.
            connection.execute(SQL["uncaptured"], (found.id,))
            changed = True
        adopted = connection.execute(
            SQL["adopt"], {"resource": found.id, "numeric": int(numeric), "table": table.name}
        ).fetchall()
        connection.executemany(SQL["journal_add"], [(found.id, key, "explicit") for (key,) in adopted])
        return changed

    def faults(self, resource: str) -> list[str]:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            try:
                actual = self.ground.describe(connection, found.table_name)
            except ConfigError as error:
                return [str(error)]
            faults = _crooked(connection, found)
            if (change := _other_key(found.table, actual)) is not None:
                faults.append(f"{change}: it is another table, and is not synced before it is forgotten")
            known = msgspec.json.decode(found.known_columns, type=Known)
            columns = known_of(actual).columns
            if columns != known.columns:
                faults.append(
                    f"the columns of {found.table_name!r} were {_list(known.columns)} and are "
                    f"{_list(columns)}: install the resource again"
                )
            if (lost := self._lost(connection, found)) is not None:
                faults.append(lost)
            elif found.captured_at is None:
                faults.append(f"not all rows of {found.table_name!r} are known to be captured: run recapture")
            if found.user_table.has_nameless(connection):
                faults.append(
                    f"rows of {found.table_name!r} whose key is NULL are not synced: give them a key"
                )
            return faults

    def recapture(self, resource: str, *, max_share: float = 1.0) -> int:
        """See the protocol. In steps of a transaction each; an edit meanwhile is heard by the triggers."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            version = self.ground.schema_version(connection)
        absent = [key for keys in self._pages(_absent_past, found) for key in keys]
        self._refuse_loss(resource, found, absent, max_share)
        missed = sum(self._journal(found, keys, "insert") for keys in self._pages(_rows_past, found))
        for begin in range(0, len(absent), _PAGE):
            with self.ground.reading() as connection:
                keys = untracked(connection, found.id, absent[begin : begin + _PAGE])
            missed += self._journal(found, keys, "delete")
        with self.ground.writing(full=False) as connection:
            if self._lost(connection, found) is not None:
                connection.execute(SQL["note"], (found.id, LOST, "null"))
            if not _crooked(connection, found):
                connection.execute(SQL["captured"], (version, found.id))
        if missed:
            self.bells.ring()
        return missed

    def absent(self, resource: str) -> list[Key]:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
        return [key for keys in self._pages(_absent_past, found) for key in keys]

    def _refuse_loss(self, resource: str, found: Resource, absent: Sequence[Key], share: float) -> None:
        """Raises where so much is gone that it may be a mistake, and says so to those who look on."""
        with self.ground.reading() as connection:
            total = connection.execute(SQL["shadow_count"], (found.id,)).fetchone()[0]
        count = len(absent)
        # Of a handful some may go. All of them at once is what a table that was made anew looks like.
        if count <= share * total or (count <= A_HANDFUL and count < total):
            return
        told = (
            f"{resource}: {count} of the {total} rows that the remote is known to have are gone from "
            f"{found.table_name!r}, and nobody was heard to delete them, as where a table was dropped and "
            f"made anew; more than the allowed share of {share:g}: nothing is sent or brought before someone "
            f"says what is right: windlass sync now {resource} --bring-back puts them back, --sweep-there "
            "deletes them there, too"
        )
        with self.ground.writing(full=False) as connection:
            connection.execute(SQL["note"], (found.id, LOST, msgspec.json.encode(told).decode()))
        self.bells.ring("watch")
        raise SweepRefused(told)

    def _lost(self, connection: Connection, found: Resource) -> str | None:
        notes = dict(connection.execute(SQL["notes"], (found.id,)).fetchall())
        return msgspec.json.decode(notes.get(LOST, "null"), type=str | None)

    def _pages(self, step: _Step, found: Resource) -> Iterator[Sequence[Key]]:
        after: Sequence[Any] | None = None
        while True:
            with self.ground.reading() as connection:
                after, keys = step(connection, found, after)
            yield keys
            if after is None:
                return

    def _journal(self, found: Resource, keys: Sequence[Key], op: str) -> int:
        if keys:
            with self.ground.writing(full=False) as connection:
                connection.executemany(SQL["journal_add"], [(found.id, key, op) for key in keys])
        return len(keys)

    def lift(self, resource: str) -> None:
        """See the protocol."""
        with self.ground.writing(full=True) as connection:
            found = self.resource(connection, resource)
            self.ground.drop(connection, found.id)
            connection.execute(SQL["uncaptured"], (found.id,))

    def remove(self, resource: str) -> None:
        """See the protocol. In steps; begun and not ended, it is begun again."""
        with self.ground.writing(full=True) as connection:
            found = self.resource(connection, resource)
            self.ground.drop(connection, found.id)
            connection.execute(SQL["uncaptured"], (found.id,))
            self.ground.keep_highest(connection)
        for name in _FORGOTTEN_IN_STEPS:
            while self._forget(name, found.id):
                pass
        with self.ground.writing(full=True) as connection:
            for name in (*_FORGOTTEN, "forget_resource"):
                connection.execute(SQL[name], (found.id,))

    def _forget(self, name: str, resource: int) -> int:
        with self.ground.writing(full=False) as connection:
            return connection.execute(SQL[name], (resource, _FORGOTTEN_AT_ONCE)).rowcount


_Step = Callable[[Connection, Resource, Sequence[Any] | None], tuple[Sequence[Any] | None, list[Key]]]
"""From where the last page ended: where this one ends (None: it was the last), and the keys it found."""


def _rows_past(
    connection: Connection, found: Resource, after: Sequence[Any] | None
) -> tuple[Sequence[Any] | None, list[Key]]:
    """Rows that nothing speaks of, though they have no shadow or differ from it."""
    page = found.user_table.page(connection, found.id, after, _PAGE)
    suspects = [key for key, _, row, shadow in page if shadow is None or differ(row, decode(shadow))]
    return (page[-1][1] if len(page) == _PAGE else None), untracked(connection, found.id, suspects)


def _absent_past(
    connection: Connection, found: Resource, after: Sequence[Any] | None
) -> tuple[Sequence[Any] | None, list[Key]]:
    """Shadows whose row is gone though no deletion of it was heard."""
    end, suspects = found.user_table.missing(connection, found.id, after, _PAGE)
    return end, unheard(connection, found.id, suspects)


def _texts(table: Table, actual: Table) -> tuple[str, str]:
    return msgspec.json.encode(table).decode(), msgspec.json.encode(known_of(actual)).decode()


def _check(resource: str, table: Table, actual: Table) -> None:
    if not resource:
        raise ConfigError("expected a resource to have a name, got an empty text")
    if table.key != actual.key:
        raise ConfigError(
            f"{resource}: expected the key of {table.name!r} to be {_list(actual.key)}, its primary key, got "
            f"{_list(table.key)}"
        )
    names = [column.name for column in table.columns]
    strange = set(names) - {column.name for column in actual.columns}
    if strange:
        raise ConfigError(
            f"{resource}: {table.name!r} has no column {_list(sorted(strange))}: its columns are "
            f"{_list([column.name for column in actual.columns])}"
        )
    if missing := [name for name in table.key if name not in names]:
        raise ConfigError(f"{resource}: expected the key {_list(missing)} to be among the synced columns")


def _refuse_other_key(resource: str, was: Table, now: Table) -> None:
    """Raises where the key is another one: nothing that is known of the rows is of these rows."""
    if (change := _other_key(was, now)) is not None:
        raise ConfigError(
            f"{resource}: {change}: it is another table. Give it its former key, or let go of all that is "
            f"known of the former one by app.sync.forget({resource!r}): then this one begins anew"
        )


def _other_key(was: Table, now: Table) -> str | None:
    """How the key has changed, in words; None: it has not."""
    before, after = _key_of(was), _key_of(now)
    if [(name, kind) for name, kind, _ in before] == [(name, kind) for name, kind, _ in after]:
        return None
    if was.key != now.key:
        return f"the primary key of {was.name!r} was {_list(was.key)} and is {_list(now.key)}"
    here, there = (
        _list([f"{name} {declared}".strip() for name, _, declared in side]) for side in (before, after)
    )
    return f"the primary key of {was.name!r} was {here} and is {there}"


def _key_of(table: Table) -> list[tuple[str, str, str]]:
    """Name, kind and declared type of each of its columns. Numbers are numbers."""
    columns = {column.name: column for column in table.columns}
    return [
        (one.name, "INTEGER" if one.affinity == "NUMERIC" else one.affinity, one.declared)
        for one in (columns[name] for name in table.key)
    ]


def _wanted(found: Resource) -> Mapping[str, str]:
    known = msgspec.json.decode(found.known_columns, type=Known)
    return found.ground.wanted(found.id, found.user_table, known.columns)


def _crooked(connection: Connection, found: Resource) -> list[str]:
    """What is wrong with the triggers, in sentences."""
    there = found.ground.found(connection, found.id)
    faults: list[str] = []
    for name, text in _wanted(found).items():
        if name not in there:
            faults.append(
                f"the trigger {name} on {found.table_name!r} is missing, so edits go unheard: install the "
                "resource again"
            )
        elif there[name] != text:
            faults.append(
                f"the trigger {name} on {found.table_name!r} is not as it was made: install the "
                "resource again"
            )
    return faults


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "(none)"

"""What a cycle reads: the journal, standings, what is due."""

from __future__ import annotations

from collections.abc import Sequence

from windlass.change import Change, Column, Conflict, Edits, Key, Shadow, Standing
from windlass.spelling import spelling_of
from windlass.store.ledger import Look
from windlass.store.relational.engine import Connection
from windlass.store.relational.ledger.base import LedgerRole, Resource
from windlass.store.relational.ledger.editing import edits_of
from windlass.store.relational.ledger.statements import SQL, chunks, keyed
from windlass.store.relational.ledger.values import (
    change_of,
    conflict_of,
    decode,
    key_of,
    key_text,
    shadow_of,
)

_READ_AHEAD = 4
"""Entries of the journal read for each key wanted, where one for each is too few: rows are edited again."""


class Reading(LedgerRole):
    """The cycle's questions."""

    def journal(self, resource: str, limit: int = 500) -> list[Key]:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            keys: list[Key] = []
            for entries in (limit, limit * _READ_AHEAD):
                rows = connection.execute(SQL["journal_keys"], (found.id, entries))
                keys = list(dict.fromkeys([row[0] for row in rows]))
                if len(keys) >= limit:
                    break
            return keys[:limit]

    def edits(self, resource: str, limit: int, *, after: int = 0) -> Edits | None:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            user_table = found.user_table
            if not user_table.single:
                return None
            mark, queued, disputed = connection.execute(SQL["look_mark"], {"resource": found.id}).fetchone()
            if (rows := user_table.edited(connection, found.id, limit, after)) is None:
                return None
            if (edits := edits_of(mark, user_table, rows)) is None:
                return None
            if (queued and _keys(connection, "known_busy", found.id, edits.keys)) or (
                disputed and _keys(connection, "known_disputed", found.id, edits.keys)
            ):
                return None
        return edits

    def has_news(self) -> list[str]:
        """See the protocol."""
        with self.ground.glance() as connection:
            return [row[0] for row in connection.execute(SQL["news"])]

    def look(self, resource: str, keys: Sequence[Key] = (), *, remote_ids: Sequence[str] = ()) -> Look:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            wanted: dict[Key, None] = dict.fromkeys(keys)
            if remote_ids:
                wanted.update(dict.fromkeys(local_keys(connection, found, remote_ids).values()))
            mark, queued, disputed = connection.execute(SQL["look_mark"], {"resource": found.id}).fetchone()
            asked = list(wanted)
            rows = found.user_table.rows(connection, asked)
            shadows = shadows_of(connection, found.id, asked)
            changes = _changes(connection, found.id, asked) if queued else {}
            conflicts = _conflicts(connection, found.id, asked) if disputed else {}
        if not changes and not conflicts:
            return Look(mark, [Standing(key, rows.get(key), shadows.get(key)) for key in asked])
        standings: list[Standing] = []
        for key in asked:
            sent, pending, explicit = changes.get(key, (None, None, ()))
            standings.append(
                Standing(key, rows.get(key), shadows.get(key), sent, pending, conflicts.get(key), explicit)
            )
        return Look(mark, standings)

    def due(self, resource: str, now_us: int, limit: int) -> list[Change]:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            changes = map(change_of, connection.execute(SQL["due"], (found.id, now_us, limit)))
            # What cannot be read is listed with its reason, and never sent.
            return [change for change in changes if change.hold is None]

    def held(self, resource: str, *, after: int = 0, limit: int = 500) -> list[Change]:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            return list(map(change_of, connection.execute(SQL["held"], (found.id, after, limit))))

    def next_due_us(self, resource: str, after_us: int) -> int | None:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            row = connection.execute(SQL["next_due"], (found.id, after_us)).fetchone()
            return None if row is None else row[0]

    def unsent(self, resource: str, keys: Sequence[Key]) -> dict[Key, str]:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            journaled = _keys(connection, "known_journaled", found.id, keys)
            edited = [key for key in dict.fromkeys(keys) if key in journaled]
            here = found.user_table.rows(connection, edited)
            there = shadows_of(connection, found.id, edited)
            # Not in the queue yet, but to be: a new row that is still in the journal.
            unsent = {key: "pending" for key in edited if key in here and key not in there}
            for chunk in chunks(keys):
                unsent.update(connection.execute(keyed("unsent", len(chunk)), (found.id, *chunk)).fetchall())
            return unsent

    def children(self, resource: str, column: str, keys: Sequence[Key]) -> list[Key]:
        """See the protocol."""
        wanted = set(keys)
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            children: dict[Key, Key] = {}
            for child, row in connection.execute(SQL["deleted"], (found.id,)):
                parent = decode(row).get(column)
                if parent in wanted:
                    children[child] = parent
            alive = found.user_table.rows(connection, list(children))
        gone = {parent for child, parent in children.items() if child not in alive}
        return [key for key in dict.fromkeys(keys) if key in gone]

    def keys_of(self, resource: str, remote_ids: Sequence[str]) -> dict[str, Key]:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            keys = local_keys(connection, found, remote_ids)
            known = _remote_ids(connection, found.id, list(keys.values()))
            return {remote_id: key for remote_id, key in keys.items() if key in known}

    def remote_ids_of(self, resource: str, keys: Sequence[Key]) -> dict[Key, str]:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            ids = _remote_ids(connection, found.id, keys)
            return {key: key_text(key) if remote_id is None else remote_id for key, remote_id in ids.items()}


_SEVERAL = Column("key", affinity="TEXT")
"""A key of several columns is one text."""


def local_keys(connection: Connection, found: Resource, remote_ids: Sequence[str]) -> dict[str, Key]:
    """The key of each remote id that has one. Where ids are the client's own, each has, known or not."""
    mapped: dict[str, Key] = {}
    if found.ids != "client" or _maps_ids(connection, found.id):
        for chunk in chunks(remote_ids):
            mapped.update(connection.execute(keyed("shadow_keys", len(chunk)), (found.id, *chunk)).fetchall())
    user_table = found.user_table
    column = user_table.key_columns[0] if user_table.single else _SEVERAL
    spell = spelling_of(column) or str
    rest = {one: key_of(spell(one), column.affinity) for one in remote_ids if one not in mapped}
    if found.ids != "client":
        # A shadow without an id of the remote's has its key for one.
        known = _remote_ids(connection, found.id, list(rest.values()))
        rest = {one: key for one, key in rest.items() if key in known and known[key] is None}
    return {
        one: mapped[one] if one in mapped else rest[one] for one in remote_ids if one in mapped or one in rest
    }


def _maps_ids(connection: Connection, resource: int) -> bool:
    return bool(connection.execute(SQL["maps_ids"], (resource,)).fetchone()[0])


def _keys(connection: Connection, name: str, resource: int, keys: Sequence[Key]) -> set[Key]:
    found: set[Key] = set()
    for chunk in chunks(keys):
        found.update(row[0] for row in connection.execute(keyed(name, len(chunk)), (resource, *chunk)))
    return found


def untracked(connection: Connection, resource: int, keys: Sequence[Key]) -> list[Key]:
    """Of these keys: those that neither the journal nor the queue speaks of."""
    tracked = _keys(connection, "known_journaled", resource, keys) | _keys(
        connection, "known_busy", resource, keys
    )
    return [key for key in keys if key not in tracked]


def unheard(connection: Connection, resource: int, keys: Sequence[Key]) -> list[Key]:
    """Of these keys: those of which no deletion was heard here."""
    heard = _keys(connection, "known_deleted", resource, keys) | _keys(
        connection, "known_deletes", resource, keys
    )
    return [key for key in keys if key not in heard]


def is_tracked(connection: Connection, resource: int, keys: Sequence[Key]) -> bool:
    """True where the journal, the queue or a conflict speaks of one of these keys."""
    _, queued, disputed = connection.execute(SQL["look_mark"], {"resource": resource}).fetchone()
    journaled = connection.execute(SQL["journal_has"], (resource,)).fetchone() is not None
    asked = {"known_journaled": journaled, "known_busy": queued, "known_disputed": disputed}
    return any(there and _keys(connection, name, resource, keys) for name, there in asked.items())


def shadows_of(connection: Connection, resource: int, keys: Sequence[Key]) -> dict[Key, Shadow]:
    """What the remote last said of these keys, where it said anything."""
    found: dict[Key, Shadow] = {}
    for chunk in chunks(keys):
        rows = connection.execute(keyed("shadows", len(chunk)), (resource, *chunk))
        found.update({key: shadow_of(*rest) for key, *rest in rows})
    return found


def _remote_ids(connection: Connection, resource: int, keys: Sequence[Key]) -> dict[Key, str | None]:
    found: dict[Key, str | None] = {}
    for chunk in chunks(keys):
        rows = connection.execute(keyed("shadow_remote_ids", len(chunk)), (resource, *chunk))
        found.update(rows.fetchall())
    return found


_Lane = tuple[Change | None, Change | None, tuple[Change, ...]]


def _changes(connection: Connection, resource: int, keys: Sequence[Key]) -> dict[Key, _Lane]:
    found: dict[Key, _Lane] = {}
    for chunk in chunks(keys):
        for row in connection.execute(keyed("changes_of", len(chunk)), (resource, *chunk)):
            change = change_of(row)
            sent, pending, explicit = found.get(change.key, (None, None, ()))
            if not change.captured:
                found[change.key] = (sent, pending, (*explicit, change))
            elif change.mutation_id is not None:
                found[change.key] = (change, pending, explicit)
            else:
                found[change.key] = (sent, change, explicit)
    return found


def _conflicts(connection: Connection, resource: int, keys: Sequence[Key]) -> dict[Key, Conflict]:
    found: dict[Key, Conflict] = {}
    for chunk in chunks(keys):
        rows = connection.execute(keyed("conflicts_of", len(chunk)), (resource, *chunk))
        found.update({key: conflict_of(rest) for key, *rest in rows})
    return found

"""A batch of effects inside a transaction: all at once, or one by one.

All at once goes without a savepoint: with triggers on the table, SQLite would copy its pages for each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from windlass.change import KEEP, KEY_TAKEN, Change, Effect, Key, Row, Shadow, may_be_one
from windlass.store.ledger import Quarantined
from windlass.store.relational.engine import Connection
from windlass.store.relational.ledger.base import Resource
from windlass.store.relational.ledger.ground import Shadows
from windlass.store.relational.ledger.reading import shadows_of
from windlass.store.relational.ledger.statements import SQL
from windlass.store.relational.ledger.values import (
    columns_of,
    encode,
    encode_document,
    encode_each,
    encode_or_null,
    key_text,
)

_KEY_MAX = 2**63 - 1

Done = list[tuple[Key, Effect]]
"""Effects that were carried out, each with its key, which the database may only now have made."""


Refusal = tuple[Key | None, Quarantined]
"""The key of an effect that was refused, and what is to be listed of it."""


class Batch:
    """Effects on one resource, on a connection inside a transaction."""

    def __init__(
        self, connection: Connection, found: Resource, *, generation: int | None, now_us: int
    ) -> None:
        self._connection = connection
        self._ground = found.ground
        self._resource = found.id
        self._user_table = found.user_table
        self._columns_known = frozenset(found.user_table.columns)
        self._table_name = found.table_name
        self._ids = found.ids
        self._generation = generation
        self._now_us = now_us

    def carry_out(self, effects: Sequence[Effect]) -> Done:
        """All of them; what was done.

        Raises:
            Ground.refusals: one of them cannot be: the transaction is to be rolled back.
        """
        done = self._rows(effects)
        self._shadows(done)
        self._changes(done)
        self._conflicts(done)
        return done

    def carry_out_each(self, effects: Sequence[Effect]) -> tuple[Done, list[Refusal]]:
        """One by one, each undone alone where it is refused; what was done, and what was refused."""
        done: Done = []
        refused: list[Refusal] = []
        for effect in effects:
            self._connection.execute("SAVEPOINT windlass_effect")
            try:
                carried = self.carry_out([effect])
                self._ground.settle(self._connection)
                done += carried
            except self._ground.refusals as error:
                self._connection.execute("ROLLBACK TO windlass_effect")
                alike = self._alike(effect)
                refused.append((effect.key, _refusal(effect, error, alike, self._now_us)))
                if effect.key is not None:
                    self.mark_seen([effect.key, *self._maybe_the_one(effect, alike)])
                    if effect.row is KEEP:
                        # An edit that cannot be queued is listed, and must not be read again for ever. One
                        # under a remote row that was refused is still to be queued.
                        done.append((effect.key, Effect(effect.key)))
            self._connection.execute("RELEASE windlass_effect")
        return done, refused

    def _alike(self, effect: Effect) -> list[Key]:
        """The keys of rows whose key is to the table the one of a row that it has refused."""
        if effect.key is None or effect.row is KEEP or effect.row is None:
            return []
        try:
            return self._user_table.alike(self._connection, effect.key)
        except self._ground.refusals:
            # A key that no database can hold is nobody's.
            return []

    def _maybe_the_one(self, effect: Effect, alike: Sequence[Key]) -> list[Key]:
        """Of these keys: those of rows that may be the refused one, spelled otherwise: not absent."""
        if not alike or not isinstance(effect.shadow, Shadow):
            return []
        known, names = shadows_of(self._connection, self._resource, alike), self._user_table.table.key
        return [key for key, shadow in known.items() if may_be_one(shadow, effect.shadow, names)]

    def _rows(self, effects: Sequence[Effect]) -> Done:
        done: Done = []
        gone: list[Key] = []
        rows: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        has_added = False
        for effect in effects:
            key, row = effect.key, effect.row
            if key is None:
                if row is KEEP or row is None:
                    # Something that the remote deleted and that was never here.
                    continue
                # Rows that are added later find the first one's key taken.
                taken = None if has_added else self._taken()
                key = self._user_table.add(self._connection, self._known(row), taken)
                has_added = True
            elif row is None:
                gone.append(key)
            elif row is not KEEP:
                row = self._known(row)
                rows.setdefault(tuple(row), []).append(tuple(row.values()))
            done.append((key, effect))
        if gone:
            self._user_table.remove(self._connection, gone)
        for columns, values in rows.items():
            self._user_table.put(self._connection, columns, values)
        return done

    def _known(self, row: Row) -> Row:
        """The row without columns that are not synced: one that was when this was worked out, or sent, is
        nothing to be written any more, neither here nor into a shadow."""
        if self._columns_known.issuperset(row):
            return row
        return {name: value for name, value in row.items() if name in self._columns_known}

    def _taken(self) -> int | None:
        """The highest key that is spoken of, though its row may be deleted here: SQLite would give it again,
        and what is still to be sent of the deleted row would be said of the new one."""
        found = self._connection.execute(SQL["taken"], {"resource": self._resource}).fetchone()[0]
        return found if isinstance(found, int) and found < _KEY_MAX else None

    def _shadows(self, done: Done) -> None:
        resource, generation = self._resource, self._generation
        gone: list[Key] = []
        kept: list[Key] = []
        written: list[tuple[Key, Shadow]] = []
        rows: list[Row] = []
        for key, effect in done:
            shadow = effect.shadow
            if shadow is KEEP:
                kept.append(key)
            elif shadow is None:
                gone.append(key)
            else:
                written.append((key, shadow))
                row = self._known(shadow.row)
                rows.append(
                    row if effect.key is not None else _with_key(row, self._user_table.table.key, key)
                )
        if gone:
            self._connection.executemany(SQL["shadow_remove"], [(resource, key) for key in gone])
        if written:
            told = Shadows(
                resource,
                generation or 0,
                [key for key, _ in written],
                encode_each(rows),
                [shadow.version for _, shadow in written],
                [self._other_id(key, shadow) for key, shadow in written],
                [encode_document(shadow.extra) if shadow.extra else None for _, shadow in written],
            )
            self._ground.write_shadows(self._connection, told, new=False)
        self.mark_seen(kept)

    def _other_id(self, key: Key, shadow: Shadow) -> str | None:
        """The remote's id, where it is not the key itself."""
        remote_id = shadow.remote_id
        if self._ids == "client" and (remote_id == key or remote_id == key_text(key)):
            return None
        return remote_id

    def mark_seen(self, keys: Sequence[Key]) -> None:
        """Notes that the enumeration under way has told of these keys, whatever became of it here."""
        mark_seen(self._connection, self._resource, self._generation, keys)

    def _changes(self, done: Done) -> None:
        resource = self._resource
        sealed: list[tuple[Any, ...]] = []
        unsealed: list[tuple[Any, ...]] = []
        ended: list[tuple[Any, ...]] = []
        written: list[tuple[Any, ...]] = []
        for key, effect in done:
            if effect.sent is KEEP and effect.pending is KEEP and not effect.ended and not effect.explicit:
                continue
            for change, gone in ((effect.sent, sealed), (effect.pending, unsealed)):
                if change is KEEP:
                    continue
                gone.append((resource, key, 0 if change is None else change.seq))
                if change is not None:
                    written.append(self._columns(change, key))
            ended += [(resource, seq) for seq in effect.ended]
            written += [self._columns(change, key) for change in effect.explicit]
        if not ended and self._connection.execute(SQL["queue_has"], (resource,)).fetchone() is None:
            # Nothing is queued, so nothing is to be removed: plain edits that are sealed.
            sealed, unsealed = [], []
        for name, values in (
            ("change_remove_sealed", sealed),
            ("change_remove_unsealed", unsealed),
            ("change_remove", ended),
        ):
            if values:
                self._connection.executemany(SQL[name], values)
        if written:
            self._connection.executemany(SQL["change_write"], written)

    def _columns(self, change: Change, key: Key) -> tuple[Any, ...]:
        return columns_of(
            change, resource=self._resource, table=self._table_name, key=key, now_us=self._now_us
        )

    def _conflicts(self, done: Done) -> None:
        gone: list[tuple[Any, ...]] = []
        written: list[tuple[Any, ...]] = []
        for key, effect in done:
            conflict = effect.conflict
            if conflict is KEEP:
                continue
            if conflict is None:
                gone.append((self._resource, key))
                continue
            sides = map(encode_or_null, (conflict.base, conflict.mine, conflict.theirs))
            raised_at = conflict.raised_at_us or self._now_us
            written.append((self._resource, key, *sides, conflict.version, raised_at))
        if gone:
            self._connection.executemany(SQL["conflict_remove"], gone)
        if written:
            self._connection.executemany(SQL["conflict_write"], written)


def mark_seen(connection: Connection, resource: int, generation: int | None, keys: Sequence[Key]) -> None:
    """Notes that the enumeration under way, if there is one, has told of these keys."""
    if keys and generation is not None:
        connection.executemany(SQL["shadow_seen"], [(generation, resource, key, generation) for key in keys])


def _with_key(row: Row, names: tuple[str, ...], key: Key) -> Row:
    return {**row, names[0]: key}


def _refusal(effect: Effect, error: Exception, alike: Sequence[Key], now_us: int) -> Quarantined:
    shadow, row = effect.shadow, effect.row
    remote_id = None if shadow is KEEP or shadow is None else shadow.remote_id
    if remote_id is None:
        remote_id = "" if effect.key is None else key_text(effect.key)
    try:
        document = "{}" if row is KEEP or row is None else encode(row)
    except (UnicodeError, msgspec.MsgspecError, TypeError):
        document = msgspec.json.encode({"unreadable": ascii(row)}).decode()
    reason = refusal_of(error)
    if alike:
        reason = (
            f"{KEY_TAKEN} {effect.key!r} is to the table the same as {alike[0]!r}, the key of another row"
        )
    return Quarantined(
        # A text that no database can hold is told by its escapes.
        remote_id=remote_id.encode(errors="backslashreplace").decode(),
        document=document,
        reason=reason[:1000],
        seen_at_us=now_us,
    )


def refusal_of(error: Exception) -> str:
    """Why a row is not in its table, in the table's words."""
    return f"the table refuses it: {error}"[:1000]

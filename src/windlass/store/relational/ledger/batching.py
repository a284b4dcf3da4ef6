"""Sealed batches: edits that are sent together, as one record.

Only who holds the resource has one, from its sealing to its settling. Until then the journal keeps the edits,
so that those who look on know of them as they did before. Whatever the answer did not settle plainly, and all
that was left by a push that ended early, becomes changes of the queue, sealed as they were.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import compress, repeat
from typing import Any, NamedTuple

import msgspec

from windlass.change import Change, Key, Seals, Taken
from windlass.store.ledger import Hold, Mark
from windlass.store.relational.engine import Connection
from windlass.store.relational.ledger.applying import mark_seen
from windlass.store.relational.ledger.base import LedgerRole, Resource, generation_of
from windlass.store.relational.ledger.statements import SQL
from windlass.store.relational.ledger.values import (
    columns_of,
    decode_keys,
    decode_rows,
    encode_columns,
    encode_keys,
    encode_rows,
)


class Batching(LedgerRole):
    """Sealing, and settling where nothing is to be said but that the remote took it; else ``write`` does."""

    def seal_batch(self, hold: Hold, look: Mark, seals: Seals) -> int | None:
        """See the protocol."""
        try:
            told = _encoded(seals)
            with self.ground.writing(full=True) as connection:
                found = self.held_by(connection, hold)
                if not self.ground.edited_since(connection, found.id, look).isdisjoint(seals.keys):
                    return None
                values = (found.id, look, len(seals.keys), self.clock.wall_us(), *told)
                return connection.execute(SQL["batch_write"], values).fetchall()[0][0]
        except self.ground.refusals:
            return None

    def unseal_batch(self, hold: Hold, batch: int) -> None:
        """See the protocol."""
        with self.ground.writing(full=False) as connection:
            self.held_by(connection, hold)
            connection.execute(SQL["batch_remove"], (batch,))

    def settle_batch(self, hold: Hold, look: Mark, batch: int, taken: Taken) -> list[Key]:
        """See the protocol."""
        try:
            return self._settle(hold, look, batch, taken)
        except self.ground.refusals:
            # Everything was rolled back: each for itself, from the queue.
            return [*self._settle(hold, look, batch, Taken((), (), (), ())), *taken.keys]

    def _settle(self, hold: Hold, look: Mark, batch: int, taken: Taken) -> list[Key]:
        texts, now_us = encode_columns(tuple(taken.columns), taken.values), self.clock.wall_us()
        with self.ground.writing(full=False) as connection:
            found = self.held_by(connection, hold)
            moved = self.ground.edited_since(connection, found.id, look)
            columns: Sequence[Any] = texts, taken.versions, taken.keys
            if moved:
                stays = [key not in moved for key in taken.keys]
                columns = [list(compress(column, stays)) for column in columns]
            shown, versions, settled = columns
            connection.executemany(SQL["shadow_taken"], zip(shown, versions, repeat(found.id), settled))
            mark_seen(connection, found.id, generation_of(found), taken.keys)
            span = None if moved else taken.span
            self.ground.clear_journal(connection, found.id, settled, look, span)
            if not connection.execute(SQL["batch_done"], (batch, len(settled))).fetchall():
                unpack(connection, found, now_us, number=batch, settled=set(settled))
        self.ground.after_write()
        return [key for key in taken.keys if key in moved]


class _Stored(NamedTuple):
    """A row of ``windlass_sync_batches``."""

    number: int
    look: Mark
    sealed_at: int
    mutations: str
    keys: str
    operations: str
    versions: str
    data: str

    def changes(self) -> list[Change]:
        """What is in it. Each was sent once, or maybe sent."""
        told = zip(
            decode_keys(self.keys),
            msgspec.json.decode(self.operations),
            decode_rows(self.data),
            msgspec.json.decode(self.mutations),
            msgspec.json.decode(self.versions),
            strict=True,
        )
        return [
            Change(
                key=key, op=op, data=data, mutation_id=mutation_id, base_version=version,
                attempts=1, created_at_us=self.sealed_at,
            )
            for key, op, data, mutation_id, version in told
        ]  # fmt: skip


def _encoded(seals: Seals) -> tuple[str, ...]:
    def told(values: Sequence[Any]) -> str:
        return msgspec.json.encode(values).decode()

    return (
        told(seals.mutation_ids),
        encode_keys(seals.keys),
        told(seals.operations),
        told(seals.base_versions),
        encode_rows(seals.data),
    )


def stored_batches(connection: Connection, resource: int) -> list[_Stored]:
    """The batches of a resource, oldest first."""
    return [_Stored(*row) for row in connection.execute(SQL["batches"], (resource,))]


def unpack(
    connection: Connection,
    found: Resource,
    now_us: int,
    *,
    number: int | None = None,
    settled: Collection[Key] = (),
) -> None:
    """Makes changes of the queue of what is in a batch and not settled (in all of them: None)."""
    for batch in stored_batches(connection, found.id):
        if number not in (None, batch.number):
            continue
        rest = [key for key in decode_keys(batch.keys) if key not in settled]
        if rest:
            left = set(rest)
            values = [
                columns_of(one, resource=found.id, table=found.table_name, key=one.key, now_us=now_us)
                for one in batch.changes()
                if one.key in left
            ]
            connection.executemany(SQL["change_write"], values)
            found.ground.clear_journal(connection, found.id, rest, batch.look)
        connection.execute(SQL["batch_remove"], (batch.number,))

"""Sealed batches: edits that are sent together, as one record.

Only who holds the resource has one, from its sealing to its settling. Until then the journal keeps the edits,
so that those who look on know of them as they did before. Whatever the answer did not settle plainly, and all
that was left by a push that ended early, becomes changes of the queue, sealed as they were.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from windlass.change import Change, Key
from windlass.store.ledger import Hold
from windlass.store.sqlite.ledger.applying import REFUSALS
from windlass.store.sqlite.ledger.base import LedgerRole, Resource
from windlass.store.sqlite.ledger.clearing import clear_journal, edited_since
from windlass.store.sqlite.ledger.statements import SQL
from windlass.store.sqlite.ledger.values import (
    columns_of,
    decode_keys,
    decode_rows,
    encode_each,
    encode_keys,
)


class Batching(LedgerRole):
    """One verb. A batch is settled by ``write``."""

    def seal_batch(self, hold: Hold, look: int, changes: Sequence[Change]) -> int | None:
        """See the protocol."""
        try:
            told = _encoded(changes)
            with self.database.write(full=True) as connection:
                found = self.held_by(connection, hold)
                if not edited_since(connection, found.id, look).isdisjoint([one.key for one in changes]):
                    return None
                values = (found.id, look, len(changes), self.clock.wall_us(), *told)
                return connection.execute(SQL["batch_write"], values).lastrowid
        except REFUSALS:
            return None


class _Stored(NamedTuple):
    """A row of ``windlass_sync_batches``."""

    number: int
    look: int
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


def _encoded(changes: Sequence[Change]) -> tuple[str, ...]:
    def told(values: list[Any]) -> str:
        return msgspec.json.encode(values).decode()

    return (
        told([one.mutation_id for one in changes]),
        encode_keys([one.key for one in changes]),
        told([one.op for one in changes]),
        told([one.base_version for one in changes]),
        f"[{','.join(encode_each([one.data for one in changes]))}]",
    )


def stored_batches(connection: sqlite3.Connection, resource: int) -> list[_Stored]:
    """The batches of a resource, oldest first."""
    return [_Stored(*row) for row in connection.execute(SQL["batches"], (resource,))]


def unpack(
    connection: sqlite3.Connection,
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
            clear_journal(connection, found.id, rest, batch.look)
        connection.execute(SQL["batch_remove"], (batch.number,))

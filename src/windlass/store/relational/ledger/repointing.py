"""Giving the children of one row to another: all that is written down of them refers to it from then on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from windlass.change import Key
from windlass.store.relational.engine import Connection
from windlass.store.relational.ledger.base import LedgerRole, Resource
from windlass.store.relational.ledger.batching import stored_batches
from windlass.store.relational.ledger.statements import SQL, chunks, keyed
from windlass.store.relational.ledger.values import decode, decode_rows, encode, encode_rows

log = logging.getLogger("windlass.store")


class Repointing(LedgerRole):
    """One verb."""

    def repoint(self, resource: str, column: str, was: Key, to: Key) -> int:
        """See the protocol. The rows' edits are captured, so a push or pull under way looks at them again."""
        with self.ground.writing(full=False) as connection:
            found = self.resource(connection, resource)
            try:
                keys = found.user_table.repoint(connection, column, was, to)
            except self.ground.refusals as error:
                log.warning("%s: rows that refer to %r cannot refer to %r: %s", resource, was, to, error)
                return 0
            deleted = connection.execute(SQL["deleted"], (found.id,)).fetchall()
            keys += [key for key, row in deleted if decode(row).get(column) == was]
            for chunk in chunks(keys):
                _rewrite(connection, found, chunk, column, was, to)
            for batch in stored_batches(connection, found.id):
                rows = decode_rows(batch.data)
                if any(row.get(column) == was for row in rows):
                    told = [{**row, column: to} if row.get(column) == was else row for row in rows]
                    text = encode_rows(told)
                    connection.execute(SQL["batch_rewrite"], (text, batch.number))
        if keys:
            self.bells.ring()
        return len(keys)


def _rewrite(
    connection: Connection, found: Resource, keys: Sequence[Key], column: str, was: Key, to: Key
) -> None:
    """In shadows, changes and conflicts: what they say of that column, where it refers to the old row."""

    def moved(text: Any) -> str | None:
        row = decode(text) if isinstance(text, str) else {}
        return encode({**row, column: to}) if row.get(column) == was else None

    asked = (found.id, *keys)
    for key, row, *_ in connection.execute(keyed("shadows", len(keys)), asked).fetchall():
        if (text := moved(row)) is not None:
            connection.execute(SQL["shadow_rewrite"], (text, found.id, key))
    for seq, data in connection.execute(keyed("changes_data", len(keys)), asked).fetchall():
        if (text := moved(data)) is not None:
            connection.execute(SQL["change_rewrite"], (text, seq))
    for key, *sides, _, _ in connection.execute(keyed("conflicts_of", len(keys)), asked).fetchall():
        texts = [moved(side) for side in sides]
        if any(texts):
            connection.execute(SQL["conflict_rewrite"], (*texts, found.id, key))

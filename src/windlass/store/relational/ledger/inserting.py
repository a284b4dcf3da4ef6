"""Rows that are new here, inserted a page at a time: whatever is known of one of them stops them all.

That they are new is not asked for, but shown by the inserts themselves, none of which overwrites anything: a
row or a shadow that is there refuses its own. Only what has neither is looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from windlass.change import Key, NewRows
from windlass.store.relational.engine import Connection
from windlass.store.relational.ledger.base import Resource
from windlass.store.relational.ledger.ground import Shadows
from windlass.store.relational.ledger.reading import is_tracked
from windlass.store.relational.ledger.statements import SQL
from windlass.store.relational.ledger.values import encode_keys, encode_table, key_text


class Encoded(NamedTuple):
    """What is written beside the rows, made before the lock is taken."""

    bodies: list[str]
    extras: Sequence[str | None] | None
    remote_ids: Sequence[str | None] | None
    keys: str


def encoded(new: NewRows) -> Encoded:
    """The shadows as text.

    Raises:
        Ground.refusals: a value that JSON cannot hold.
    """
    return Encoded(
        encode_table(new.columns, new.rows, simple=new.simple),
        encode_table(new.others, new.extras) if new.others else None,
        _other_ids(new.keys, new.remote_ids),
        encode_keys(list(new.keys)),
    )


def _other_ids(keys: Sequence[Key], remote_ids: Sequence[str]) -> Sequence[str | None] | None:
    """The remote's ids, where they are not the keys themselves."""
    if list(keys) == list(remote_ids):
        return None
    return [
        None if remote_id in (key, key_text(key)) else remote_id
        for key, remote_id in zip(keys, remote_ids, strict=True)
    ]


def insert(connection: Connection, found: Resource, new: NewRows, told: Encoded, generation: int) -> bool:
    """Inserts rows and shadows, with the capture silenced; False: something else is known of one of them.

    Raises:
        Ground.refusals: a row or a shadow is there already, or the table refuses it.
    """
    if not set(new.columns).issubset(found.user_table.columns) or is_tracked(connection, found.id, new.keys):
        return False
    connection.execute(SQL["silence"], (found.id,))
    found.user_table.put_new(connection, new.columns, new.rows)
    shadows = Shadows(found.id, generation, new.keys, told.bodies, new.versions, told.remote_ids, told.extras)
    found.ground.write_shadows(connection, shadows, new=True)
    connection.execute(SQL["speak"], (found.id,))
    return True

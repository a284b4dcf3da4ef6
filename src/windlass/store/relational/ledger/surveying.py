"""What people and status pages ask: figures, lists, notes, and how far the pull has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from windlass.change import Change, Conflict, Key
from windlass.store.ledger import Arrivals, Counts, PullState, Quarantined
from windlass.store.relational.ledger.base import LedgerRole
from windlass.store.relational.ledger.statements import SQL
from windlass.store.relational.ledger.values import change_of, conflict_of, decode_keys, us_of


class Surveying(LedgerRole):
    """Looking on."""

    def resources(self) -> list[str]:
        """See the protocol."""
        with self.ground.glance() as connection:
            return [row[0] for row in connection.execute(SQL["resources"])]

    def state(self, resource: str) -> PullState:
        """See the protocol."""
        with self.ground.glance() as connection:
            return self.resource(connection, resource).state

    def counts(self, resource: str) -> Counts:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            row = connection.execute(SQL["counts"], {"resource": found.id}).fetchone()
        (rows, ready, sealed, held, failed, conflicts, quarantined, journaled, oldest, batched, sealed_at,
         behind) = row  # fmt: skip
        since = [us for us in (us_of(oldest), sealed_at) if us]
        return Counts(
            rows=rows,
            pending=ready + held + journaled,
            sealed=sealed + batched,
            oldest_us=min(since, default=None),
            held=held + behind,
            failed=failed,
            conflicts=conflicts,
            quarantined=quarantined,
        )

    def changes(
        self, resource: str | None = None, *, status: str | None = None, limit: int = 50
    ) -> list[tuple[str, Change]]:
        """See the protocol. The resource of what no synced table claims is an empty text."""
        with self.ground.reading() as connection:
            found = None if resource is None else self.resource(connection, resource)
            name = "all_changes" if found is None else "changes"
            values: Sequence[Any] = (
                (status, status, limit) if found is None else (found.id, status, status, limit)
            )
            return [(row[0], change_of(row[1:])) for row in connection.execute(SQL[name], values)]

    def conflicts(self, resource: str | None = None, limit: int = 50) -> list[tuple[str, Key, Conflict]]:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = None if resource is None else self.resource(connection, resource).id
            rows = connection.execute(SQL["conflicts"], {"resource": found, "limit": limit})
            return [(name, key, conflict_of(rest)) for name, key, *rest in rows]

    def quarantined(self, resource: str, limit: int = 50) -> list[Quarantined]:
        """See the protocol."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            rows = connection.execute(SQL["quarantined"], (found.id, limit))
            return [
                Quarantined(remote_id=remote_id, document=document, reason=reason, seen_at_us=seen_at)
                for remote_id, document, reason, seen_at in rows
            ]

    def arrivals(self, resource: str, after: int | None = None, limit: int = 100) -> Arrivals:
        """See the protocol. What one write brought is never split, so there may be more than ``limit``."""
        with self.ground.reading() as connection:
            found = self.resource(connection, resource)
            if after is None:
                return Arrivals(
                    connection.execute(SQL["arrivals_end"], {"resource": found.id}).fetchone()[0], []
                )
            end = after
            keys: list[Key] = []
            for seq, text in connection.execute(SQL["arrivals"], (found.id, after)):
                keys += decode_keys(text)
                end = seq
                if len(keys) >= limit:
                    break
            return Arrivals(end, keys)

    def switch(self, resource: str, *, paused: bool) -> None:
        """See the protocol."""
        with self.ground.writing(full=True) as connection:
            connection.execute(SQL["switch"], (int(paused), self.resource(connection, resource).id))
        self.bells.ring()

    def is_paused(self, resource: str) -> bool:
        """See the protocol."""
        with self.ground.glance() as connection:
            return bool(self.resource(connection, resource).paused)

    def note(self, resource: str, name: str, value: Any) -> None:
        """See the protocol."""
        text = msgspec.json.encode(value).decode()
        with self.ground.writing(full=False) as connection:
            connection.execute(SQL["note"], (self.resource(connection, resource).id, name, text))

    def notes(self, resource: str) -> dict[str, Any]:
        """See the protocol."""
        with self.ground.reading() as connection:
            rows = connection.execute(SQL["notes"], (self.resource(connection, resource).id,))
            return {name: msgspec.json.decode(value) for name, value in rows}

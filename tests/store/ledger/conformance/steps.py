"""The steps that the suite's claims are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from windlass.change import Change, Effect, Key, NewRows, Shadow, Standing
from windlass.store.ledger import Ledger

TASKS = "CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT NOT NULL UNIQUE, done INTEGER, note TEXT)"


def installed(
    ledger: Ledger, db: Any, *, ids: str = "client", create: str = TASKS, table: str = "tasks"
) -> None:
    """The table, made and synced."""
    db.execute(create)
    ledger.install(table, ledger.describe(table), ids=ids)


def task(key: Key, title: str | None = None, **columns: Any) -> dict[str, Any]:
    return {"id": key, "title": title or f"title of {key}", "done": 0, "note": None, **columns}


def arrival(key: str, title: str | None = None, version: str = "v1") -> Effect:
    """A row as a pull brings it."""
    row = task(key, title)
    return Effect(key, row=row, shadow=Shadow(row, version), remote=True)


def new(*keys: str) -> NewRows:
    """Rows as a first pull brings them."""
    rows = [tuple(task(key).values()) for key in keys]
    return NewRows(tuple(task("")), rows, keys, keys, ["v1"] * len(keys))


def standing(ledger: Ledger, key: Key, resource: str = "tasks") -> Standing:
    return ledger.look(resource, [key]).standings[0]


def do(ledger: Ledger, *effects: Effect, resource: str = "tasks", **more: Any) -> list[Key]:
    """Carries effects out as of now."""
    with ledger.hold(resource) as hold:
        return ledger.write(hold, ledger.look(resource).mark, effects, **more)


def queued(ledger: Ledger, key: Key, op: str = "update", resource: str = "tasks", **fields: Any) -> Change:
    """A captured change in the queue."""
    change = Change(key=key, op=op, data={"title": f"new title of {key}"}, **fields)
    sealed = change.mutation_id is not None
    do(ledger, Effect(key, sent=change) if sealed else Effect(key, pending=change), resource=resource)
    found = standing(ledger, key, resource)
    made = found.sent if sealed else found.pending
    assert made is not None
    return made


def sealed(change: Change, mutation_id: str = "m1") -> Effect:
    return Effect(change.key, sent=msgspec.structs.replace(change, mutation_id=mutation_id), pending=None)


def due(ledger: Ledger, now_us: int = 0, limit: int = 50, resource: str = "tasks") -> list[Key]:
    return [change.key for change in ledger.due(resource, now_us, limit)]


def keys(standings: Sequence[Standing]) -> list[Key]:
    return [standing.key for standing in standings]


def titles(db: Any) -> dict[Key, str]:
    return dict(db.execute("SELECT id, title FROM tasks ORDER BY id").fetchall())

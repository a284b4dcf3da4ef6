"""What a database knows of moves that it takes part in: notes in ``windlass_meta``."""

from __future__ import annotations

import json
from typing import Any

from windlass.store.relational.engine import Connection, Engine

MOVING, MOVED, ARRIVING = "moving", "moved", "arriving"
"""Names in ``windlass_meta``: two of the source, one of the target."""


def read(connection: Connection, name: str) -> dict[str, Any] | None:
    """The note of that name, where there is one."""
    row = connection.execute("SELECT value FROM windlass_meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else json.loads(row[0])


def write(connection: Connection, name: str, value: Any) -> None:
    """Keeps a note, in the place of the one of that name."""
    remove(connection, name)
    connection.execute("INSERT INTO windlass_meta (name, value) VALUES (?, ?)", (name, json.dumps(value)))


def remove(connection: Connection, name: str) -> None:
    """Removes the note of that name, where there is one."""
    connection.execute("DELETE FROM windlass_meta WHERE name = ?", (name,))


def moved_to(engine: Engine) -> str | None:
    """Where the jobs of a database were moved to, for people: without a password. None: they are here."""
    with engine.read() as connection:
        note = read(connection, MOVED)
    return None if note is None else note["to"]

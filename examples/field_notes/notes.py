"""The notebook: a table in an SQLite file, and plain functions on it. Nothing here knows of any server."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (
    id         TEXT    PRIMARY KEY NOT NULL,
    title      TEXT    NOT NULL DEFAULT '',
    body       TEXT    NOT NULL DEFAULT '',
    place      TEXT    NOT NULL DEFAULT '',
    done       BOOLEAN NOT NULL DEFAULT FALSE,
    updated_at TEXT    NOT NULL
)
"""
WRITTEN = ("title", "body", "place", "done")
"""The columns that people write."""


class Note(NamedTuple):
    """A row."""

    id: str
    title: str
    body: str
    place: str
    done: bool
    updated_at: str


def open_notebook(path: str | os.PathLike[str]) -> sqlite3.Connection:
    """The program's own connection. Each statement is a transaction."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(SCHEMA)
    return db


def list_notes(db: sqlite3.Connection) -> list[Note]:
    """All of them: what is to be done first, then by the last edit."""
    rows = db.execute(
        "SELECT id, title, body, place, done, updated_at FROM notes ORDER BY done, updated_at DESC, id DESC"
    )
    return [_note(row) for row in rows]


def get(db: sqlite3.Connection, note_id: str) -> Note | None:
    """One of them; None where it is gone."""
    row = db.execute(
        "SELECT id, title, body, place, done, updated_at FROM notes WHERE id = ?", (note_id,)
    ).fetchone()
    return None if row is None else _note(row)


def add(db: sqlite3.Connection, title: str = "", body: str = "", place: str = "") -> str:
    """Writes a new note; its id."""
    note_id = new_id()
    db.execute(
        "INSERT INTO notes (id, title, body, place, updated_at) VALUES (?, ?, ?, ?, ?)",
        (note_id, title, body, place, now()),
    )
    return note_id


def edit(db: sqlite3.Connection, note_id: str, changes: Mapping[str, Any]) -> bool:
    """Changes some columns of a note; False where it is gone."""
    unknown = changes.keys() - set(WRITTEN)
    if unknown:
        raise ValueError(f"a note has no {', '.join(sorted(unknown))}: it has {', '.join(WRITTEN)}")
    names = ", ".join(f"{name} = ?" for name in changes)
    values = (*changes.values(), now(), note_id)
    # Only names of our own columns get into the statement.
    done = db.execute(f"UPDATE notes SET {names}, updated_at = ? WHERE id = ?", values)  # noqa: S608
    return done.rowcount == 1


def delete(db: sqlite3.Connection, note_id: str) -> None:
    """Removes a note."""
    db.execute("DELETE FROM notes WHERE id = ?", (note_id,))


def new_id() -> str:
    """A UUID of version 7: made anywhere without asking anyone, and it sorts by the time of its making."""
    bits = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | 7 << 76
    bits = bits & ~(0x3 << 62) | 2 << 62
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def now() -> str:
    """The time as it is written down."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _note(row: tuple[Any, ...]) -> Note:
    note_id, title, body, place, done, updated_at = row
    return Note(note_id, title, body, place, bool(done), updated_at)

"""What the server keeps, and what it answers: the rules of the other side, without any HTTP."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

PAGE_MOST = 100
TITLE_MOST = 60
FIELDS: dict[str, type] = {"title": str, "body": str, "place": str, "done": bool, "updated_at": str}

SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, rev INTEGER UNIQUE, deleted INTEGER, document TEXT);
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, status INTEGER, rev INTEGER, body TEXT);
"""


class Answer(NamedTuple):
    """What is answered to a request."""

    status: int
    body: Mapping[str, Any] | None = None
    etag: int | None = None
    next_url: str | None = None


class Refused(Exception):
    """A request that cannot be carried out, and what its sender is told."""

    def __init__(self, status: int, title: str, **more: Any) -> None:
        super().__init__(title)
        self.answer = Answer(status, {"title": title, "status": status, **more})


class Shelf:
    """The notes, with the number of each one's last change. Thread-safe."""

    def __init__(self, path: str = ":memory:") -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(SCHEMA)
        self._lock = threading.RLock()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def alone(self) -> Generator[None]:
        """One request at a time, and each of them whole or not at all."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def last(self) -> int:
        """The number of the last change."""
        with self._lock:
            return self._db.execute("SELECT coalesce(max(rev), 0) FROM notes").fetchone()[0]

    def get(self, note_id: str) -> dict[str, Any] | None:
        """A note, or its tombstone."""
        with self._lock:
            found = self._db.execute("SELECT * FROM notes WHERE id = ?", (note_id,)).fetchone()
        return None if found is None else _told(found)

    def page(self, after: int, limit: int, *, tombstones: bool) -> list[dict[str, Any]]:
        """What changed after that number, oldest change first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT * FROM notes WHERE rev > ? AND (? OR NOT deleted) ORDER BY rev LIMIT ?",
                (after, tombstones, limit),
            ).fetchall()
        return [_told(row) for row in rows]

    def notes(self) -> list[dict[str, Any]]:
        """All that are not deleted, the one that was changed last at the end."""
        return self.page(0, -1, tombstones=False)

    def put(self, note_id: str, fields: Mapping[str, Any], *, deleted: bool = False) -> dict[str, Any]:
        """Writes a note as it is from now on."""
        with self._lock:
            known = self.get(note_id)
            kept = {name: known[name] for name in FIELDS if name in known} if known else {}
            document = {} if deleted else {**kept, **fields}
            rev = self.last() + 1
            row = (note_id, rev, int(deleted), json.dumps(document))
            self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?)", row)
        return _told(row)

    def remembered(self, key: str) -> Answer | None:
        """What was answered to this key before."""
        found = self._db.execute("SELECT status, rev, body FROM answers WHERE key = ?", (key,)).fetchone()
        return None if found is None else Answer(found[0], json.loads(found[2]), found[1])

    def remember(self, key: str, answer: Answer) -> None:
        row = (key, answer.status, answer.etag, json.dumps(answer.body))
        self._db.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", row)


def _told(row: tuple[Any, ...]) -> dict[str, Any]:
    note_id, rev, deleted, document = row
    return {"id": note_id, **json.loads(document), "rev": rev, "deleted": bool(deleted)}


# ── what is asked, and what is answered ────────────────────────────────────────────────────────────
def listed(shelf: Shelf, query: Mapping[str, str], seen: str) -> Answer:
    """A page of the list. ``seen`` is the If-None-Match."""
    last = shelf.last()
    if seen == f'"{last}"' and "after" not in query:
        return Answer(304, etag=last)
    since = int(query.get("since", "0").strip('"') or 0)
    after, limit = int(query.get("after", since)), int(query.get("limit", PAGE_MOST))
    limit = max(1, min(limit, PAGE_MOST))
    rows = shelf.page(after, limit + 1, tombstones="since" in query)
    next_url = None
    if len(rows) > limit:
        rows = rows[:limit]
        next_url = f"/notes?{urlencode({**query, 'after': rows[-1]['rev'], 'limit': limit})}"
    return Answer(200, {"notes": rows}, last, next_url)


def shown(shelf: Shelf, note_id: str) -> Answer:
    """One note."""
    note = shelf.get(note_id)
    if note is None or note["deleted"]:
        raise Refused(404, "There is no such note.")
    return Answer(200, note, note["rev"])


def created(shelf: Shelf, note_id: str, fields: Mapping[str, Any]) -> Answer:
    """A new note, under the id that its writer gave it."""
    known = shelf.get(note_id)
    if known is not None and not known["deleted"]:
        raise Refused(412, "There is such a note already.", current=known)
    complete = {"title": "", "body": "", "place": "", "done": False, "updated_at": "", **checked(fields)}
    refuse_title(complete["title"])
    note = shelf.put(note_id, complete)
    return Answer(201, note, note["rev"])


def changed(shelf: Shelf, note_id: str, fields: Mapping[str, Any], match: str | None) -> Answer:
    """Some fields of a note."""
    note = upon(shelf, note_id, match)
    asked = checked(fields)
    refuse_title(asked.get("title", note["title"]))
    note = shelf.put(note_id, asked)
    return Answer(200, note, note["rev"])


def deleted(shelf: Shelf, note_id: str, match: str | None) -> Answer:
    """Only its tombstone stays, so that everybody hears of it."""
    upon(shelf, note_id, match)
    shelf.put(note_id, {}, deleted=True)
    return Answer(204)


def upon(shelf: Shelf, note_id: str, match: str | None) -> dict[str, Any]:
    """The note, if it is still the one that the change was made upon."""
    note = shelf.get(note_id)
    if note is None or note["deleted"]:
        raise Refused(404, "There is no such note.")
    if match is None:
        raise Refused(428, "Say which revision the change was made upon: If-Match.")
    if match != f'"{note["rev"]}"':
        raise Refused(412, "The note was changed meanwhile.", current=note)
    return note


def checked(fields: Any) -> dict[str, Any]:
    """The fields that a note has, each of its own type."""
    if not isinstance(fields, dict):
        raise Refused(400, "Expected an object.")
    known = {name: value for name, value in fields.items() if name in FIELDS}
    for name, value in known.items():
        if not isinstance(value, FIELDS[name]):
            raise Refused(422, "This is no note.", detail=f"{name} is of the wrong type.", field=name)
    return known


def refuse_title(title: str) -> None:
    """The one rule of this server that people meet."""
    if not title.strip():
        raise Refused(422, "A note needs a title.", detail="Give it one, and it is taken.", field="title")
    if len(title) > TITLE_MOST:
        detail = f"It has {len(title)} characters; {TITLE_MOST} are the most. Put the rest into the text."
        raise Refused(422, "The title is too long.", detail=detail, field="title")

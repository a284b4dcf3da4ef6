"""What is pending is known from the moment of the edit, also where no push has looked at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from tests.sync.databases import connected
from windlass import Windlass
from windlass.sync.handle import Resource
from windlass.sync.remote import Accepted, Ask, Document, Outgoing, Page, Rejected, Verdict


class Picky:
    """A remote that takes no row without a title."""

    origin, batch, dedupes = "picky:", 10, True

    def pull(self, ask: Ask) -> Page:
        return Page((), watermark="1")

    def push(self, changes: Sequence[Outgoing]) -> list[Verdict]:
        return [
            Accepted(change.document, "1") if change.document.get("title") else Rejected("no title")
            for change in changes
        ]

    def fetch(self, remote_id: str) -> Document:
        return Document(remote_id, None)

    def probe(self, change: Outgoing) -> Verdict | None:
        return None


@pytest.fixture
def db(database_url: str) -> Iterator[Any]:
    with closing(connected(database_url)) as db:
        db.execute("CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, title TEXT)")
        yield db


@pytest.fixture
def notes(database_url: str, db: Any) -> Iterator[Resource]:
    app = Windlass(database_url)
    resource = app.sync.resource("notes", remote=Picky())
    app.sync.install()
    yield resource
    app.close()


def test_an_edit_that_no_push_has_looked_at_is_pending(db: Any, notes: Resource):
    db.execute("INSERT INTO notes VALUES ('a', 'tea')")

    (one,) = notes.pending()

    assert (one.key, one.change.op, one.change.data["title"]) == ("a", "insert", "tea")
    assert one.why == "is sent with the next push"


def test_an_edit_of_what_is_pending_is_told_once_as_it_is_now(db: Any, notes: Resource):
    db.execute("INSERT INTO notes VALUES ('a', 'tea')")
    notes.push()
    db.execute("UPDATE notes SET title = 'green tea'")
    db.execute("INSERT INTO notes VALUES ('b', 'rice')")
    db.execute("DELETE FROM notes WHERE id = 'b'")

    assert [(one.key, one.change.op, dict(one.change.data)) for one in notes.pending()] == [
        ("a", "update", {"title": "green tea"})
    ]


def test_a_rejected_row_that_was_edited_since_is_pending_and_dead_no_more(db: Any, notes: Resource):
    db.execute("INSERT INTO notes VALUES ('a', '')")
    notes.push()
    assert [one.key for one in notes.dead()] == ["a"]

    db.execute("UPDATE notes SET title = 'tea'")

    assert notes.dead() == []
    assert [one.key for one in notes.pending()] == ["a"]
    notes.push()
    assert notes.pending() == []


def test_a_rejected_row_that_was_written_as_it_was_stays_dead(db: Any, notes: Resource):
    db.execute("INSERT INTO notes VALUES ('a', '')")
    notes.push()

    db.execute("UPDATE notes SET title = ''")

    assert [one.key for one in notes.dead()] == ["a"]
    assert notes.pending() == []

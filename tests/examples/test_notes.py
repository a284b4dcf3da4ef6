"""The notebook: plain functions on a plain table."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from field_notes import notes
from field_notes.palette import ago, moment_of


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    db = notes.open_notebook(tmp_path / "notes.db")
    yield db
    db.close()


def test_a_note_is_added_edited_and_deleted(db: sqlite3.Connection):
    note_id = notes.add(db, "Owl", place="Barn")

    assert notes.edit(db, note_id, {"title": "Barn owl", "done": True})
    found = notes.get(db, note_id)
    assert found is not None
    assert (found.title, found.place, found.done) == ("Barn owl", "Barn", True)

    notes.delete(db, note_id)
    assert notes.get(db, note_id) is None
    assert not notes.edit(db, note_id, {"title": "Ghost"})


def test_what_is_done_stands_below_what_is_not(db: sqlite3.Connection):
    first, second, third = (notes.add(db, title) for title in ("one", "two", "three"))
    notes.edit(db, third, {"done": True})
    notes.edit(db, first, {"body": "edited last"})

    assert [note.id for note in notes.list_notes(db)][-1] == third
    assert {note.id for note in notes.list_notes(db)[:2]} == {first, second}


def test_only_what_people_write_can_be_edited(db: sqlite3.Connection):
    with pytest.raises(ValueError, match="a note has no id"):
        notes.edit(db, notes.add(db), {"id": "x"})


def test_an_id_is_a_uuid_that_sorts_by_its_time():
    made = [uuid.UUID(notes.new_id()) for _ in range(50)]

    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    assert [one.int >> 80 for one in made] == sorted(one.int >> 80 for one in made)
    assert len(set(made)) == 50


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "just now"), (42, "42 s ago"), (7 * 60, "7 min ago"), (-5, "just now")]
)
def test_a_time_is_told_in_a_few_letters(seconds: int, told: str):
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)

    assert ago(now - timedelta(seconds=seconds), now) == told


def test_a_time_that_somebody_else_wrote_may_be_none():
    assert moment_of("") is None
    assert ago(moment_of("yesterday")) == "never"

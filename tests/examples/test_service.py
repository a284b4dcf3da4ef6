"""The field notes with sync in a process of its own, which needs no window."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from field_notes import notes
from field_notes.app import app
from field_notes.server import NotesServer, colleague_adds

PATIENCE_S = 30.0


def test_the_background_service_keeps_the_notebook_in_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with NotesServer() as server, app.elsewhere(tmp_path / "ann.db"):
        # Another process: what it is told, it is told by the environment, as the program does.
        monkeypatch.setenv("FIELD_NOTES_URL", server.url)
        monkeypatch.setenv("WINDLASS_DATABASE", str(tmp_path / "ann.db"))
        db = notes.open_notebook(tmp_path / "ann.db")
        colleague_adds(server.shelf, "theirs")
        app.service.start()
        try:
            notes.add(db, "mine")

            both, deadline = {"mine", "theirs"}, time.monotonic() + PATIENCE_S
            with app.sync.watch("notes") as statuses:
                for status in statuses:
                    here = {note.title for note in notes.list_notes(db)}
                    there = {note["title"] for note in server.shelf.notes()}
                    if here == there == both and status.pending == 0:
                        break
                    assert time.monotonic() < deadline, f"here {here}, there {there}: {status}"
        finally:
            app.service.stop()
            db.close()

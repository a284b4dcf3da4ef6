"""The app on the terminal: it has the notebook's connection, and tells its screens what is new."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.app import App
from textual.message import Message

from field_notes import notes
from field_notes.keeper import Keeper, Outlook
from field_notes.notes_screen import NotesScreen
from field_notes.palette import THEME
from windlass import Windlass, WindlassError


class FieldNotes(App[None]):
    """Field notes, on the notebook of this Windlass app."""

    TITLE = "Field notes"
    CSS_PATH = "field_notes.tcss"
    ENABLE_COMMAND_PALETTE = False

    class Told(Message):
        """How everything stands now."""

        def __init__(self, outlook: Outlook) -> None:
            super().__init__()
            self.outlook = outlook

    class Changed(Message):
        """A pull has changed a note."""

        def __init__(self, note_id: str) -> None:
            super().__init__()
            self.note_id = note_id

    def __init__(self, app: Windlass) -> None:
        super().__init__()
        self.db: sqlite3.Connection = notes.open_notebook(app.settings.database)
        self.keeper = Keeper(app)
        self.where = Path(app.settings.database).name
        self.register_theme(THEME)
        self.theme = THEME.name

    def on_mount(self) -> None:
        self.push_screen(NotesScreen(self.db, self.keeper, self.where))
        self.keeper.follow(
            lambda outlook: self.post_message(self.Told(outlook)) and None,
            lambda note_id: self.post_message(self.Changed(note_id)) and None,
        )

    def on_unmount(self) -> None:
        self.keeper.close()
        self.db.close()

    def on_field_notes_told(self, told: Told) -> None:
        for screen in self.screen_stack:
            if show := getattr(screen, "show", None):
                show(told.outlook)

    def on_field_notes_changed(self, changed: Changed) -> None:
        for screen in self.screen_stack:
            if tell := getattr(screen, "changed", None):
                tell(changed.note_id)

    def do(self, work: Callable[[], Any]) -> None:
        """Does what may have to wait for the database, in a thread."""

        def worked() -> None:
            try:
                work()
            except WindlassError as error:
                self.call_from_thread(self.notify, str(error), severity="warning")

        self.run_worker(worked, thread=True)

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
from field_notes.screens import LettersScreen
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

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, FieldNotes.Told)

    class Arrived(Message):
        """A pull has changed the notes."""

        def can_replace(self, message: Message) -> bool:
            # A thousand at once are one reason to look.
            return isinstance(message, FieldNotes.Arrived)

    def __init__(self, app: Windlass) -> None:
        super().__init__()
        self.db: sqlite3.Connection = notes.open_notebook(app.settings.database)
        self.keeper = Keeper(app)
        self.where = Path(app.settings.database).name
        self.register_theme(THEME)
        self.theme = THEME.name

    async def on_mount(self) -> None:
        await self.push_screen(NotesScreen(self.db, self.keeper, self.where))
        self.keeper.follow(
            lambda outlook: self.post_message(self.Told(outlook)),
            lambda: self.post_message(self.Arrived()),
        )

    def on_unmount(self) -> None:
        self.keeper.close()
        self.db.close()

    def on_field_notes_told(self, told: Told) -> None:
        for screen in self._screens():
            screen.show(told.outlook)

    def on_field_notes_arrived(self) -> None:
        for screen in self._screens():
            screen.refill()

    async def action_quit(self) -> None:
        """Leaves; what was written is saved, as whenever a note is left."""
        for screen in self._screens():
            screen.action_save()
        self.exit()

    def _screens(self) -> list[NotesScreen | LettersScreen]:
        """Those that show notes; none while the app is ending, and they are being taken apart."""
        stack = self.screen_stack if self.is_running else []
        return [one for one in stack if isinstance(one, NotesScreen | LettersScreen) and one.is_mounted]

    def do(self, work: Callable[[], Any]) -> None:
        """Does what may have to wait for the database, in a thread."""

        def worked() -> None:
            try:
                work()
            except WindlassError as error:
                self.call_from_thread(self.notify, str(error), severity="warning")

        self.run_worker(worked, thread=True)

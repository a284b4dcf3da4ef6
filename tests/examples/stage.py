"""The field notes on a stage: the real app, database, server and keys, and a little patience."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual import events
from textual.pilot import Pilot
from textual.widgets import Static

from field_notes import notes
from field_notes.app import make_app
from field_notes.field_notes import FieldNotes
from field_notes.keeper import State
from field_notes.notes_screen import NotesScreen
from field_notes.server import NotesServer
from field_notes.widgets import Editor, NoteList, StatusLine, Strip

PATIENCE_S = 60.0
_HOPS = 4
"""From a key to the last message it leads to."""
NAMES = {" ": "space", ",": "comma", ".": "full_stop", "'": "apostrophe"}


class Stage:
    """One person at one window."""

    def __init__(self, window: FieldNotes, pilot: Pilot[None], server: NotesServer) -> None:
        self.window = window
        self.pilot = pilot
        self.server = server

    # ── what is done ───────────────────────────────────────────────────────────────────────────
    async def press(self, *keys: str) -> None:
        """One key after the other, each when the one before has done what it does."""
        for key in keys:
            self._send(key)
            await self.settle()

    async def type(self, text: str) -> None:
        """Where the cursor is."""
        for letter in text:
            self._send(letter)
        await self.settle()

    async def settle(self) -> None:
        """Until every message has been read, and those that they led to.

        The pilot's own keys wait until the process uses no time: with sync at work, that is seldom.
        """
        for _ in range(_HOPS):
            await self.pilot.pause(0)

    def _send(self, key: str) -> None:
        character = key if len(key) == 1 else None
        self.window.post_message(events.Key(NAMES.get(key, key), character))

    async def write(self, title: str, place: str = "") -> None:
        """A new note, by keys alone."""
        await self.press("ctrl+n")
        await self.type(title)
        await self.press("enter")
        await self.type(place)
        await self.press("escape")

    async def open(self, title: str) -> None:
        """Puts the cursor behind the title of that note."""
        screen = self.screen
        screen.query_one(NoteList).focus()
        screen.query_one(NoteList).choose(self.note(title).id)
        await self.until(lambda: screen.query_one(Editor).fields()["title"] == title, "the note is open")
        await self.press("enter")

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Waits for it, up to a deadline."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain until {what}; {self.screen.outlook}"
            await self.pilot.pause(0.02)

    async def until_at_server(self, *titles: str) -> None:
        await self.until(
            lambda: set(titles) <= {note["title"] for note in self.there()}, f"{titles} are there"
        )

    async def until_all_is(self, state: State, count: int) -> None:
        await self.until(lambda: self.screen.outlook.count(state) == count, f"{count} are {state}")

    # ── what is seen ───────────────────────────────────────────────────────────────────────────
    @property
    def screen(self) -> NotesScreen:
        """The one below all others."""
        screen = self.window.screen_stack[1]
        assert isinstance(screen, NotesScreen)
        return screen

    def note(self, title: str) -> notes.Note:
        (found,) = [note for note in notes.list_notes(self.window.db) if note.title == title]
        return found

    def state(self, title: str) -> State:
        return self.screen.outlook.of(self.note(title).id).state

    def there(self) -> list[dict[str, object]]:
        """What the server has."""
        return self.server.shelf.notes()

    def listed(self) -> list[str]:
        """The titles in the list, as they are drawn."""
        notes_list = self.screen.query_one(NoteList)
        return [self._drawn(notes_list, index) for index in range(notes_list.option_count)]

    def status(self) -> str:
        return shown(self.screen.query_one(StatusLine), self.window)

    def strip(self) -> str:
        return shown(self.screen.query_one(Strip), self.window)

    def said(self, selector: str) -> str:
        """What a part of the screen on top says."""
        return shown(self.window.screen.query_one(selector, Static), self.window)

    def _drawn(self, notes_list: NoteList, index: int) -> str:
        group = notes_list.get_option_at_index(index).prompt
        return str(group.renderables[0]).split(" ", 1)[1]  # type: ignore[union-attr]


def shown(part: Static, window: FieldNotes) -> str:
    """Its text, on one line."""
    lines = window.console.render_lines(part.content, window.console.options.update(width=200))  # type: ignore[arg-type]
    return " ".join("".join(piece.text for line in lines for piece in line).split())


@asynccontextmanager
async def stage(folder: Path, *, cut: bool = False) -> AsyncIterator[Stage]:
    """The window open, and sync at work in its process."""
    with NotesServer() as server:
        if cut:
            server.cut()
        app = make_app(folder / "ann.db", server.url, every="200ms")
        try:
            window = FieldNotes(app)
            with app.running():
                async with window.run_test(size=(100, 30)) as pilot:
                    here = Stage(window, pilot, server)
                    await pilot.pause()
                    yield here
        finally:
            app.close()


def play(folder: Path, story: Callable[[Stage], Awaitable[None]], *, cut: bool = False) -> None:
    """Plays a story to its end."""

    async def show() -> None:
        async with stage(folder, cut=cut) as here:
            await story(here)

    asyncio.run(show())

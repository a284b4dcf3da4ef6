"""The screen that people work on: the list left, the editor right, and below how it all stands.

Every edit is a plain statement on the program's own connection. Nothing here waits for a server.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static

from field_notes import notes
from field_notes.keeper import Keeper, Outlook
from field_notes.palette import FADED, FAINT, MOSS, key
from field_notes.screens import ChoiceScreen, ConfirmScreen, LettersScreen
from field_notes.widgets import UNTITLED, Editor, NoteList, StatusLine, Strip

EMPTY = Text.assemble(
    ("Nothing is written yet.\n\n", "bold"), key("^n"), (" begins your first note.\n", FADED),
    ("It is saved here at once, network or not,\nand goes to the server when there is one.", FADED),
    justify="center",
)  # fmt: skip

SOMETIMES = ("save", "questions", "letters", "take_theirs")
"""What its key does is there to be done only sometimes; then the key is shown."""


class NotesScreen(Screen[None]):
    """List and editor."""

    BINDINGS = [
        Binding("ctrl+n", "new", "New", key_display="^n"),
        Binding("ctrl+s", "save", "Save", key_display="^s"),
        Binding("f2", "questions", "Choose", key_display="F2"),
        Binding("f3", "letters", "Mend", key_display="F3"),
        Binding("f4", "take_theirs", "Take theirs", key_display="F4"),
        Binding("f5", "ask_now", "Sync", key_display="F5"),
        Binding("f6", "switch", "Pause", key_display="F6"),
        Binding("ctrl+q", "quit", "Quit", key_display="^q", priority=True),
    ]

    def __init__(self, db: sqlite3.Connection, keeper: Keeper, where: str) -> None:
        super().__init__()
        self.db = db
        self.keeper = keeper
        self.where = where
        self.outlook = Outlook("connecting")
        self.all: list[notes.Note] = []
        self._useful: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        head = Text.assemble(("▲ ", MOSS), ("Field notes", "bold"), (f"  {self.where}", FAINT))
        yield Static(head, id="head")
        with Horizontal(id="desk"):
            with Vertical(id="shelf", classes="pane") as shelf:
                shelf.border_title = "Notes"
                yield NoteList(id="list")
            with Vertical(id="page", classes="pane") as page:
                page.border_title = "Note"
                yield Editor(id="editor")
                yield Strip(classes="strip", id="strip")
            yield Static(EMPTY, id="empty", classes="pane")
        yield StatusLine(id="status")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.set_interval(1, self.tell_status)
        self.set_interval(20, self.refill)
        self.refill()
        self.query_one(NoteList).focus()

    # ── what it shows ──────────────────────────────────────────────────────────────────────────
    def show(self, outlook: Outlook) -> None:
        """Takes in how everything stands."""
        self.outlook = outlook
        self.refill()

    def refill(self) -> None:
        """Shows the table as it is."""
        self.all = notes.list_notes(self.db)
        self.query_one(NoteList).fill(self.all, self.outlook)
        self._take_in()
        open_ones = sum(not note.done for note in self.all)
        shelf = self.query_one("#shelf")
        shelf.border_title = f"Notes {len(self.all)}" if self.all else "Notes"
        shelf.border_subtitle = f"{open_ones} open" if open_ones < len(self.all) else None
        self.tell_all()

    def _take_in(self) -> None:
        """Brings the editor up to date with its note, but for what is being written."""
        editor = self.query_one(Editor)
        if editor.note_id is None:
            return
        note = next((note for note in self.all if note.id == editor.note_id), None)
        if note is not None:
            editor.rebase(note)
        elif not editor.written():
            editor.load(None)

    def tell_all(self) -> None:
        """Brings the strip, the page and the status line up to date."""
        editor = self.query_one(Editor)
        is_used = editor.note_id is not None or editor.written() or self._is_in(editor)
        is_empty = not self.all and not is_used
        self.query_one("#empty").display = is_empty
        self.query_one("#page").display = not is_empty
        self.query_one("#page").border_title = "New note" if editor.note_id is None else "Note"
        self.query_one(Strip).tell(editor, self.outlook)
        self.tell_status()
        useful = tuple(self.check_action(name, ()) for name in SOMETIMES)
        if useful != self._useful:
            self._useful = useful
            self.refresh_bindings()

    def tell_status(self) -> None:
        """The last line."""
        self.query_one(StatusLine).tell(self.outlook, len(self.all))

    def _is_in(self, editor: Editor) -> bool:
        return self.focused is not None and editor in self.focused.ancestors

    # ── going through the notes ────────────────────────────────────────────────────────────────
    @on(OptionList.OptionHighlighted)
    def open_note(self, event: OptionList.OptionHighlighted) -> None:
        editor = self.query_one(Editor)
        # While somebody writes, the list may move by itself: the page stays.
        if event.option_id is None or event.option_id == editor.note_id or self._is_in(editor):
            return
        self.action_save()
        with self.prevent(OptionList.OptionHighlighted):
            self.query_one(NoteList).choose(event.option_id)
        editor.load(notes.get(self.db, event.option_id))
        self.tell_all()

    @on(OptionList.OptionSelected)
    def to_editor(self) -> None:
        self.query_one(Editor).write()

    @on(Editor.Touched)
    def tell_touched(self) -> None:
        self.tell_all()

    @on(Editor.Left)
    def to_list(self) -> None:
        self.query_one(NoteList).focus()

    def on_descendant_focus(self) -> None:
        if self.focused is self.query_one(NoteList):
            self.action_save()
            self._reload()

    # ── editing ────────────────────────────────────────────────────────────────────────────────
    def action_new(self) -> None:
        """An empty page."""
        self.action_save()
        editor = self.query_one(Editor)
        editor.load(None)
        self.query_one("#empty").display = False
        self.query_one("#page").display = True
        editor.write()
        self.tell_all()

    def action_save(self) -> None:
        """Writes what was written."""
        editor = self.query_one(Editor)
        written = editor.written()
        if not written:
            return
        note = None if editor.note_id is None else notes.get(self.db, editor.note_id)
        if note is None:
            if editor.note_id is not None:
                self.notify("It was deleted at the server meanwhile: your text is a new note.", timeout=6)
            note_id = notes.add(self.db, **editor.fields())
        else:
            note_id = note.id
            notes.edit(self.db, note_id, written)
        editor.load(notes.get(self.db, note_id))
        self.refill()
        with self.prevent(OptionList.OptionHighlighted):
            self.query_one(NoteList).choose(note_id)

    def action_take_theirs(self) -> None:
        """Gives up what is being written for what a pull has brought meanwhile."""
        self.query_one(Editor).take_theirs()
        self.tell_all()

    def action_toggle_done(self) -> None:
        """Done, or to be done again."""
        if (note_id := self.query_one(NoteList).chosen) and (note := notes.get(self.db, note_id)):
            notes.edit(self.db, note_id, {"done": not note.done})
            self.refill()

    def action_delete(self) -> None:
        """Deletes the note, after a question."""
        if (note_id := self.query_one(NoteList).chosen) and (note := notes.get(self.db, note_id)):

            def decide(sure: bool | None) -> None:
                if sure:
                    notes.delete(self.db, note_id)
                    self.refill()
                    self._reload()

            self.app.push_screen(ConfirmScreen(f"Delete “{note.title or UNTITLED}”?"), decide)

    def _reload(self) -> None:
        """Shows the note at the cursor, where the editor holds another one, or an empty page."""
        editor, chosen = self.query_one(Editor), self.query_one(NoteList).chosen
        if not editor.written() and editor.note_id != chosen:
            editor.load(notes.get(self.db, chosen) if chosen else None)
        self.tell_all()

    # ── sync ───────────────────────────────────────────────────────────────────────────────────
    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Keys are shown where they have something to do."""
        if action == "save":
            return self.is_mounted and bool(self.query_one(Editor).written())
        if action == "questions":
            return bool(self.outlook.questions)
        if action == "letters":
            return bool(self.outlook.letters)
        if action == "take_theirs":
            return self.is_mounted and bool(self.query_one(Editor).moved)
        return True

    def action_questions(self) -> None:
        """Shows the oldest conflict."""
        self.action_save()
        if self.outlook.questions:
            question = self.outlook.questions[0]

            def decide(choice: Any) -> None:
                if choice != "later":
                    self.do(lambda: self.keeper.settle(question.note_id, choice))

            row = notes.get(self.db, question.note_id)
            mine = None if row is None else row._asdict()
            screen = ChoiceScreen(question._replace(mine=mine), more=len(self.outlook.questions) - 1)
            self.app.push_screen(screen, decide)

    def action_letters(self) -> None:
        """Shows what the server did not take."""
        self.action_save()
        if self.outlook.letters:
            self.app.push_screen(LettersScreen(self.db, self.keeper, self.outlook), lambda _: self._reload())

    def action_ask_now(self) -> None:
        """Asks for a push and a pull."""
        self.do(self.keeper.ask_now)

    def action_switch(self) -> None:
        """Leaves the network alone, or goes on."""
        self.do(lambda: self.keeper.switch(paused=self.outlook.link != "paused"))

    def do(self, work: Any) -> None:
        """Does what may wait for the database, in a thread."""
        self.app.do(work)  # type: ignore[attr-defined]

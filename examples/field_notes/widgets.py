"""The parts of the screens: the list of notes, the editor, and the line that says how all of it stands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from field_notes.keeper import Outlook, Standing
from field_notes.notes import Note
from field_notes.palette import FADED, FAINT, INK, LINKS, LOOKS, OCHRE, ago, key, moment_of

UNTITLED = "(no title)"


class NoteList(OptionList):
    """The notes, two lines each: what it is, and where, when, and how it stands."""

    BINDINGS = [
        Binding("enter", "select", "Edit"),
        Binding("space", "screen.toggle_done", "Done", key_display="␣"),
        Binding("delete,backspace", "screen.delete", "Delete", key_display="del"),
    ]

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._rows: list[_Row] = []

    def fill(self, notes: Iterable[Note], outlook: Outlook) -> None:
        """Shows these, and stays at the note where it is."""
        rows = [_Row(note, outlook.of(note.id), _when(note)) for note in notes]
        if rows == self._rows:
            return
        before, self._rows = self._rows, rows
        ids, chosen, place = [row.note.id for row in rows], self.chosen, self.highlighted
        if ids == [row.note.id for row in before]:
            for index, row in enumerate(rows):
                if row != before[index]:
                    self.replace_option_prompt_at_index(index, _drawn(row))
            return
        prompts = [Option(_drawn(row), id=row.note.id) for row in rows]
        with self.prevent(OptionList.OptionHighlighted):
            self.set_options(prompts)
            if chosen in ids:
                self.highlighted = ids.index(chosen)
            elif ids:
                self.highlighted = min(place or 0, len(ids) - 1)
        if self.chosen != chosen and self.highlighted is not None:
            self.post_message(self.OptionHighlighted(self, prompts[self.highlighted], self.highlighted))

    @property
    def chosen(self) -> str | None:
        """The id of the note that the cursor is at."""
        return None if self.highlighted is None else self.get_option_at_index(self.highlighted).id

    def choose(self, note_id: str) -> None:
        """Moves the cursor there."""
        self.highlighted = self.get_option_index(note_id)


class _Row(NamedTuple):
    """All that a row shows."""

    note: Note
    standing: Standing
    when: str


def _when(note: Note) -> str:
    return ago(moment_of(note.updated_at), coarse=True)


def _drawn(row: _Row) -> Group:
    note, look = row.note, LOOKS[row.standing.state]
    style = f"{FAINT} strike" if note.done else f"bold {INK}" if note.title.strip() else f"italic {FADED}"
    title = Text.assemble((f"{look.mark} ", look.colour), (note.title.strip() or UNTITLED, style))
    title.no_wrap, title.overflow = True, "ellipsis"
    where = Text("  ").append(note.place, FADED).append(" · " if note.place and not look.word else "", FAINT)
    if not look.word:
        where.append(row.when, FAINT)
    below = Table.grid(expand=True, padding=(0, 1, 0, 0), pad_edge=True)
    below.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    below.add_column(justify="right", no_wrap=True)
    below.add_row(where, Text(look.word, look.colour))
    return Group(title, below)


class Editor(Vertical):
    """One note's fields. Knows what was loaded, so that only what was written here is saved."""

    BINDINGS = [Binding("escape", "leave", "Back")]

    class Left(Message):
        """The writer goes back to the list."""

    class Touched(Message):
        """Something was written."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.note_id: str | None = None
        self.loaded = _fields(None)
        self.moved: dict[str, str] = {}
        """What a pull has brought for fields that are being written."""

    def compose(self) -> ComposeResult:
        with Horizontal(classes="field"):
            yield Static("Title", classes="label")
            yield Input(id="title", placeholder="What is there?", compact=True, select_on_focus=False)
        with Horizontal(classes="field"):
            yield Static("Place", classes="label")
            yield Input(id="place", placeholder="Where is it?", compact=True, select_on_focus=False)
        yield TextArea(id="body", placeholder="What should be remembered?", compact=True)

    # ── what it shows ──────────────────────────────────────────────────────────────────────────
    def load(self, note: Note | None) -> None:
        """Shows a note; None: an empty page for a new one."""
        self.note_id = None if note is None else note.id
        self.loaded, self.moved = _fields(note), {}
        self._put(self.loaded)

    def rebase(self, note: Note) -> None:
        """Takes in what a pull has changed, except where something is being written here."""
        written, before, fresh = self.written(), self.loaded, _fields(note)
        self.moved |= {name: fresh[name] for name in written if fresh[name] != before[name]}
        self.loaded = fresh
        self._put({name: value for name, value in fresh.items() if name not in written})

    def take_theirs(self) -> None:
        """Gives up what is being written there for what the pull has brought."""
        self._put(self.moved)
        self.moved = {}

    def written(self) -> dict[str, str]:
        """The fields that were changed here since they were loaded."""
        return {name: value for name, value in self.fields().items() if value != self.loaded[name]}

    def fields(self) -> dict[str, str]:
        """What it shows."""
        inputs = {name: self.query_one(f"#{name}", Input).value for name in ("title", "place")}
        return {**inputs, "body": self.query_one(TextArea).text}

    def write(self) -> None:
        """Puts the cursor behind the title."""
        title = self.query_one("#title", Input)
        title.focus()
        title.action_end()

    def _put(self, fields: dict[str, str]) -> None:
        for name, value in fields.items():
            if name == "body":
                area = self.query_one(TextArea)
                if area.text != value:
                    area.load_text(value)
            elif (line := self.query_one(f"#{name}", Input)).value != value:
                line.value = value

    # ── what is done to it ─────────────────────────────────────────────────────────────────────
    @on(Input.Submitted, "#title")
    def to_place(self) -> None:
        self.query_one("#place", Input).focus()

    @on(Input.Submitted, "#place")
    def to_body(self) -> None:
        self.query_one(TextArea).focus()

    @on(Input.Changed)
    @on(TextArea.Changed)
    def touched(self, event: Message) -> None:
        event.stop()
        self.post_message(self.Touched())

    def action_leave(self) -> None:
        self.post_message(self.Left())


def _fields(note: Note | None) -> dict[str, str]:
    if note is None:
        return {"title": "", "place": "", "body": ""}
    return {"title": note.title, "place": note.place, "body": note.body}


def shortened(text: str, most: int = 40) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


class Strip(Static):
    """How the note in the editor stands, and what can be done about it."""

    def tell(self, editor: Editor, outlook: Outlook) -> None:
        """Says it."""
        standing, moved = outlook.of(editor.note_id or ""), editor.moved
        look = LOOKS[standing.state]
        self.set_classes(f"strip {standing.state}")
        if moved:
            self.set_classes("strip conflict")
            theirs = ", ".join(f"{name} “{shortened(value)}”" for name, value in moved.items())
            text = Text.assemble(("⇄ Edited at the server while you write: ", "bold"), theirs)
            text.append(". Saved as you have it, unless ", FADED).append("F4", key("")[1])
            self.update(text.append(" takes theirs.", FADED))
            return
        if editor.written():
            self.set_classes("strip writing")
            told = (" saves it, and so does leaving the note.", FADED)
            self.update(Text.assemble(("✎ ", OCHRE), key("^s"), told))
            return
        if editor.note_id is None:
            self.set_classes("strip")
            self.update(Text("A new note. It is kept here from the moment you leave it.", FADED))
            return
        match standing.state:
            case "there":
                self.update(Text.assemble((f"{look.mark} ", look.colour), ("At the server.", FADED)))
            case "waiting":
                away = outlook.link != "connected"
                why = "It goes to the server when there is a network." if away else f"It {standing.why}."
                self.update(Text.assemble((f"{look.mark} Saved here. ", look.colour), (why, FADED)))
            case "rejected":
                said = (f"{look.mark} {standing.why}", f"bold {look.colour}")
                detail = f" {standing.detail}" if standing.detail else ""
                self.update(Text.assemble(said, (f"{detail} ", INK), key("F3"), (" mends it.", FADED)))
            case "conflict":
                said = (f"{look.mark} Edited here and there. ", f"bold {look.colour}")
                self.update(Text.assemble(said, key("F2"), (" chooses.", FADED)))


class StatusLine(Static):
    """Overall: the network, what is not at the server yet, and when it was last asked."""

    def tell(self, outlook: Outlook, count: int) -> None:
        """Says it."""
        look = LINKS.get(outlook.link, LINKS["failing"])
        since = f" since {outlook.since.astimezone():%H:%M}" if outlook.since else ""
        left = Text.assemble((f"{look.mark} {look.word}", f"bold {look.colour}"), (since, look.colour))
        for state in ("waiting", "rejected", "conflict"):
            if number := outlook.count(state):
                mark, colour, word = LOOKS[state]
                plural = "s" if state == "conflict" and number > 1 else ""
                left.append(f"   {mark} {number} {word}{plural}", colour)
        if not outlook.standings and count and outlook.last_pull:
            left.append("   everything is at the server", FADED)
        row = Table.grid(expand=True)
        row.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        row.add_column(justify="right", no_wrap=True)
        row.add_row(left, Text(f"last pull {ago(outlook.last_pull)}" if outlook.last_pull else "", FAINT))
        self.update(row)

"""What people are asked: which side of a conflict, what becomes of a rejected note, are they sure."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from typing import Any, Literal

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from field_notes import notes
from field_notes.keeper import Keeper, Letter, Outlook, Question, Side, contested
from field_notes.palette import FADED, FAINT, INK, LILAC, OCHRE, RUST, key
from field_notes.widgets import UNTITLED, Editor

Which = Literal["mine", "theirs"]
_POINTS = " \n.,;:!?()"
Choice = Mapping[str, Any] | Literal["mine", "theirs", "later"]


# ── a conflict ─────────────────────────────────────────────────────────────────────────────────────
class Line(Horizontal):
    """One field that both sides have changed: what it was, mine, theirs."""

    def __init__(self, name: str, question: Question) -> None:
        super().__init__(classes="line")
        self.field = name
        self.question = question
        self.which: Which | None = None

    def compose(self) -> ComposeResult:
        base, mine, theirs = self.question.base, self.question.mine, self.question.theirs
        yield Static(self.field.capitalize(), classes="label")
        yield Static(self._cell(base, absent="not there yet"), classes="cell base")
        yield Static(self._cell(mine, base), classes="cell mine")
        yield Static(self._cell(theirs, base), classes="cell theirs")

    def choose(self, which: Which) -> None:
        """Marks a side as the one to keep."""
        self.which = which
        for side in ("mine", "theirs"):
            cell = self.query_one(f".{side}")
            cell.set_class(side == which, "kept")
            cell.set_class(side != which, "dropped")

    def _cell(self, side: Side, base: Side = None, *, absent: str = "deleted") -> Text:
        if side is None:
            return Text(absent, f"italic {FAINT if absent != 'deleted' else RUST}")
        value = side.get(self.field)
        if self.field == "done":
            return Text("done" if value else "open")
        if not value:
            return Text("empty", f"italic {FAINT}")
        if base is None:
            return Text(str(value), FADED)
        return marked(str(value), str(base.get(self.field) or ""))


def marked(text: str, before: str) -> Text:
    """The text, with the words that were not there before in colour."""
    known = {""} | {word.strip(_POINTS) for word in before.split()}
    told = Text()
    for word in re.findall(r"\s+|\S+", text):
        told.append(word, "" if word.strip(_POINTS) in known else f"bold {OCHRE}")
    return told


class ChoiceScreen(ModalScreen[Choice]):
    """Base, mine and theirs beside each other; keys choose for each field."""

    BINDINGS = [
        Binding("up,k", "move(-1)", "Field", key_display="↑↓"),
        Binding("down,j", "move(1)", "Field", show=False),
        Binding("left", "choose('mine')", "Mine", key_display="←"),
        Binding("right", "choose('theirs')", "Theirs", key_display="→"),
        Binding("m", "all('mine')", "All mine"),
        Binding("t", "all('theirs')", "All theirs"),
        Binding("enter", "settle", "Keep this", key_display="⏎"),
        Binding("escape", "later", "Later", key_display="esc"),
    ]

    def __init__(self, question: Question, *, more: int = 0) -> None:
        super().__init__()
        self.question = question
        self.more = more
        self.place = 0
        self.is_whole = question.mine is None or question.theirs is None

    def compose(self) -> ComposeResult:
        question = self.question
        names = ["title"] if self.is_whole else contested(question)
        sides = (question.mine, question.base, question.theirs)
        title = next((side["title"] for side in sides if side and side.get("title")), UNTITLED)
        with Vertical(classes="card choice") as card:
            card.border_title = "Edited here and at the server"
            card.border_subtitle = f"{self.more} more after this" if self.more else None
            yield Static(Text.assemble(("⇄ ", LILAC), (title, "bold")), classes="about")
            with Horizontal(classes="line heads"):
                yield Static("", classes="label")
                yield Static("BEFORE", classes="cell")
                yield Static("← MINE", classes="cell")
                yield Static("THEIRS →", classes="cell")
            with VerticalScroll(can_focus=False):
                for name in names:
                    yield Line(name, question)
            yield Static(classes="hint")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.action_move(0)
        self.tell()

    @property
    def lines(self) -> list[Line]:
        return list(self.query(Line))

    def tell(self) -> None:
        """Says what is still to be chosen."""
        open_ones = [line.field for line in self.lines if line.which is None]
        hint = self.query_one(".hint", Static)
        if open_ones and len(self.lines) > 1:
            hint.update(Text(f"Choose a side for {', '.join(open_ones)}.", FADED))
        elif open_ones:
            hint.update(Text.assemble(key("←"), (" keeps mine, ", FADED), key("→"), (" theirs.", FADED)))
        else:
            hint.update(Text.assemble(key("⏎"), (" keeps what is marked, here and at the server.", FADED)))

    def action_move(self, step: int) -> None:
        self.place = min(max(self.place + step, 0), len(self.lines) - 1)
        for number, line in enumerate(self.lines):
            line.set_class(number == self.place and len(self.lines) > 1, "current")
        self.lines[self.place].scroll_visible()

    def action_choose(self, which: Which) -> None:
        self.lines[self.place].choose(which)
        self.tell()
        if any(line.which is None for line in self.lines[self.place + 1 :]):
            self.action_move(1)

    def action_all(self, which: Which) -> None:
        for line in self.lines:
            line.choose(which)
        self.tell()

    def action_settle(self) -> None:
        if any(line.which is None for line in self.lines):
            self.app.bell()
            return
        if self.is_whole:
            self.dismiss(self.lines[0].which or "later")
            return
        sides: dict[str, Side] = {"mine": self.question.mine, "theirs": self.question.theirs}
        chosen = {line.field: (sides[line.which or "mine"] or {})[line.field] for line in self.lines}
        # The answer is an edit, made now.
        self.dismiss({**chosen, "updated_at": notes.now()})

    def action_later(self) -> None:
        self.dismiss("later")


# ── what was not taken ─────────────────────────────────────────────────────────────────────────────
class LetterList(OptionList):
    """What was not taken."""

    BINDINGS = [Binding("enter", "select", "Mend it")]


class LettersScreen(Screen[None]):
    """Notes that the server did not take: its own words, the note to mend, and what else can be done."""

    BINDINGS = [
        Binding("ctrl+s", "mend", "Save, send again", key_display="^s"),
        Binding("r", "retry", "Send as it is"),
        Binding("v", "revert", "Take the server's"),
        Binding("escape", "back", "Back", key_display="esc"),
    ]

    def __init__(self, db: sqlite3.Connection, keeper: Keeper, outlook: Outlook) -> None:
        super().__init__()
        self.db = db
        self.keeper = keeper
        self.letters = {letter.note_id: letter for letter in outlook.letters}

    def compose(self) -> ComposeResult:
        yield Static(Text.assemble(("✕ ", RUST), ("Not taken by the server", "bold")), id="head")
        with Horizontal(id="desk"):
            with Vertical(id="shelf", classes="pane"):
                yield LetterList(id="letters")
            with Vertical(id="page", classes="pane"):
                yield Static(classes="strip rejected", id="said")
                yield Editor(id="editor")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one("#shelf").border_title = "Rejected"
        self.query_one("#page").border_title = "Mend it"
        self.refill()
        self.query_one(OptionList).focus()

    @property
    def letter(self) -> Letter | None:
        """The one that the cursor is at."""
        options = self.query_one(OptionList)
        if options.highlighted is None:
            return None
        return self.letters.get(options.get_option_at_index(options.highlighted).id or "")

    def show(self, outlook: Outlook) -> None:
        """Takes in how everything stands; ends where nothing is rejected any more."""
        self.letters = {letter.note_id: letter for letter in outlook.letters}
        if self.letters:
            self.refill()
        elif self.is_current:
            self.dismiss()

    def refill(self) -> None:
        options, before = self.query_one(OptionList), self.letter
        with self.prevent(OptionList.OptionHighlighted):
            options.set_options([Option(self._row(letter), id=one) for one, letter in self.letters.items()])
            ids = list(self.letters)
            options.highlighted = ids.index(before.note_id) if before and before.note_id in ids else 0
        self.open_letter()

    def _row(self, letter: Letter) -> Text:
        note = notes.get(self.db, letter.note_id)
        title = (note.title.strip() or UNTITLED) if note else "a deleted note"
        row = Text.assemble(("✕ ", RUST), (title, f"bold {INK}"), "\n  ", (letter.title, FADED))
        row.no_wrap, row.overflow = True, "ellipsis"
        return row

    @on(OptionList.OptionHighlighted)
    def open_letter(self) -> None:
        letter, editor = self.letter, self.query_one(Editor)
        if letter is None:
            return
        said = Text.assemble(("The server says  ", FAINT), (letter.title, f"bold {RUST}"))
        said.append(f"\n{letter.detail}" if letter.detail else "", INK)
        self.query_one("#said", Static).update(said)
        note = notes.get(self.db, letter.note_id)
        if editor.note_id != letter.note_id:
            self.action_save()
        if editor.note_id != letter.note_id or not editor.written():
            editor.load(note)
        editor.disabled = note is None

    @on(OptionList.OptionSelected)
    def to_editor(self) -> None:
        self.query_one(Editor).write()

    @on(Editor.Left)
    def to_list(self) -> None:
        self.query_one(OptionList).focus()

    # ── keys ───────────────────────────────────────────────────────────────────────────────────
    def action_mend(self) -> None:
        """A plain edit: what differs from what was rejected is sent anew by itself."""
        if self.query_one(Editor).written():
            self.action_save()
            self.query_one(OptionList).focus()
        else:
            self.notify("Nothing is changed yet. (r sends it again as it is.)", severity="warning")

    def action_save(self) -> None:
        """Writes what was written."""
        editor = self.query_one(Editor)
        if editor.note_id is not None and (written := editor.written()):
            notes.edit(self.db, editor.note_id, written)
            editor.load(notes.get(self.db, editor.note_id))

    def action_retry(self) -> None:
        if (letter := self.letter) is not None:
            self.app.do(lambda: self.keeper.retry(letter.note_id))  # type: ignore[attr-defined]

    def action_revert(self) -> None:
        if (letter := self.letter) is not None:
            self.app.do(lambda: self.keeper.revert(letter.note_id))  # type: ignore[attr-defined]

    def action_back(self) -> None:
        self.action_save()
        self.dismiss()


# ── are you sure ───────────────────────────────────────────────────────────────────────────────────
class ConfirmScreen(ModalScreen[bool]):
    """Yes or no."""

    BINDINGS = [Binding("y,enter", "answer(True)", "Yes"), Binding("n,escape", "answer(False)", "No")]

    def __init__(self, question: str) -> None:
        super().__init__()
        self.question = question

    def compose(self) -> ComposeResult:
        with Vertical(classes="card confirm"):
            yield Static(Text(self.question, "bold"))
            answers = Text.assemble(key("y"), (" yes   ", FADED), key("n"), (" no", FADED))
            yield Static(answers, classes="hint")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)

"""What waits in a synced table for a person: a conflict with all its sides, or what the remote rejected."""

from __future__ import annotations

from shlex import quote
from typing import Literal

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Static

from windlass.app import Windlass
from windlass.change import Key
from windlass.clock import from_us
from windlass.redact import clean, printable
from windlass.sync.handle import Resource
from windlass.sync.views import DeadLetter
from windlass.sync.words import key_text, read_columns
from windlass.terminal.columns import ColumnSheet
from windlass.terminal.dialogs import Prompt
from windlass.terminal.job import facts, json_text
from windlass.terminal.sides import Conflict, cell, compared
from windlass.terminal.view import Ask, Sheet
from windlass.terminal.words import when

Side = Literal["mine", "theirs"]
LOOKED_THROUGH = 1000
"""So much of what waits can be opened here at all."""


class LetterScreen(Sheet):
    """About one row of a synced table."""

    kind = ""

    def __init__(self, resource: str, key: Key) -> None:
        super().__init__()
        self._resource = resource
        self._key = key

    def compose(self) -> ComposeResult:
        title = Text(f"{self.kind}  {printable(self._resource)} {printable(key_text(self._key))}")
        yield Static(title, id="name")
        with VerticalScroll():
            yield Static(classes="facts")
        yield from self.bottom()

    @property
    def subject(self) -> str:
        """The row, as the audit log and commands name it."""
        return f"{self._resource} {key_text(self._key)}"

    def settled(self) -> None:
        """Says that it waits no longer."""
        self.query_one(".facts", Static).update(Text("it is settled: nothing waits here any more", "green"))


class ConflictSheet(LetterScreen):
    """A row that was edited here and there: a three-way comparison, and the choice."""

    kind = "conflict"
    BINDINGS = [
        Binding("m", "resolve('mine')", "Keep mine"),
        Binding("t", "resolve('theirs')", "Take theirs"),
        Binding("c", "columns", "Each column"),
    ]

    def __init__(self, resource: str, key: Key) -> None:
        super().__init__(resource, key)
        self._found: Conflict | None = None

    @property
    def command(self) -> str:
        """See ``View``."""
        return f"windlass sync resolve {quote(self._resource)} {quote(key_text(self._key))} mine|theirs"

    def ask(self) -> Ask:
        """See ``View``."""
        name, key = self._resource, self._key
        return lambda app: _conflict(app.sync[name], key)

    def show(self, found: Conflict | None) -> None:
        """See ``View``."""
        self._found = found
        if found is None:
            self.settled()
            return
        contested = [name for name, whose in found.whose.items() if whose == "contested"]
        head = Text.assemble(
            ("both sides have edited ", ""), (printable(", ".join(contested)) or "the row", "bold yellow"),
            (f", {found.raised}", "dim"),
        )  # fmt: skip
        foot = Text("What one side alone has changed is kept, whoever wins the rest.", "dim")
        self.query_one(".facts", Static).update(Group(head, Text(), compared(found), Text(), foot))

    def action_resolve(self, side: Side) -> None:
        """Settles it with one side, once that is said twice."""
        found = self._found
        if found is None:
            return
        name, key = self._resource, self._key

        def work(app: Windlass) -> str:
            app.sync[name].resolve(key, side, seen=found.sides)
            done = "yours is kept, and sent" if side == "mine" else "theirs is taken"
            return f"{name} {key_text(key)}: {done}"

        question = "Keep your side?" if side == "mine" else "Take the remote's side?"
        self.window.ask_first(question, found.loss(side), "sync.resolve", self.subject, work)

    def action_columns(self) -> None:
        """Opens the choice for each column, where more than whole sides can be told apart."""
        found = self._found
        if found is None:
            return
        if found.sides.mine is None or found.sides.theirs is None:
            self.window.notify("one side has deleted the row: keep mine, or take theirs", severity="warning")
            return
        self.window.open(ColumnSheet(self._resource, self._key))


class LetterSheet(LetterScreen):
    """A change that the remote rejected: what it said, and what may become of it."""

    kind = "dead letter"
    BINDINGS = [
        Binding("r", "retry", "Send again"),
        Binding("e", "edit", "Edit"),
        Binding("x", "discard", "Give up"),
        Binding("v", "revert", "Revert"),
    ]

    def __init__(self, resource: str, key: Key, seq: int) -> None:
        super().__init__(resource, key)
        self._seq = seq

    @property
    def command(self) -> str:
        """See ``View``."""
        return f"windlass sync retry {quote(self._resource)} {quote(key_text(self._key))}"

    def ask(self) -> Ask:
        """See ``View``."""
        name, key, seq = self._resource, self._key, self._seq
        return lambda app: _letter(app.sync[name], key, seq)

    def show(self, found: DeadLetter | None) -> None:
        """See ``View``."""
        if found is None:
            self.settled()
            return
        change, grid = found.change, facts()
        made = when(from_us(change.created_at_us))
        grid.add_row("change", Text(f"{printable(change.op)}, sent {change.attempts}×, made {made}"))
        grid.add_row("it said", Text(printable(clean(found.error)), "red"))
        if found.problem is not None:
            told = found.problem
            text = printable(clean(told)) if isinstance(told, str) else json_text(told)
            grid.add_row("its problem", Text(text, "red"))
        for name, value in change.data.items():
            grid.add_row(Text(printable(name)), cell(change.data, name) if value is not None else "NULL")
        self.query_one(".facts", Static).update(grid)

    def action_retry(self) -> None:
        """Sends it again as it is."""
        name, key = self._resource, self._key

        def work(app: Windlass) -> str:
            app.sync[name].retry(key)
            return f"{name} {key_text(key)} is sent again"

        self.window.do("sync.retry", self.subject, work)

    def action_edit(self) -> None:
        """Asks for a column's new value, and sends the row again with it."""
        name, key = self._resource, self._key

        def answered(text: str | None) -> None:
            if text:
                self.window.do("sync.edit", self.subject, lambda app: _edit(app.sync[name], key, text))

        self.window.push_screen(Prompt(f"Change a column of {self.subject}", "", "column=value"), answered)

    def action_discard(self) -> None:
        """Gives the change up, once that is said twice."""
        name, key = self._resource, self._key

        def work(app: Windlass) -> str:
            app.sync[name].discard(key)
            return f"{name} {key_text(key)}: the change is given up"

        loss = "The remote never gets this change. The row here stays as it is, until it is edited again."
        self.window.ask_first("Give this change up?", loss, "sync.discard", self.subject, work)

    def action_revert(self) -> None:
        """Puts the row back to what the remote has, once that is said twice."""
        name, key = self._resource, self._key

        def work(app: Windlass) -> str:
            app.sync[name].revert(key)
            return f"{name} {key_text(key)} is as the remote has it"

        loss = "Your edit is lost: the row here becomes what the remote has."
        self.window.ask_first("Put the row back?", loss, "sync.revert", self.subject, work)


def _conflict(resource: Resource, key: Key) -> Conflict | None:
    standing = resource.standing(key)
    sides = resource.sides(key).get(key)
    if standing.conflict is None or sides is None:
        return None
    return Conflict(sides, when(from_us(standing.conflict.raised_at_us)), resource.table().key)


def _letter(resource: Resource, key: Key, seq: int) -> DeadLetter | None:
    found = [one for one in resource.dead(LOOKED_THROUGH) if one.key == key]
    return next((one for one in found if one.change.seq == seq), found[0] if found else None)


def _edit(resource: Resource, key: Key, text: str) -> str:
    resource.edit(key, **read_columns(resource.table(), [text], []))
    return f"{resource.name} {key_text(key)} is changed, and sent again"

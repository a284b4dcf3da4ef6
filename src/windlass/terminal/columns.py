"""A conflict that is settled column by column: each gets one side's value, or one of your own."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any, Literal, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from windlass.app import Windlass
from windlass.change import Key
from windlass.redact import REDACTED, is_secret_name, printable
from windlass.sync.handle import Resource
from windlass.sync.sides import Sides
from windlass.sync.words import key_text, read_columns
from windlass.terminal.dialogs import Prompt
from windlass.terminal.listing import Column, Listing, Row
from windlass.terminal.sides import cell
from windlass.terminal.view import Ask, Line, Sheet

Side = Literal["base", "mine", "theirs"]
_SIDES: tuple[Side, ...] = ("base", "mine", "theirs")
_COLUMNS = (
    Column("column", 16),
    Column("becomes", weight=2),
    Column("base", least=72),
    Column("mine"),
    Column("theirs"),
)


class Own(NamedTuple):
    """A value that the person wrote."""

    text: str


Pick = Side | Own


class Contested(NamedTuple):
    """All sides of a row, and the columns that a person has to decide."""

    sides: Sides
    columns: tuple[str, ...]


class ColumnSheet(Sheet):
    """The contested columns of one row: a choice for each, and all of them settled at once."""

    BINDINGS = [
        Binding("m", "pick('mine')", "Mine"),
        Binding("t", "pick('theirs')", "Theirs"),
        Binding("b", "pick('base')", "As before"),
        Binding("e", "write", "Your own"),
        Binding("s", "settle", "Settle"),
    ]
    DEFAULT_CSS = "ColumnSheet #open { margin-bottom: 1; }"

    def __init__(self, resource: str, key: Key) -> None:
        super().__init__()
        self._resource = resource
        self._key = key
        self._found: Contested | None = None
        self._picks: dict[str, Pick] = {}

    def compose(self) -> ComposeResult:
        title = f"conflict, column by column  {self._resource} {key_text(self._key)}"
        yield Static(Text(printable(title)), id="name")
        yield Line(id="open")
        yield Listing(*_COLUMNS)
        yield from self.bottom()

    @property
    def command(self) -> str:
        """See ``View``."""
        return (
            f"windlass sync resolve {quote(self._resource)} {quote(key_text(self._key))} --set COLUMN=VALUE"
        )

    @property
    def subject(self) -> str:
        """The row, as the audit log and commands name it."""
        return f"{self._resource} {key_text(self._key)}"

    def ask(self) -> Ask:
        """See ``View``."""
        name, key = self._resource, self._key
        return lambda app: _contested(app.sync[name], key)

    def show(self, found: Contested | None) -> None:
        """See ``View``."""
        if found is not None and self._found is not None and found.sides != self._found.sides:
            self._picks.clear()
            self.window.notify(
                "the row was edited meanwhile, here or there: choose again", severity="warning"
            )
        self._found = found
        self._draw()

    def _draw(self) -> None:
        found, listing, line = self._found, self.query_one(Listing), self.query_one("#open", Line)
        listing.display = found is not None
        if found is None:
            line.say(Text("it is settled: nothing waits here any more", "green"))
            return
        left = sum(name not in self._picks for name in found.columns)
        said = (
            "every column is chosen: s settles it"
            if not left
            else f"{left} of {len(found.columns)} to choose"
        )
        line.say(Text(said, "green" if not left else "yellow"))
        listing.fill([self._row(found.sides, name) for name in found.columns])

    def _row(self, sides: Sides, name: str) -> Row:
        pick = self._picks.get(name)
        if isinstance(pick, Own):
            becomes = Text(REDACTED if is_secret_name(name) else printable(pick.text), "bold green")
        elif pick is None:
            becomes = Text("?", "bold yellow")
        else:
            becomes = cell(getattr(sides, pick), name)
            becomes.stylize("bold green")
        cells = [cell(side, name) for side in sides]
        return Row(name, (Text(printable(name), "bold"), becomes, *cells))

    def action_pick(self, side: Side) -> None:
        """Takes that side's value for the column under the cursor, and goes on to the next."""
        name, found = self.query_one(Listing).chosen, self._found
        if name is None or found is None:
            return
        row = getattr(found.sides, side)
        if row is None or name not in row:
            self.window.notify(f"{side} has no such value", severity="warning")
            return
        self._take(name, side)

    def action_write(self) -> None:
        """Asks for a value of one's own."""
        name = self.query_one(Listing).chosen
        if name is None:
            return

        def answered(text: str | None) -> None:
            if text is not None:
                self._take(name, Own(text))

        self.window.push_screen(Prompt(f"{name} becomes", "", "a value; bytes as base64"), answered)

    def _take(self, name: str, pick: Pick) -> None:
        self._picks[name] = pick
        self._draw()
        self.query_one(Listing).action_cursor_down()

    def action_settle(self) -> None:
        """Settles the conflict as chosen, once that is said twice."""
        found, picks = self._found, dict(self._picks)
        if found is None:
            return
        if any(name not in picks for name in found.columns):
            self.window.notify("some columns are not chosen yet", severity="warning")
            return
        name, key = self._resource, self._key

        def work(app: Windlass) -> str:
            one = app.sync[name]
            one.resolve(key, _values(one, found.sides, picks), seen=found.sides)
            return f"{name} {key_text(key)}: each column is as you chose, and sent"

        told = ", ".join(
            f"{one}: {'your own' if isinstance(pick, Own) else pick}" for one, pick in picks.items()
        )
        self.window.ask_first("Settle it like this?", told, "sync.resolve", self.subject, work)


def _contested(resource: Resource, key: Key) -> Contested | None:
    sides = resource.sides(key).get(key)
    if resource.standing(key).conflict is None or sides is None:
        return None
    whose = sides.columns(resource.table().key)
    return Contested(sides, tuple(name for name, one in whose.items() if one == "contested"))


def _values(resource: Resource, sides: Sides, picks: Mapping[str, Pick]) -> dict[str, Any]:
    own = [f"{name}={pick.text}" for name, pick in picks.items() if isinstance(pick, Own)]
    taken = {name: getattr(sides, pick)[name] for name, pick in picks.items() if not isinstance(pick, Own)}
    return taken | read_columns(resource.table(), own, [])

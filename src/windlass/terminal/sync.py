"""The tab of sync: how synced tables stand, and what waits in them for a person."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Literal, NamedTuple, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from windlass.app import Windlass
from windlass.change import Key
from windlass.clock import from_us
from windlass.errors import ConfigError, WindlassError
from windlass.redact import clean, printable
from windlass.sync.status import Status
from windlass.sync.views import DeadLetter, OpenConflict
from windlass.sync.words import key_text
from windlass.terminal.letters import LOOKED_THROUGH, ConflictSheet, LetterSheet
from windlass.terminal.listing import Column, Listing, Row
from windlass.terminal.view import Ask, Tab
from windlass.terminal.words import age, first_line

Kind = Literal["conflict", "dead", "quarantined", "pending"]
_STATES = {
    "idle": "green", "pushing": "cyan", "pulling": "cyan", "paused": "magenta", "offline": "yellow",
    "blocked": "yellow",
}  # fmt: skip
_KINDS: dict[Kind, str] = {"conflict": "yellow", "dead": "red", "quarantined": "red", "pending": "dim"}
_RESOURCES = (
    Column("resource", 18),
    Column("state", 13),
    Column("pending", 8, right=True),
    Column("conflicts", 9, right=True),
    Column("failed", 7, right=True),
    Column("pulled", 7, right=True, least=84),
    Column("pushed", 7, right=True, least=84),
    Column("last word"),
)
_LETTERS = (Column("what waits", 12), Column("key", 20), Column("age", 4, right=True), Column("why"))


class Letter(NamedTuple):
    """Something that waits in a resource."""

    kind: Kind
    key: Key
    seq: int
    since: datetime
    why: str
    whole: OpenConflict | DeadLetter | None = None

    @property
    def name(self) -> str:
        """Tells it from all others."""
        return f"{self.kind}:{self.seq}:{key_text(self.key)}"


class Found(NamedTuple):
    """The resources, and what waits in the chosen one."""

    resources: dict[str, Status | str]
    """By name; a text says why one cannot be synced."""
    chosen: str | None
    letters: list[Letter]
    undeclared: list[str]


class SyncTab(Tab):
    """The synced tables above, what waits in the chosen one below."""

    title = "Sync"
    BINDINGS = [
        Binding("s", "now", "Sync now"),
        Binding("p", "pause", "Pause or resume"),
        Binding("m", "more", "More"),
        Binding("tab", "other", "Other list", priority=True),
    ]
    DEFAULT_CSS = """
    SyncTab #note { padding: 0 1; height: auto; color: $text-muted; }
    SyncTab #resources { height: auto; max-height: 40%; margin-bottom: 1; }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._resources: dict[str, Status | str] = {}
        self._letters: dict[str, Letter] = {}
        self._shown: str | None = None
        self._most = 50

    def compose(self) -> ComposeResult:
        yield Static(id="note")
        yield Listing(*_RESOURCES, id="resources")
        yield Listing(*_LETTERS, id="letters")

    @property
    def command(self) -> str:
        """See ``View``."""
        return "windlass sync status" if self._shown is None else f"windlass sync status {self._shown}"

    def ask(self) -> Ask:
        """See ``View``."""
        chosen, most = self.query_one("#resources", Listing).chosen, self._most
        return lambda app: _read(app, chosen, most)

    def show(self, found: Found) -> None:
        """See ``View``."""
        self._resources, self._shown = found.resources, found.chosen
        self._letters = {letter.name: letter for letter in found.letters}
        note, said = self.query_one("#note", Static), _note(found)
        note.display = bool(said)
        note.update(Text(said))
        resources, letters = self.query_one("#resources", Listing), self.query_one("#letters", Listing)
        resources.display = letters.display = bool(found.resources)
        resources.fill([_resource(name, status) for name, status in found.resources.items()])
        letters.fill([_letter(letter) for letter in found.letters])

    def on_data_table_row_highlighted(self, event: Listing.RowHighlighted) -> None:
        if cast("Any", event).data_table.id == "resources" and event.row_key.value != self._shown:
            self.window.look()

    def on_data_table_row_selected(self, event: Listing.RowSelected) -> None:
        if cast("Any", event).data_table.id == "resources":
            self.query_one("#letters", Listing).focus()
            return
        letter = self._letters.get(event.row_key.value or "")
        if letter is None or self._shown is None:
            return
        if isinstance(letter.whole, OpenConflict):
            self.window.open(ConflictSheet(self._shown, letter.key))
        elif isinstance(letter.whole, DeadLetter):
            self.window.open(LetterSheet(self._shown, letter.key, letter.seq))
        else:
            said = f"{self._shown} {key_text(letter.key)}: {letter.why}"
            self.window.notify(printable(clean(said)), markup=False)

    def action_other(self) -> None:
        """From the tables to what waits in one, and back."""
        resources, letters = self.query_one("#resources", Listing), self.query_one("#letters", Listing)
        (letters if resources.has_focus else resources).focus()

    def action_more(self) -> None:
        """Shows more of what waits."""
        self._most = min(self._most + 100, LOOKED_THROUGH)
        self.window.look()

    def action_now(self) -> None:
        """Pushes and pulls the chosen table at once."""
        name = self._shown
        if name is not None:
            self.window.do("sync.now", name, lambda app: _now(app, name))

    def action_pause(self) -> None:
        """Pauses the chosen table, or resumes it."""
        name = self._shown
        status = None if name is None else self._resources.get(name)
        if name is None or not isinstance(status, Status):
            return
        paused = status.state == "paused"

        def work(app: Windlass) -> str:
            resource = app.sync[name]
            (resource.resume if paused else resource.pause)()
            return f"{name} {'goes on' if paused else 'is paused: edits are still captured'}"

        self.window.do("sync.resume" if paused else "sync.pause", name, work)


def _now(app: Windlass, name: str) -> str:
    app.sync[name].now()
    return f"{name} is pushed and pulled"


def _read(app: Windlass, chosen: str | None, most: int) -> Found:
    resources: dict[str, Status | str] = {}
    for name in sorted(one.name for one in app.sync):
        try:
            resources[name] = app.sync[name].status()
        except ConfigError as error:
            resources[name] = str(error)
    if chosen not in resources:
        chosen = next(iter(resources), None)
    letters = [] if chosen is None or isinstance(resources[chosen], str) else _waiting(app, chosen, most)
    try:
        undeclared = app.sync.undeclared()
    except WindlassError:
        undeclared = []
    return Found(resources, chosen, letters, undeclared)


def _waiting(app: Windlass, name: str, most: int) -> list[Letter]:
    one = app.sync[name]
    found = [
        Letter("conflict", each.key, 0, from_us(each.conflict.raised_at_us), _fields(each), each)
        for each in one.conflicts(most)
    ]
    found += [
        Letter("dead", each.key, each.change.seq, from_us(each.change.created_at_us), each.error, each)
        for each in one.dead(most)
    ]
    found += [
        Letter("quarantined", each.remote_id, 0, from_us(each.seen_at_us), each.reason)
        for each in one.quarantine(most)
    ]
    return found + [
        Letter("pending", each.key, each.change.seq, from_us(each.change.created_at_us), each.why)
        for each in one.pending(most)
    ]


def _note(found: Found) -> str:
    if not found.resources:
        return "nothing is synced: app.sync.resource(…) declares a table, --app names the program"
    said: list[str] = []
    if found.undeclared:
        said.append(f"not declared by this program: {', '.join(map(printable, found.undeclared))}")
    status = found.resources.get(found.chosen or "")
    if isinstance(status, Status):
        there = Counter(letter.kind for letter in found.letters)
        waits: dict[Kind, int] = {
            "conflict": status.conflicts, "dead": status.failed,
            "quarantined": status.quarantined, "pending": status.pending,
        }  # fmt: skip
        said += [
            f"{kind}: the oldest {there[kind]:,} of {all_:,}"
            for kind, all_ in waits.items()
            if all_ > there[kind]
        ]
    return "   ".join(said)


def _fields(each: OpenConflict) -> str:
    if each.conflict.mine is None or each.conflict.theirs is None:
        return "deleted here, edited there" if each.conflict.mine is None else "edited here, deleted there"
    return f"edited here and there: {', '.join(each.fields)}"


def _resource(name: str, status: Status | str) -> Row:
    label = Text(printable(name), "bold")
    if isinstance(status, str):
        return Row(name, (label, Text("broken", "red"), "", "", "", "", "", Text(first_line(status), "red")))
    said = status.sweep_refused or status.reason or status.last_error or ""
    style = "yellow" if status.sweep_refused else "red"
    return Row(
        name,
        (
            label,
            Text(status.state, _STATES.get(status.state, "red")),
            _count(status.pending, "yellow"),
            _count(status.conflicts, "yellow"),
            _count(status.failed, "red"),
            _moment(status.last_pull),
            _moment(status.last_push),
            Text(first_line(clean(said)), style),
        ),
    )


def _letter(letter: Letter) -> Row:
    return Row(
        letter.name,
        (
            Text(letter.kind, _KINDS[letter.kind]),
            Text(printable(key_text(letter.key))),
            Text(age(letter.since), "dim"),
            Text(first_line(clean(letter.why))),
        ),
    )


def _count(number: int, style: str) -> Text:
    return Text(f"{number:,}", style if number else "dim")


def _moment(moment: Any) -> Text:
    return Text("never" if moment is None else age(moment), "dim")

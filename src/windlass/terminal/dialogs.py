"""What is asked before something is lost, a line to write, and the keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from rich.table import Table
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from windlass.redact import printable

_ELSEWHERE = (
    "app.focus", "screen.", "tab(", "next_tab", "quit", "help", "toggle", "leave",
    "select_cursor", "cursor_", "page_", "scroll_",
)  # fmt: skip
_EVERYWHERE = (
    ("", ""),
    ("1 … 6", "The tabs; [ and ] go to the one before and after"),
    ("↑ ↓  j k", "Up and down; home: to the newest, and stay there"),
    ("enter  esc", "Open, and back"),
    ("d", "Dark or light"),
    ("?  q", "The keys; leave"),
)
_BOX = """
    {name} {{ align: center middle; background: $background 60%; }}
    {name} > #box {{
        width: 64; max-width: 94%; height: auto; max-height: 90%;
        padding: 1 2; background: $surface; border: round $primary;
    }}
    {name} .answers {{ margin-top: 1; color: $text-muted; height: auto; }}
"""


class Confirm(ModalScreen[bool]):
    """Yes or no, with what is lost by yes."""

    BINDINGS = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]
    DEFAULT_CSS = _BOX.format(name="Confirm")

    def __init__(self, question: str, loss: str) -> None:
        super().__init__()
        self._question = question
        self._loss = loss

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Text(printable(self._question), "bold"), id="question")
            if self._loss:
                yield Static(Text(printable(self._loss)), id="loss")
            yield Static(Text.assemble(("y", "bold"), " yes    ", ("n", "bold"), " no"), classes="answers")

    def action_answer(self, yes: bool) -> None:
        """Ends it."""
        self.dismiss(yes)


class Prompt(ModalScreen[str | None]):
    """A line to write; None where the person left it."""

    BINDINGS = [Binding("escape", "leave", "Leave")]
    DEFAULT_CSS = _BOX.format(name="Prompt") + "Prompt Input { margin-top: 1; }"

    def __init__(self, question: str, value: str, placeholder: str) -> None:
        super().__init__()
        self._question = question
        self._value = value
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Text(printable(self._question), "bold"))
            yield Input(self._value, placeholder=self._placeholder, compact=True)
            yield Static(
                Text.assemble(("enter", "bold"), " do it    ", ("esc", "bold"), " leave"), classes="answers"
            )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())

    def action_leave(self) -> None:
        """Ends it without an answer."""
        self.dismiss(None)


class KeyHelp(ModalScreen[None]):
    """The keys of what is on show."""

    BINDINGS = [Binding("escape,q,question_mark", "leave", "Back")]
    DEFAULT_CSS = _BOX.format(name="KeyHelp")

    def __init__(self, keys: Mapping[str, ActiveBinding]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="box"):
            yield Static(self._table())
            yield Static(Text.assemble(("esc", "bold"), " back"), classes="answers")

    def action_leave(self) -> None:
        """Ends it."""
        self.dismiss(None)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="bold", no_wrap=True)
        table.add_column()
        window, told = cast("App[None]", cast("Any", self).app), set[str]()
        for active in self._keys.values():
            binding = active.binding
            if not binding.description or binding.action in told or binding.action.startswith(_ELSEWHERE):
                continue
            told.add(binding.action)
            table.add_row(window.get_key_display(binding), binding.description)
        for key, does in _EVERYWHERE:
            table.add_row(key, does)
        return table

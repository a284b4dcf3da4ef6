"""The tab of queues: what waits and runs in each, and the switches."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from windlass.app import Windlass
from windlass.errors import InvalidJob
from windlass.redact import printable
from windlass.store.protocol import QueueState
from windlass.terminal.dialogs import Prompt
from windlass.terminal.filtering import Wanted
from windlass.terminal.listing import Column, Listing, Row
from windlass.terminal.view import Ask, Tab

_COLUMNS = (
    Column("queue"),
    Column("ready", 8, right=True),
    Column("scheduled", 9, right=True),
    Column("held", 6, right=True),
    Column("running", 7, right=True),
    Column("at once", 7, right=True, least=66),
    Column("rate", 7, right=True, least=74),
    Column("state", 6),
)


class QueuesTab(Tab):
    """The queues that hold jobs, or are paused or limited."""

    title = "Queues"
    BINDINGS = [
        Binding("p", "pause", "Pause or resume"),
        Binding("c", "limit", "At once"),
        Binding("v", "rate", "Rate"),
    ]
    DEFAULT_CSS = "QueuesTab #empty { padding: 0 1; height: auto; color: $text-muted; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._queues: dict[str, QueueState] = {}

    def compose(self) -> ComposeResult:
        yield Static("no queue holds jobs, or is paused or limited", id="empty")
        yield Listing(*_COLUMNS)

    @property
    def command(self) -> str:
        """See ``View``."""
        return "windlass queues list"

    def ask(self) -> Ask:
        """See ``View``."""
        return lambda app: app.queues.list()

    def show(self, found: list[QueueState]) -> None:
        """See ``View``."""
        self._queues = {state.queue: state for state in found}
        self.query_one("#empty").display = not found
        self.query_one(Listing).fill([_row(state) for state in found])

    def on_data_table_row_selected(self, event: Listing.RowSelected) -> None:
        if event.row_key.value is not None:
            self.window.show_jobs(Wanted(queue=event.row_key.value))

    def action_pause(self) -> None:
        """Pauses the queue under the cursor, or resumes it."""
        state = self._chosen()
        if state is None:
            return
        name, paused = state.queue, state.paused

        def work(app: Windlass) -> str:
            (app.queues.resume if paused else app.queues.pause)(name)
            return f"queue {name} {'goes on' if paused else 'is paused: what runs goes on'}"

        self.window.do("queues.resume" if paused else "queues.pause", name, work)

    def action_limit(self) -> None:
        """Asks how many of its jobs may run at once."""
        state = self._chosen()
        if state is not None:
            now = "" if state.concurrency is None else str(state.concurrency)
            self._prompt(state.queue, f"How many jobs of {state.queue} at once?", now, "any", self._at_once)

    def action_rate(self) -> None:
        """Asks how many of its jobs may start in a span."""
        state = self._chosen()
        if state is not None:
            question = f"How many jobs of {state.queue} may start?"
            self._prompt(state.queue, question, state.rate or "", "any, or such as 50/s", self._rate)

    def _at_once(self, text: str) -> dict[str, Any]:
        if text and not text.isdecimal():
            raise InvalidJob(f"expected a number of jobs, got {text!r:.80}")
        return {"concurrency": int(text) if text else None, "rate": UNSET}

    def _rate(self, text: str) -> dict[str, Any]:
        return {"concurrency": UNSET, "rate": text or None}

    def _prompt(self, name: str, question: str, now: str, otherwise: str, read: Any) -> None:
        def answered(text: str | None) -> None:
            if text is not None:
                self.window.do("queues.limits", name, lambda app: self._limited(app, name, read(text)))

        self.window.push_screen(Prompt(question, now, otherwise), answered)

    def _limited(self, app: Windlass, name: str, limits: dict[str, Any]) -> str:
        app.queues.limit(name, **limits)
        return f"queue {name}: the limit is set"

    def _chosen(self) -> QueueState | None:
        chosen = self.query_one(Listing).chosen
        return None if chosen is None else self._queues.get(chosen)


def _row(state: QueueState) -> Row:
    running = Text(f"{state.running:,}", "cyan" if state.running else "dim")
    return Row(
        state.queue,
        (
            Text(printable(state.queue), "bold"),
            *(Text(f"{count:,}", "" if count else "dim") for count in (state.ready, state.scheduled)),
            Text(f"{state.held:,}", "yellow" if state.held else "dim"),
            running,
            "any" if state.concurrency is None else f"{state.concurrency:,}",
            state.rate or "any",
            Text("paused", "yellow") if state.paused else Text("open", "dim"),
        ),
    )

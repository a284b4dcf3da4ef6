"""The tab of the service: whether it runs, its dispatchers, and the end of its log."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Static

from windlass.app import Windlass
from windlass.clock import from_us
from windlass.errors import InvalidJob
from windlass.living import is_alive
from windlass.redact import clean, printable
from windlass.service.log import LOG
from windlass.service.process import ServiceStatus
from windlass.store.hosts import DispatcherRow
from windlass.terminal.dialogs import Prompt
from windlass.terminal.job import facts
from windlass.terminal.listing import Column, Listing, Row
from windlass.terminal.view import Ask, Tab
from windlass.terminal.words import when

_LINES = 100
_BYTES = 32 << 10
_RUNNING_MOST = 5000
_COLUMNS = (
    Column("dispatcher", 10, right=True),
    Column("pid", 8, right=True),
    Column("mode", 10),
    Column("running", 8, right=True),
    Column("state", 8),
    Column("since", 20),
    Column("host"),
)


class Found(NamedTuple):
    """The service and everyone else who runs jobs."""

    status: ServiceStatus | None
    dispatchers: list[tuple[DispatcherRow, bool, int]]
    """Each with whether it lives, and how many jobs it runs."""
    log: list[str]


class ServiceTab(Tab):
    """The background service."""

    title = "Service"
    BINDINGS = [
        Binding("s", "switch", "Start or stop"),
        Binding("R", "restart", "Restart"),
        Binding("i", "scale", "Processes"),
    ]
    DEFAULT_CSS = """
    ServiceTab .facts { height: auto; padding: 0 1; margin-bottom: 1; }
    ServiceTab Listing { height: auto; max-height: 40%; }
    ServiceTab VerticalScroll { height: 1fr; padding: 0 1; margin-top: 1; }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._status: ServiceStatus | None = None

    def compose(self) -> ComposeResult:
        yield Static(classes="facts")
        yield Listing(*_COLUMNS)
        with VerticalScroll(can_focus=False):
            yield Static(id="log")

    @property
    def command(self) -> str:
        """See ``View``."""
        return "windlass status"

    def ask(self) -> Ask:
        """See ``View``."""
        return _read

    def show(self, found: Found) -> None:
        """See ``View``."""
        self._status = status = found.status
        grid = facts()
        if status is None:
            grid.add_row("service", Text("○ not running", "yellow"))
        else:
            grid.add_row(
                "service", Text(f"● {status.state}", "green" if status.state == "ready" else "yellow")
            )
            grid.add_row("process", f"{status.pid or '?'}, dispatcher {status.dispatcher or '?'}")
            grid.add_row("restarts", Text(f"{status.restarts}", "yellow" if status.restarts else ""))
            if status.last_error:
                grid.add_row("last error", Text(printable(clean(status.last_error)), "red"))
        self.query_one(".facts", Static).update(grid)
        self.query_one(Listing).fill([_row(*one) for one in found.dispatchers])
        self.query_one(Listing).display = bool(found.dispatchers)
        scroll = self.query_one(VerticalScroll)
        at_end = scroll.scroll_y >= scroll.max_scroll_y - 1
        lines = Text("\n").join(Text(printable(line)) for line in found.log)
        log = Group(Text("log", "bold"), lines if found.log else Text("there is none yet", "dim"))
        self.query_one("#log", Static).update(log)
        if at_end:
            scroll.scroll_end(animate=False)

    def grow_older(self, found: Found) -> None:
        """See ``View``."""
        self.query_one(Listing).fill([_row(*one) for one in found.dispatchers])

    def action_switch(self) -> None:
        """Starts the service; stops it once that is said twice."""
        if self._status is None:
            self.window.do("service.start", None, _start)
            return

        def work(app: Windlass) -> str:
            return "the service has stopped" if app.service.stop() else "no service was running"

        loss = "Running jobs get its grace period; then they go back, and run again when it starts."
        self.window.ask_first("Stop the service?", loss, "service.stop", None, work)

    def action_restart(self) -> None:
        """Has it load its program anew, once that is said twice."""

        def work(app: Windlass) -> str:
            app.service.restart()
            return "the service is ready again"

        loss = "It loads its program anew. Running jobs get its grace period first."
        self.window.ask_first("Restart the service?", loss, "service.restart", None, work)

    def action_scale(self) -> None:
        """Asks in how many processes jobs are to run."""

        def answered(text: str | None) -> None:
            if text:
                self.window.do("service.scale", text, lambda app: _scale(app, text))

        self.window.push_screen(Prompt("Run jobs in how many processes?", "", "such as 4"), answered)


def _start(app: Windlass) -> str:
    return f"the service runs: process {app.service.start()}"


def _scale(app: Windlass, text: str) -> str:
    if not text.isdecimal():
        raise InvalidJob(f"expected a number of processes, got {text!r:.80}")
    app.service.scale(int(text))
    return f"jobs run in {text} processes from now on"


def _read(app: Windlass) -> Found:
    leases = app.store.leases(limit=_RUNNING_MOST)
    running = Counter(lease.owner for lease in leases)
    rows = [(row, is_alive(row), running[row.id]) for row in app.store.dispatchers()]
    return Found(
        app.service.status(), sorted(rows, key=lambda one: (not one[1], one[0].id)), _tail(app.service.folder)
    )


def _tail(folder: str) -> list[str]:
    try:
        with Path(folder, LOG).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _BYTES, 0))
            told = file.read().decode(errors="replace")
    except OSError:
        return []
    return [clean(line) for line in told.splitlines()[-_LINES:]]


def _row(row: DispatcherRow, alive: bool, running: int) -> Row:
    return Row(
        str(row.id),
        (
            str(row.id),
            str(row.pid),
            row.mode,
            Text(f"{running:,}", "cyan" if running else "dim"),
            Text("lives", "green") if alive else Text("ended", "dim"),
            Text(when(from_us(row.started_at_us)), "dim"),
            Text(printable(row.host), "dim"),
        ),
    )

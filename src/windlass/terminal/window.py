"""The window: the tabs, what is on top of them, and what a person asks to be done."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widgets import ContentSwitcher, Footer, Static

from windlass.app import Windlass
from windlass.errors import WindlassError
from windlass.living import live_dispatchers
from windlass.redact import message_of, printable
from windlass.terminal.dialogs import Confirm, KeyHelp
from windlass.terminal.filtering import Wanted
from windlass.terminal.jobs import JobsTab
from windlass.terminal.overview import OverviewTab
from windlass.terminal.palette import ANSI_DARK, ANSI_LIGHT, DARK, LIGHT
from windlass.terminal.pulse import Pulse
from windlass.terminal.queues import QueuesTab
from windlass.terminal.schedules import SchedulesTab
from windlass.terminal.service import ServiceTab
from windlass.terminal.storage import StorageTab
from windlass.terminal.sync import SyncTab
from windlass.terminal.view import Line, Sheet, Tab, View, hint

TICK_S = 1.0
"""So often what is known is drawn again: "3s ago" grows older."""
SHEET_TICKS = 10
"""A sheet is laid out anew for that: only with each tenth tick."""


class Standing(NamedTuple):
    """What the top line says beside the tabs."""

    dispatchers: tuple[str, ...]


class Window(App[None]):
    """``windlass watch``, in a terminal."""

    TITLE = "windlass"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #top { background: $panel; }
    #tabs { margin: 1 0; }
    #body { height: 1fr; }
    #hint { color: $text-muted; }
    #trouble { height: auto; padding: 0 1; background: $error; color: $background; display: none; }
    Footer { background: $panel; }
    """
    BINDINGS = [
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        Binding("question_mark", "help", "Keys", key_display="?"),
        Binding("d", "toggle_dark", "Dark or light", show=False),
        *(Binding(str(number), f"tab({number})", f"Tab {number}", show=False) for number in range(1, 8)),
        Binding("right_square_bracket", "next_tab(1)", "Next tab", show=False, key_display="]"),
        Binding("left_square_bracket", "next_tab(-1)", "Tab before", show=False, key_display="["),
    ]

    def __init__(self, opened: Windlass, *, wanted: Wanted | None = None, note: str | None = None) -> None:
        super().__init__()
        self.opened = opened
        self._note = note
        self._views: tuple[Tab, ...] = (
            OverviewTab(id="overview"),
            JobsTab(wanted or Wanted(), id="jobs"),
            QueuesTab(id="queues"),
            SchedulesTab(id="schedules"),
            SyncTab(id="sync"),
            ServiceTab(id="service"),
            StorageTab(id="storage"),
        )
        self._first = "jobs" if wanted else "overview"
        self.pulse = Pulse(opened, look=self._look)
        self._hands = ThreadPoolExecutor(2, thread_name_prefix="windlass-do")
        self._beat: asyncio.Task[None] | None = None
        self._works: set[asyncio.Task[None]] = set()
        self._found: tuple[View, Any] | None = None
        self._ticks = 0
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.ansi_theme_dark, self.ansi_theme_light = ANSI_DARK, ANSI_LIGHT
        self.theme = DARK.name

    # ── what it is made of ─────────────────────────────────────────────────────────────────────
    def compose(self) -> ComposeResult:
        yield Line(id="top")
        yield Line(id="tabs")
        yield Static(id="trouble")
        with ContentSwitcher(initial=self._first, id="body"):
            yield from self._views
        yield Line(id="hint")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self._draw_top(None)
        self._draw_frame()
        self._beat = asyncio.create_task(self.pulse.beat(self.tell_trouble))
        self.set_interval(TICK_S, self._tick)
        if self._note:
            self.notify(printable(self._note), severity="warning", timeout=10, markup=False)

    async def on_unmount(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
            with suppress(asyncio.CancelledError):  # as was asked
                await self._beat
        self._hands.shutdown(wait=True)
        self.pulse.close()

    @property
    def current(self) -> View:
        """What is on show, below any question."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, Sheet):
                return screen
        chosen = self.screen_stack[0].query_one("#body", ContentSwitcher).current
        return next(view for view in self._views if view.id == chosen)

    # ── looking ────────────────────────────────────────────────────────────────────────────────
    def look(self) -> None:
        """Looks as soon as it can."""
        self.pulse.want()

    @property
    def _is_up(self) -> bool:
        """There is something to draw on; no longer once it leaves, which may happen while it reads."""
        return self.is_running and bool(self.screen_stack) and bool(self.screen_stack[0].query("#top"))

    async def _look(self) -> None:
        if not self._is_up:
            return
        view, opened = self.current, self.opened
        ask = view.ask()

        def read() -> tuple[Any, Standing]:
            return ask(opened), _standing(opened)

        found, standing = await self.pulse.read(read)
        if not self._is_up:
            return
        self._draw_top(standing)
        if view is self.current:
            self._found = view, found
            view.show(found)
            self._draw_frame()
            if isinstance(view, Tab) and self.screen is self.screen_stack[0]:
                view.settle_focus()
        else:
            self.look()

    def tell_trouble(self, trouble: str | None) -> None:
        """Says why nothing can be read, or no longer."""
        if not self._is_up:
            return
        line = self.screen_stack[0].query_one("#trouble", Static)
        if trouble is not None:
            line.update(Text(printable(trouble)))
        line.display = trouble is not None

    def _tick(self) -> None:
        if self._found is not None and self._found[0] is self.current and self.is_running:
            view, found = self._found
            self._ticks += 1
            if isinstance(view, Tab) or self._ticks % SHEET_TICKS == 0:
                view.grow_older(found)

    def _draw_top(self, standing: Standing | None) -> None:
        opened = self.opened
        line = Text()
        line.append(printable(opened.settings.title or opened.place.title), "bold")
        if standing is not None:
            if standing.dispatchers:
                line.append("   ● ", "green").append(", ".join(standing.dispatchers))
            else:
                line.append("   ○ ", "yellow").append("no service is running", "yellow")
        self.screen_stack[0].query_one("#top", Line).say(line)

    def _draw_frame(self) -> None:
        bottom = self.screen_stack[0]
        chosen = bottom.query_one("#body", ContentSwitcher).current
        line = Text()
        for number, view in enumerate(self._views, 1):
            style = "bold reverse" if view.id == chosen else ""
            line.append(f" {number} {view.title} ", style).append(" ")
        bottom.query_one("#tabs", Line).say(line)
        top = self.screen
        if top.query("#hint"):
            top.query_one("#hint", Line).say(hint(self.current.command))

    # ── moving ─────────────────────────────────────────────────────────────────────────────────
    def action_tab(self, number: int) -> None:
        """Shows the tab of that number."""
        if len(self.screen_stack) > 1:
            return
        self.query_one("#body", ContentSwitcher).current = self._views[number - 1].id
        self._views[number - 1].settle_focus()
        self._draw_frame()
        self.look()

    def action_next_tab(self, step: int) -> None:
        """Shows the tab after this one, or before it."""
        chosen = self.query_one("#body", ContentSwitcher).current
        place = next(at for at, view in enumerate(self._views) if view.id == chosen)
        self.action_tab((place + step) % len(self._views) + 1)

    def open(self, sheet: Sheet) -> None:
        """Shows all there is to know of one thing; Escape leads back."""
        self.push_screen(sheet, lambda _: self.look())
        self.look()

    def show_jobs(self, wanted: Wanted) -> None:
        """Shows the jobs that match."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        view = next(one for one in self._views if isinstance(one, JobsTab))
        view.narrow(wanted)
        self.action_tab(self._views.index(view) + 1)

    def action_help(self) -> None:
        """Shows the keys of what is on show."""
        if not isinstance(self.screen, KeyHelp):
            self.push_screen(KeyHelp(self.screen.active_bindings))

    def action_toggle_dark(self) -> None:
        """From dark to light, and back."""
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name

    async def action_quit(self) -> None:
        """Leaves; what is under way is finished first."""
        self.exit()

    # ── doing ──────────────────────────────────────────────────────────────────────────────────
    def do(self, action: str, subject: str | None, work: Callable[[Windlass], str]) -> None:
        """Does it in a thread, says what came of it, writes it to the audit log, and looks again.

        ``action`` is a word such as ``jobs.retry``. ``work`` returns the sentence to be shown.
        """
        task = asyncio.create_task(self._done(action, subject, work))
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    def ask_first(
        self, question: str, loss: str, action: str, subject: str | None, work: Callable[[Windlass], str]
    ) -> None:
        """The same, once the person has said yes to what is lost by it."""

        def answered(yes: bool | None) -> None:
            if yes:
                self.do(action, subject, work)

        self.push_screen(Confirm(question, loss), answered)

    async def _done(self, action: str, subject: str | None, work: Callable[[Windlass], str]) -> None:
        opened = self.opened

        def run() -> tuple[str, bool]:
            try:
                said, outcome = work(opened), "ok"
            except WindlassError as error:
                said, outcome = message_of(error), type(error).__name__
            with suppress(WindlassError):  # it was done all the same
                opened.audit.record(who=_who(), action=action, subject=subject, outcome=outcome)
            return said, outcome == "ok"

        said, good = await asyncio.get_running_loop().run_in_executor(self._hands, run)
        self.notify(printable(said), severity="information" if good else "error", markup=False)
        self.look()


def _standing(opened: Windlass) -> Standing:
    return Standing(tuple(f"{row.mode} {row.pid}" for row in live_dispatchers(opened.store)))


def _who() -> str:
    try:
        return f"terminal:{getpass.getuser()}"
    except (OSError, KeyError):  # no such user, as in a container
        return "terminal"

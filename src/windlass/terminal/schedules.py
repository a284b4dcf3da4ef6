"""The tab of schedules: what makes jobs by itself, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Static

from windlass.app import Windlass
from windlass.clock import from_us
from windlass.errors import InvalidJob
from windlass.job import Job
from windlass.redact import clean, printable
from windlass.schedules import DueTime, Schedule
from windlass.terminal.job import JobSheet, facts, json_text
from windlass.terminal.listing import Column, Listing, Row
from windlass.terminal.view import Ask, Sheet, Tab
from windlass.terminal.words import STYLES, age, sparks, status_text, took, when

_RUNS = 12
_TIMES = 8
_MISSED = {"latest": "one run for all", "skip": "none", "all": "a run for each"}
_COLUMNS = (
    Column("schedule"),
    Column("when", least=76),
    Column("next", 21),
    Column("last", 7, right=True),
    Column("last runs", _RUNS, least=90),
    Column("state", 8),
)


class Line(NamedTuple):
    """A schedule, and its last runs, newest first."""

    schedule: Schedule
    runs: list[Job]


class SchedulesTab(Tab):
    """The schedules, by name."""

    title = "Schedules"
    BINDINGS = [Binding("p", "pause", "Pause or resume"), Binding("n", "run_now", "Run now")]
    DEFAULT_CSS = "SchedulesTab #empty { padding: 0 1; height: auto; color: $text-muted; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._schedules: dict[str, Schedule] = {}

    def compose(self) -> ComposeResult:
        yield Static("there are no schedules: @app.periodic(every=…), or windlass schedules add", id="empty")
        yield Listing(*_COLUMNS)

    @property
    def command(self) -> str:
        """See ``View``."""
        return "windlass schedules list"

    def ask(self) -> Ask:
        """See ``View``."""
        return lambda app: [Line(one, app.schedules.runs(one.name, _RUNS)) for one in app.schedules.list()]

    def show(self, found: list[Line]) -> None:
        """See ``View``."""
        self._schedules = {line.schedule.name: line.schedule for line in found}
        self.query_one("#empty").display = not found
        self.query_one(Listing).fill([_row(line) for line in found])

    def on_data_table_row_selected(self, event: Listing.RowSelected) -> None:
        if event.row_key.value is not None:
            self.window.open(ScheduleSheet(event.row_key.value))

    def action_pause(self) -> None:
        """Pauses the one under the cursor, or resumes it."""
        name = self.query_one(Listing).chosen
        schedule = None if name is None else self._schedules.get(name)
        if schedule is None:
            return
        paused, called = schedule.paused, schedule.name

        def work(app: Windlass) -> str:
            (app.schedules.resume if paused else app.schedules.pause)(called)
            return f"{called} {'goes on' if paused else 'is paused: it makes no jobs'}"

        self.window.do("schedules.resume" if paused else "schedules.pause", called, work)

    def action_run_now(self) -> None:
        """Makes a job of the one under the cursor now."""
        name = self.query_one(Listing).chosen
        if name is None:
            return

        def work(app: Windlass) -> str:
            job = app.schedules.run_now(name)
            return f"job {job.id} is enqueued" if job.created else f"job {job.id} of it is not over yet"

        self.window.do("schedules.run", name, work)


class Detail(NamedTuple):
    """A schedule, when it is due next and what it made."""

    schedule: Schedule
    times: list[DueTime]
    missed: Sequence[DueTime]
    more_missed: bool
    runs: list[Job]


class ScheduleSheet(Sheet):
    """All there is to know of one schedule."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._called = name
        self._runs: list[Job] = []

    BINDINGS = [Binding("l", "last", "Last run")]

    def compose(self) -> ComposeResult:
        yield Static(Text(f"schedule {printable(self._called)}"), id="name")
        with VerticalScroll():
            yield Static(classes="facts")
        yield from self.bottom()

    @property
    def command(self) -> str:
        """See ``View``."""
        return f"windlass schedules show {self._called}"

    def ask(self) -> Ask:
        """See ``View``."""
        name = self._called
        return lambda app: _read(app, name)

    def show(self, found: Detail | None) -> None:
        """See ``View``."""
        place = self.query_one(".facts", Static)
        if found is None:
            place.update(Text("it was removed", "yellow"))
            return
        self._runs = found.runs
        place.update(Group(*_parts(found)))

    def action_last(self) -> None:
        """Opens the job that it made last."""
        if self._runs:
            self.window.open(JobSheet(self._runs[0].id))


def _read(app: Windlass, name: str) -> Detail | None:
    schedule = app.schedules.get(name)
    if schedule is None:
        return None
    runs = app.schedules.runs(name, _RUNS)
    if schedule.problem is not None:
        return Detail(schedule, [], (), False, runs)
    try:
        days = app.schedules.calendar(8, tz=schedule.tz, name=name)
        missed = app.schedules.missed(name)
        now = from_us(app.store.clock.wall_us())
        told = [time for day in days for one in day.schedules for time in one.times]
        times = [time for time in told if time.at > now][:_TIMES]
        if not times:
            times = [DueTime(at, None) for at in app.schedules.next(name, _TIMES)]
    except InvalidJob:  # removed at this moment
        return None
    return Detail(schedule, times, missed.times, missed.more, runs)


def _parts(found: Detail) -> Iterator[RenderableType]:
    schedule = found.schedule
    grid = facts()
    if schedule.problem is not None:
        grid.add_row("problem", Text(printable(clean(schedule.problem)), "red"))
    grid.add_row("job", Text(printable(schedule.key)))
    grid.add_row("when", Text.assemble(printable(schedule.rule), "  ", _state(schedule)))
    grid.add_row("next", _next(schedule))
    if schedule.payload is not None:
        grid.add_row("payload", Text(json_text(schedule.payload)))
    grid.add_row("missed", _MISSED[schedule.missed])
    grid.add_row("overlap", "allowed" if schedule.overlap else "never")
    yield grid
    zone = None if schedule.tz is None else ZoneInfo(schedule.tz)
    for title, times in (("next", found.times), ("missed, no run was made", found.missed)):
        if times:
            yield Text(f"\n{title}", "bold")
            table = Table.grid(padding=(0, 2))
            for time in times[:_TIMES]:
                clock = time.at.astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S %Z")
                table.add_row(clock, Text(when(time.at), "dim"), Text(time.note or "", "yellow"))
            yield table
    if found.runs:
        yield Text("\nlast runs", "bold")
        table = Table.grid(padding=(0, 2))
        for job in found.runs:
            spent = took(job.started_at, job.finished_at)
            table.add_row(str(job.id), status_text(job), Text(when(job.created_at), "dim"), spent)
        yield table


def _row(line: Line) -> Row:
    schedule = line.schedule
    return Row(
        schedule.name,
        (
            Text(printable(schedule.name), "bold"),
            Text(printable(schedule.rule)),
            _next(schedule),
            Text("not yet", "dim") if schedule.last_at is None else Text(age(schedule.last_at), "dim"),
            _bars(line.runs),
            _state(schedule),
        ),
    )


def _next(schedule: Schedule) -> Text:
    if schedule.paused or schedule.next_at is None:
        return Text("paused" if schedule.paused else "never again", "dim")
    seen = when(schedule.next_at)
    # Nobody has made its job yet: no service runs, or the last run is not over.
    return Text(f"due {seen}", "yellow") if seen.endswith(" ago") else Text(seen)


def _bars(runs: Sequence[Job]) -> Text:
    """How long each took, the latest last, in the colour of how it ended."""
    shown = list(reversed(runs))
    lengths = [
        (job.finished_at - job.started_at).total_seconds() if job.finished_at and job.started_at else 0.0
        for job in shown
    ]
    text = Text(" " * (_RUNS - len(shown)))
    for job, bar in zip(shown, sparks(lengths, len(shown)).replace(" ", "▁"), strict=True):
        text.append(bar, STYLES[job.status])
    return text


def _state(schedule: Schedule) -> Text:
    if schedule.problem is not None:
        return Text("broken", "red")
    return Text("paused", "yellow") if schedule.paused else Text("on", "dim")

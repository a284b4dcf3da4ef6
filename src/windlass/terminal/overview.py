"""The first tab: how much work there is, how fast it goes, how long it takes, and what went wrong."""

from __future__ import annotations

from typing import NamedTuple

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from windlass.app import Windlass
from windlass.figures import OUTCOMES, Part, Summary, summarize
from windlass.job import Job, JobStatus
from windlass.redact import clean, printable
from windlass.terminal.job import JobSheet, retry
from windlass.terminal.listing import Column, Listing, Row
from windlass.terminal.view import Ask, Line, Tab
from windlass.terminal.words import STYLES, age, last_word, progress_text, span, sparks, took, when

_LATELY = 20
_COLUMNS = (
    Column("id", 8, right=True),
    Column("status", 10),
    Column("key", weight=2),
    Column("last word", least=70, weight=3),
    Column("took", 7, right=True),
    Column("age", 4, right=True),
)


class Found(NamedTuple):
    """What the first tab shows."""

    counts: dict[JobStatus, int]
    figures: Summary
    running: list[Job]
    failed: list[Job]
    ended: list[Job]


class OverviewTab(Tab):
    """How everything stands."""

    title = "Overview"
    BINDINGS = [Binding("r", "retry", "Retry")]
    DEFAULT_CSS = """
    OverviewTab #figures { padding: 0 1; margin: 1 0; height: auto; }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._jobs: dict[int, Job] = {}

    def compose(self) -> ComposeResult:
        yield Line(id="counts")
        yield Static(id="figures")
        yield Listing(*_COLUMNS)

    @property
    def command(self) -> str:
        """See ``View``."""
        return "windlass status"

    def ask(self) -> Ask:
        """See ``View``."""
        return _read

    def show(self, found: Found) -> None:
        """See ``View``."""
        counts = Text()
        for status in JobStatus:
            number = found.counts.get(status, 0)
            counts.append(f"{number:,} ", STYLES[status] if number else "dim")
            counts.append(f"{status.value.lower()}   ", "" if number else "dim")
        self.query_one("#counts", Line).say(counts)
        self.query_one("#figures", Static).update(_figures(found.figures, self.size.width - 2))
        self.grow_older(found)

    def grow_older(self, found: Found) -> None:
        """See ``View``."""
        # What runs, then what failed, then what ended well: each where people look for it.
        jobs = [*found.running, *found.failed, *found.ended]
        self._jobs = {job.id: job for job in jobs}
        self.query_one(Listing).fill([_row(job) for job in self._jobs.values()])

    def on_data_table_row_selected(self, event: Listing.RowSelected) -> None:
        if event.row_key.value is not None:
            self.window.open(JobSheet(int(event.row_key.value)))

    def action_retry(self) -> None:
        """Retries the job under the cursor."""
        chosen = self.query_one(Listing).chosen
        job = None if chosen is None else self._jobs.get(int(chosen))
        if job is not None:
            retry(self.window, job)


def _read(app: Windlass) -> Found:
    jobs = app.jobs
    return Found(
        jobs.counts(),
        summarize(app.store, "1h", app.clock.wall_us() // 60_000_000),
        jobs.list(status=JobStatus.RUNNING, order="id", limit=_LATELY),
        jobs.list(status=JobStatus.FAILED, order="-finished_at", limit=_LATELY // 2),
        jobs.list(status=JobStatus.COMPLETED, order="-finished_at", limit=_LATELY),
    )


def _figures(figures: Summary, room: int) -> Table:
    width = max(min(len(figures.buckets), room - 32), 10)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    last = figures.last_minute
    rate = f"{last / 60:,.1f}/s" if last >= 60 else f"{last:,}/min"
    table.add_row(
        "ended", Text(sparks(list(map(_ended, figures.buckets)), width), "cyan"), Text(rate, "bold")
    )
    lost = _lost(figures.whole)
    style = "red" if lost else "dim"
    table.add_row(
        "failed", Text(sparks(list(map(_lost, figures.buckets)), width), style), Text(f"{lost:,}/h", style)
    )
    for name, spread in (("wait", figures.whole.waits), ("run", figures.whole.runs)):
        shown = Text()
        for part, us in (("p50", spread.p50_us), ("p95", spread.p95_us), ("p99", spread.p99_us)):
            shown.append(f"{part} ", "dim").append(f"{span(None if us is None else us / 1e6):<10}")
        table.add_row(name, shown, Text("last hour", "dim"))
    return table


def _ended(part: Part) -> int:
    return sum(part.outcomes)


def _lost(part: Part) -> int:
    told = dict(zip(OUTCOMES, part.outcomes, strict=True))
    return told["failed"] + told["crashed"]


def _row(job: Job) -> Row:
    said = last_word(job)
    if job.status is JobStatus.RUNNING:
        spent = "" if job.started_at is None else when(job.started_at).removesuffix(" ago")
        said = Text() if job.progress is None else progress_text(job.progress)
    else:
        spent = took(job.started_at, job.finished_at)
    ended = job.finished_at or job.started_at or job.created_at
    return Row(
        str(job.id),
        (
            str(job.id),
            Text(job.status.value, STYLES[job.status]),
            Text(printable(job.key)),
            said if said.spans else Text(clean(said.plain), said.style),
            spent,
            Text(age(ended), "dim"),
        ),
    )

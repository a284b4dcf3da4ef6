"""The first tab: how much work there is, how fast it goes, how long it takes, and what went wrong."""

from __future__ import annotations

from typing import Literal, NamedTuple, cast, get_args

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from windlass.app import Windlass
from windlass.figures import SPANS, Part, Range, Summary, summarize
from windlass.job import Job, JobStatus
from windlass.redact import clean, printable
from windlass.terminal import groups
from windlass.terminal.filtering import Wanted
from windlass.terminal.job import JobSheet, retry
from windlass.terminal.listing import Column, Listing, Row
from windlass.terminal.view import Ask, Line, Tab
from windlass.terminal.words import STYLES, age, last_word, progress_text, span, sparks, took, when

_LATELY = 20
By = Literal["job", "key", "queue"]
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
    span: Range
    figures: Summary
    running: list[Job]
    failed: list[Job]
    ended: list[Job]


class OverviewTab(Tab):
    """How everything stands."""

    title = "Overview"
    BINDINGS = [
        Binding("r", "retry", "Retry"),
        Binding("t", "range", "Time range"),
        Binding("b", "by", "By key or queue"),
    ]
    DEFAULT_CSS = """
    OverviewTab #figures { padding: 0 1; margin: 1 0; height: auto; }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._jobs: dict[int, Job] = {}
        self._span: Range = "1h"
        self._by: By = "job"

    def compose(self) -> ComposeResult:
        yield Line(id="counts")
        yield Static(id="figures")
        yield Listing(*_COLUMNS, id="jobs-lately")
        yield Listing(*groups.COLUMNS, id="groups")

    def on_mount(self) -> None:
        self.query_one("#groups").display = False

    @property
    def command(self) -> str:
        """See ``View``."""
        return "windlass status"

    def ask(self) -> Ask:
        """See ``View``."""
        chosen = self._span
        return lambda app: _read(app, chosen)

    def show(self, found: Found) -> None:
        """See ``View``."""
        counts = Text()
        for status in JobStatus:
            number = found.counts.get(status, 0)
            counts.append(f"{number:,} ", STYLES[status] if number else "dim")
            counts.append(f"{status.value.lower()}   ", "" if number else "dim")
        self.query_one("#counts", Line).say(counts)
        self.query_one("#figures", Static).update(_figures(found, self.size.width - 2))
        if self._by != "job":
            parts = found.figures.by_queue if self._by == "queue" else found.figures.by_key
            self.query_one("#groups", Listing).fill(groups.rows(parts))
        self.grow_older(found)

    def grow_older(self, found: Found) -> None:
        """See ``View``."""
        # What runs, then what failed, then what ended well: each where people look for it.
        jobs = [*found.running, *found.failed, *found.ended]
        self._jobs = {job.id: job for job in jobs}
        self.query_one("#jobs-lately", Listing).fill([_row(job) for job in self._jobs.values()])

    def on_data_table_row_selected(self, event: Listing.RowSelected) -> None:
        name = event.row_key.value
        if name is None:
            return
        if self._by == "job":
            self.window.open(JobSheet(int(name)))
        else:
            self.window.show_jobs(Wanted(queue=name) if self._by == "queue" else Wanted(key=name))

    def action_range(self) -> None:
        """Looks further back; after the furthest, at the shortest span."""
        spans = list(SPANS)
        self._span = spans[(spans.index(self._span) + 1) % len(spans)]
        self.window.look()

    def action_by(self) -> None:
        """From the jobs to what ran by key, to what ran by queue, and back."""
        ways = cast("tuple[By, ...]", get_args(By))
        self._by = ways[(ways.index(self._by) + 1) % len(ways)]
        lately, grouped = self.query_one("#jobs-lately", Listing), self.query_one("#groups", Listing)
        grouped.fill(())
        lately.display, grouped.display = self._by == "job", self._by != "job"
        self.settle_focus()
        self.window.look()

    def action_retry(self) -> None:
        """Retries the job under the cursor."""
        chosen = self.query_one("#jobs-lately", Listing).chosen
        job = None if chosen is None or self._by != "job" else self._jobs.get(int(chosen))
        if job is not None:
            retry(self.window, job)


def _read(app: Windlass, chosen: Range) -> Found:
    jobs = app.jobs
    return Found(
        jobs.counts(),
        chosen,
        summarize(app.store, chosen, app.store.clock.wall_us() // 60_000_000),
        jobs.list(status=JobStatus.RUNNING, order="id", limit=_LATELY),
        jobs.list(status=JobStatus.FAILED, order="-finished_at", limit=_LATELY // 2),
        jobs.list(status=JobStatus.COMPLETED, order="-finished_at", limit=_LATELY),
    )


def _figures(found: Found, room: int) -> Table:
    figures = found.figures
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
    bad = groups.lost(figures.whole)
    style = "red" if bad else "dim"
    table.add_row(
        "failed",
        Text(sparks(list(map(groups.lost, figures.buckets)), width), style),
        Text(f"{bad:,} in {found.span}", style),
    )
    for name, spread in (("wait", figures.whole.waits), ("run", figures.whole.runs)):
        shown = Text()
        for part, us in (("p50", spread.p50_us), ("p95", spread.p95_us), ("p99", spread.p99_us)):
            shown.append(f"{part} ", "dim").append(f"{span(None if us is None else us / 1e6):<10}")
        table.add_row(name, shown, Text(f"last {found.span}", "dim"))
    return table


def _ended(part: Part) -> int:
    return sum(part.outcomes)


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

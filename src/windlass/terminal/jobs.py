"""The tab of jobs: a line to filter by, and the newest that match, live."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input

from windlass.app import Windlass
from windlass.browsing import Action
from windlass.clock import monotonic
from windlass.job import Job, JobStatus
from windlass.redact import clean, printable
from windlass.terminal.filtering import Wanted, read_filter
from windlass.terminal.job import JobSheet, cancel, retry
from windlass.terminal.listing import Column, Listing, Row
from windlass.terminal.view import Ask, Line, Tab
from windlass.terminal.words import age, last_word, status_text

PAGE = 100
_LOOK_S = 0.5
_ROUND: tuple[JobStatus | None, ...] = (None, *JobStatus)
_COLUMNS = (
    Column("id", 8, right=True),
    Column("status", 17),
    Column("key", weight=2),
    Column("last word", least=70, weight=3),
    Column("queue", 12, least=96),
    Column("runs", 6, right=True, least=90),
    Column("age", 4, right=True),
)


class Found(NamedTuple):
    """The newest jobs that match, and how many there are in all as far as was counted."""

    jobs: list[Job]
    total: str


class JobsTab(Tab):
    """Which jobs there are, and how they stand."""

    title = "Jobs"
    BINDINGS = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "status", "Status"),
        Binding("r", "retry", "Retry"),
        Binding("x", "cancel", "Cancel"),
        Binding("R", "all('retry')", "Retry all that match", show=False),
        Binding("X", "all('cancel')", "Cancel all that match", show=False),
        Binding("escape", "clear", "All jobs", show=False),
    ]
    DEFAULT_CSS = """
    JobsTab Input { height: 1; margin: 0 1; background: $panel; display: none; }
    JobsTab #summary { color: $text-muted; }
    """

    def __init__(self, wanted: Wanted, *, id: str) -> None:
        super().__init__(id=id)
        self.wanted = wanted
        self._before = wanted
        self._limit = PAGE
        self._jobs: dict[int, Job] = {}

    def compose(self) -> ComposeResult:
        yield Input(
            self.wanted.text,
            placeholder="failed  key:send_mail  queue:mail  tag:x  held  words",
            compact=True,
        )
        yield Line(id="summary")
        yield Listing(*_COLUMNS)

    @property
    def command(self) -> str:
        """See ``View``."""
        return self.wanted.command

    def ask(self) -> Ask:
        """See ``View``."""
        wanted, limit = self.wanted, self._limit
        return lambda app: find(app, wanted, limit)

    def show(self, found: Found) -> None:
        """See ``View``."""
        self._jobs = {job.id: job for job in found.jobs}
        self.query_one(Listing).fill([_row(job) for job in found.jobs])
        line = Text(f"{found.total} jobs" if found.total != "1" else "1 job")
        if self.wanted.text:
            line.append(" match ").append(printable(self.wanted.text), "bold")
        if not found.jobs:
            line.append(
                "   esc: all jobs" if self.wanted.text else "   windlass enqueue KEY makes one", "dim"
            )
        self.query_one("#summary", Line).say(line)

    def narrow(self, wanted: Wanted) -> None:
        """Shows these from now on."""
        self.wanted, self._limit = wanted, PAGE
        field = self.query_one(Input)
        with field.prevent(Input.Changed):
            field.value = wanted.text
        field.display = False
        self.window.look()

    # ── the filter ─────────────────────────────────────────────────────────────────────────────
    def action_filter(self) -> None:
        """Puts the cursor into the line."""
        field = self.query_one(Input)
        self._before = self.wanted
        field.display = True
        field.focus()

    def action_status(self) -> None:
        """From all to those of one status, and on to the next."""
        chosen = self.wanted.status
        place = _ROUND.index(chosen[0] if chosen and len(chosen) == 1 else None)
        status = _ROUND[(place + 1) % len(_ROUND)]
        self.narrow(msgspec.structs.replace(self.wanted, status=None if status is None else (status,)))

    def action_clear(self) -> None:
        """Leaves the line as it was before; from the list, shows all jobs again."""
        field = self.query_one(Input)
        if field.has_focus:
            self.narrow(self._before)
        elif self.wanted.text:
            self.narrow(Wanted())
        self.query_one(Listing).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.wanted, self._limit = read_filter(event.value), PAGE
        self.window.look()

    def on_input_submitted(self) -> None:
        self.query_one(Input).display = False
        self.query_one(Listing).focus()

    # ── the list ───────────────────────────────────────────────────────────────────────────────
    def on_data_table_row_highlighted(self, event: Listing.RowHighlighted) -> None:
        if event.cursor_row >= self._limit - 1:
            self._limit += PAGE
            self.window.look()

    def on_data_table_row_selected(self, event: Listing.RowSelected) -> None:
        if event.row_key.value is not None:
            self.window.open(JobSheet(int(event.row_key.value)))

    def action_retry(self) -> None:
        """Retries the job under the cursor."""
        if (job := self._chosen()) is not None:
            retry(self.window, job)

    def action_cancel(self) -> None:
        """Cancels the job under the cursor, once that is said twice."""
        if (job := self._chosen()) is not None:
            cancel(self.window, job)

    async def action_all(self, action: Action) -> None:
        """Retries or cancels all that match, once their number is seen and that is said twice."""
        window, wanted = self.window, self.wanted
        asked = msgspec.structs.asdict(wanted)
        number, is_least = await window.pulse.read(lambda: window.opened.jobs.matching(action, **asked))
        if not number:
            window.notify(f"there is none to {action}")
            return

        def work(app: Windlass) -> str:
            done = "retried" if action == "retry" else "cancelled, or asked to stop"
            return f"{all_that_match(app, action, wanted):,} jobs are {done}"

        many = f"{number:,}{' or more' if is_least else ''} jobs"
        what = f"All that match {wanted.text}." if wanted.text else "All there are: nothing narrows the list."
        window.ask_first(f"{action.title()} {many}?", what, f"jobs.bulk.{action}", wanted.text or None, work)

    def _chosen(self) -> Job | None:
        chosen = self.query_one(Listing).chosen
        return None if chosen is None else self._jobs.get(int(chosen))


def find(app: Windlass, wanted: Wanted, limit: int) -> Found:
    """The newest jobs that match, as far as they are found in a moment."""
    asked = msgspec.structs.asdict(wanted)
    until = monotonic() + _LOOK_S
    page = app.jobs.page(**asked, limit=limit)
    jobs, total = page.jobs, f"{page.total:,}{'+' if page.total_is_least else ''}"
    while page.next is not None and len(jobs) < limit and monotonic() < until:
        # Words are looked for row by row, a bounded part at a time.
        page = app.jobs.page(**asked, limit=limit - len(jobs), after=page.next)
        jobs += page.jobs
    return Found(jobs, total)


def all_that_match(app: Windlass, action: Action, wanted: Wanted) -> int:
    """Does it to all of them in bounded steps; how many it changed."""
    asked, after, changed = msgspec.structs.asdict(wanted), None, 0
    while True:
        step = app.jobs.step(action, **asked, everything=True, after=after)
        changed, after = changed + step.changed, step.next
        if after is None:
            return changed


def _row(job: Job) -> Row:
    said = last_word(job)
    return Row(
        str(job.id),
        (
            str(job.id),
            status_text(job),
            Text(printable(job.key)),
            Text(clean(said.plain), said.style) if not said.spans else said,
            Text(printable(job.queue), "dim"),
            f"{job.attempts}/{job.max_attempts}",
            Text(age(job.created_at), "dim"),
        ),
    )

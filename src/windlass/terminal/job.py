"""One job: how it stands and why, its payload, what it returned, what went wrong, whom it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Static

from windlass.app import Windlass
from windlass.duration import describe
from windlass.errors import InvalidJob
from windlass.job import Attempt, Job, JobStatus, LogLine, Why
from windlass.redact import clean, printable, shown
from windlass.store.flows import Relative
from windlass.terminal.view import Ask, Sheet
from windlass.terminal.words import LEVELS, STYLES, progress_text, status_text, took, when

if TYPE_CHECKING:
    from windlass.terminal.window import Window

_RELATIVES = 20
_TEXT_MOST = 20_000


class Detail(NamedTuple):
    """A job and what belongs to it."""

    job: Job
    why: Why
    attempts: list[Attempt]
    parents: list[Relative]
    children: list[Relative]
    logs: list[LogLine]


class JobSheet(Sheet):
    """All there is to know of one job."""

    BINDINGS = [
        Binding("r", "retry", "Retry"),
        Binding("x", "cancel", "Cancel"),
        Binding("D", "delete", "Delete"),
    ]

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self.job_id = job_id
        self._job: Job | None = None

    def compose(self) -> ComposeResult:
        yield Static(f"job {self.job_id}", id="name")
        with VerticalScroll():
            yield Static(classes="facts")
        yield from self.bottom()

    @property
    def command(self) -> str:
        """See ``View``."""
        return f"windlass jobs show {self.job_id}"

    def ask(self) -> Ask:
        """See ``View``."""
        job_id = self.job_id
        return lambda app: _read(app, job_id)

    def show(self, found: Detail | None) -> None:
        """See ``View``."""
        if found is None:
            self._job = None
            self.query_one(".facts", Static).update(Text("it was deleted", "yellow"))
            return
        self._job = found.job
        name = Text(f"job {found.job.id}  {printable(found.job.key)}  ", no_wrap=True, overflow="ellipsis")
        self.query_one("#name", Static).update(name.append_text(status_text(found.job)))
        self.query_one(".facts", Static).update(Group(*_parts(found)))

    def action_retry(self) -> None:
        """Makes it ready now."""
        if self._job is not None:
            retry(self.window, self._job)

    def action_cancel(self) -> None:
        """Cancels it, once that is said twice."""
        if self._job is not None:
            cancel(self.window, self._job)

    def action_delete(self) -> None:
        """Deletes it with its history, once that is said twice."""
        job = self._job
        if job is None:
            return

        def work(app: Windlass) -> str:
            if not app.jobs.delete(job.id):
                raise InvalidJob(
                    f"job {job.id} was not deleted: it runs, or a job that waits for it is not over"
                )
            return f"job {job.id} is deleted"

        self.window.ask_first(
            f"Delete job {job.id} ({job.key})?", "It goes with its history and its result.",
            "jobs.delete", str(job.id), work,
        )  # fmt: skip


def retry(window: Window, job: Job) -> None:
    """Makes a job ready now, with an attempt left."""

    def work(app: Windlass) -> str:
        if not app.jobs.retry(job.id):
            raise InvalidJob(f"job {job.id} was not retried: {app.jobs.why(job.id).reason}")
        return f"job {job.id} ({job.key}) is ready again"

    window.do("jobs.retry", str(job.id), work)


def cancel(window: Window, job: Job) -> None:
    """Cancels a job, or asks it to stop, once that is said twice."""
    if job.status.is_final:
        window.notify(f"job {job.id} is over: it is {job.status}")
        return

    def work(app: Windlass) -> str:
        status = app.jobs.cancel(job.id).get(job.id)
        if status is None:
            raise InvalidJob(f"there is no job {job.id}")
        if status is JobStatus.RUNNING:
            return f"job {job.id} is asked to stop"
        return f"job {job.id} is {status.lower()}"

    loss = (
        "It runs: it is asked to stop, and its process is killed where it does not listen."
        if job.status is JobStatus.RUNNING
        else "It will not run, and neither will what waits for it."
    )
    window.ask_first(f"Cancel job {job.id} ({job.key})?", loss, "jobs.cancel", str(job.id), work)


def _read(app: Windlass, job_id: int) -> Detail | None:
    job = app.jobs.get(job_id)
    if job is None:
        return None
    try:
        why = app.jobs.why(job_id)
    except InvalidJob:  # deleted at this moment
        return None
    jobs = app.jobs
    return Detail(
        job, why, jobs.attempts(job_id),
        jobs.parents(job_id, limit=_RELATIVES), jobs.children(job_id, limit=_RELATIVES), jobs.logs(job_id),
    )  # fmt: skip


def _parts(found: Detail) -> Iterator[RenderableType]:
    job = found.job
    yield _facts(found)
    if job.payload is not None:
        yield from _section("payload", Text(json_text(job.payload)))
    if job.result is not None:
        yield from _section("result", Text(json_text(job.result), "green"))
    if job.last_error is not None and job.status is not JobStatus.COMPLETED:
        yield from _section("last error", Text(printable(clean(job.last_error)), "red"))
    if found.attempts:
        yield from _section("attempts that went wrong", _attempts(found.attempts))
    if found.logs:
        yield from _section("what it logged", _logged(found.logs))
    for title, family in (("waits for", found.parents), ("wait for it", found.children)):
        if family:
            yield from _section(title, _family(family))


def _facts(found: Detail) -> Table:
    job = found.job
    grid = facts()
    grid.add_row("why", Text(printable(clean(found.why.reason))))
    if job.progress is not None:
        grid.add_row("progress", progress_text(job.progress))
    grid.add_row("queue", Text(f"{printable(job.queue)}, priority {job.priority}"))
    runs = f"{job.attempts} of {job.max_attempts}" + (f", {job.crashes} crashed" if job.crashes else "")
    grid.add_row("runs", runs)
    times = [f"created {when(job.created_at)}"]
    times += [f"due {when(job.run_at)}"] if job.run_at else []
    times += [f"started {when(job.started_at)}"] if job.started_at else []
    times += [f"finished {when(job.finished_at)}"] if job.finished_at else []
    if spent := took(job.started_at, job.finished_at):
        times.append(f"took {spent}")
    grid.add_row("times", " · ".join(times))
    for name, value in (
        ("tags", ", ".join(job.tags)),
        ("unique key", job.unique),
        ("deadline", None if job.deadline is None else when(job.deadline)),
        ("timeout", describe(round(job.timeout_s * 1_000_000)) if job.timeout_s else None),
        ("held", None if job.hold is None else clean(job.hold)),
    ):
        if value:
            grid.add_row(name, Text(printable(value)))
    return grid


def _attempts(attempts: Sequence[Attempt]) -> Table:
    table = Table.grid(padding=(0, 2))
    for _ in range(5):
        table.add_column(vertical="top", overflow="fold")
    for one in attempts:
        table.add_row(
            str(one.attempt),
            Text(one.outcome, "red" if one.outcome in ("failed", "crashed") else "yellow"),
            Text(when(one.finished_at), "dim"),
            Text(took(one.started_at, one.finished_at), "dim"),
            Text(printable(clean(one.error or "").partition("\n")[0])),
        )
    return table


def _logged(lines: Sequence[LogLine]) -> Table:
    table = Table.grid(padding=(0, 1))
    for _ in range(4):
        table.add_column(vertical="top", overflow="fold")
    for before, one in zip([None, *lines], lines, strict=False):
        if one.number > 1 and (
            before is None or (before.attempt, before.number + 1) != (one.attempt, one.number)
        ):
            table.add_row("", "", "", Text("… lines before are not kept", "dim"))
        table.add_row(
            str(one.attempt),
            Text(f"{one.at.astimezone():%H:%M:%S}", "dim"),
            Text(printable(one.level).lower(), LEVELS.get(one.level, "dim")),
            Text(printable(clean(one.text))),
        )
    return table


def _family(family: Sequence[Relative]) -> Table:
    table = Table.grid(padding=(0, 2))
    for one in family:
        status = "deleted" if one.status is None else one.status.value
        style = "dim" if one.status is None else STYLES[one.status]
        table.add_row(str(one.id), Text(status, style), Text(printable(one.key or "")))
    return table


def facts() -> Table:
    """Names on the left, what they are on the right."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", justify="right", no_wrap=True, min_width=8)
    grid.add_column(overflow="fold")
    return grid


def json_text(value: object) -> str:
    """A JSON value without secrets, indented."""
    text = msgspec.json.format(msgspec.json.encode(shown(value)), indent=2).decode()
    return printable(text if len(text) <= _TEXT_MOST else f"{text[:_TEXT_MOST]}\n…")


def _section(title: str, *parts: RenderableType) -> Iterator[RenderableType]:
    yield Text()
    yield Text(title, "bold")
    yield from parts

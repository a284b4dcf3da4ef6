"""Jobs, queues and histories as tables and panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from windlass.duration import describe
from windlass.job import Attempt, Job
from windlass.jobs import pin_of
from windlass.limits import LimitState
from windlass.redact import printable
from windlass.store.flows import Relative
from windlass.store.protocol import QueueState
from windlass.terminal.words import last_word, progress_text, status_text, when


def jobs_table(jobs: Sequence[Job], *, title: str | None = None) -> RenderableType:
    """One line per job."""
    if not jobs:
        return Text("no jobs match", "dim")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("id", justify="right", style="bold", no_wrap=True, min_width=2)
    table.add_column("status", no_wrap=True)
    table.add_column("key", overflow="fold", min_width=12)
    table.add_column("queue", no_wrap=True)
    table.add_column("prio", justify="right")
    table.add_column("runs", justify="right")
    table.add_column("created")
    table.add_column("last word", overflow="ellipsis", no_wrap=True, ratio=1, max_width=60)
    for job in jobs:
        table.add_row(
            str(job.id),
            status_text(job),
            Text(printable(job.key)),
            Text(printable(job.queue)),
            str(job.priority),
            f"{job.attempts}/{job.max_attempts}",
            when(job.created_at),
            last_word(job),
        )
    return table


def one_line(job: Job) -> Text:
    """One change of one job."""
    clock_time = job.updated_at.astimezone().strftime("%H:%M:%S")
    line = Text(f"{clock_time}  ", "dim").append(f"{job.id:>6}  ", "bold")
    line.append_text(status_text(job)).append(f"  {printable(job.key)}")
    said = last_word(job)
    return line.append("  ").append_text(said) if said else line


def job_panel(
    job: Job, attempts: Sequence[Attempt], family: Mapping[str, Sequence[Relative]]
) -> RenderableType:
    """Everything about one job; ``family``: its parents and children."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", justify="right")
    grid.add_column()

    def row(name: str, value: RenderableType | None) -> None:
        if value is not None and value != "":
            grid.add_row(name, value)

    row("job", Text(f"{job.id}  {printable(job.key)}", "bold"))
    row("status", status_text(job))
    row("payload", Text(_json(job.payload)))
    row("queue", Text(f"{printable(job.queue)}, priority {job.priority}"))
    row("runs", f"{job.attempts} of {job.max_attempts}" + (f", {job.crashes} crashed" if job.crashes else ""))
    row("created", when(job.created_at))
    row("due", when(job.run_at) if job.run_at else None)
    row("started", when(job.started_at) if job.started_at else None)
    row("finished", when(job.finished_at) if job.finished_at else None)
    row("timeout", describe(int(job.timeout_s * 1_000_000)) if job.timeout_s else None)
    row("progress", progress_text(job.progress) if job.progress else None)
    for name, relatives in family.items():
        row(name, Text(", ".join(_relative(one) for one in relatives)))
    row("held", Text(printable(job.hold), "yellow") if job.hold else None)
    row("tags", Text(printable(", ".join(job.tags))) if job.tags else None)
    row("meta", Text(_json(job.meta)) if job.meta else None)
    row("idempotency key", Text(printable(job.idempotency_key)) if job.idempotency_key else None)
    row("result", Text(_json(job.result), "green") if job.result is not None else None)
    row("last error", Text(printable(job.last_error), "red") if job.last_error else None)
    return Group(grid, Text(), attempts_table(attempts)) if attempts else grid


def attempts_table(attempts: Sequence[Attempt]) -> RenderableType:
    """The history of what went wrong."""
    if not attempts:
        return Text(
            "nothing went wrong so far: only attempts that did not simply succeed are recorded", "dim"
        )
    table = Table(title="attempts", title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in ("run", "outcome", "started", "took", "what it said"):
        table.add_column(name, overflow="fold")
    for attempt in attempts:
        took = attempt.finished_at - attempt.started_at if attempt.started_at else None
        table.add_row(
            str(attempt.attempt),
            Text(attempt.outcome, "red" if attempt.outcome in ("failed", "crashed") else "yellow"),
            when(attempt.started_at) if attempt.started_at else "",
            describe(max(int(took.total_seconds() * 1_000_000), 0)) if took else "",
            Text(printable(attempt.error or "")),
        )
    return table


def queues_table(queues: Sequence[QueueState]) -> RenderableType:
    """One line per queue."""
    if not queues:
        return Text("no queue holds jobs or is switched", "dim")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("queue")
    for name in ("ready", "scheduled", "held", "running", "at once", "rate"):
        table.add_column(name, justify="right")
    table.add_column("")
    for state in queues:
        table.add_row(
            Text(printable(state.queue)),
            *(f"{count:,}" for count in (state.ready, state.scheduled, state.held, state.running)),
            "any" if state.concurrency is None else str(state.concurrency),
            state.rate or "any",
            _switch(state),
        )
    return table


def _switch(state: QueueState) -> Text:
    if state.paused:
        return Text("paused", "yellow")
    return Text(printable(f"for {pin_of(state.pin)}") if state.pin else "")


def limits_table(limits: Sequence[LimitState]) -> RenderableType:
    """One line per limited queue or key."""
    if not limits:
        return Text("no queue and no key is limited", "dim")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "name", "running", "at once", "rate", "next slot", "by"):
        table.add_column(name, justify="right" if name in ("running", "at once", "next slot") else "left")
    for limit in limits:
        table.add_row(
            limit.kind,
            Text(printable(limit.name)),
            f"{limit.running:,}",
            "any" if limit.concurrency is None else str(limit.concurrency),
            limit.rate or "any",
            "" if limit.rate is None else describe(round(limit.next_slot_s * 1_000_000)),
            "the program" if limit.declared else "",
        )
    return table


def _relative(relative: Relative) -> str:
    status = "deleted" if relative.status is None else relative.status.value
    return f"{relative.id} {printable(relative.key or '')} {status}"


def _json(value: Any) -> str:
    return printable(msgspec.json.encode(value).decode())

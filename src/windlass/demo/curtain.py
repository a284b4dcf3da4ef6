"""The summary at the end of the show, for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from windlass.demo.show import Report
from windlass.demo.strikes import Kill
from windlass.demo.verdict import Failure, Rerun, Slow

_SHOWN = 12
_NUMBERS = frozenset({"ms", "lines", "attempts", "runs counted"})


def summary(report: Report) -> RenderableType:
    """What happened, in figures, and whether every file has exactly one result."""
    verdict = report.verdict
    parts: list[RenderableType] = [Text(), _figures(report)]
    if report.kills:
        parts += [Text(), _kills(report.kills)]
    if verdict.reruns:
        parts += [Text(), _reruns(verdict.reruns)]
    if verdict.failures:
        parts += [Text(), _failures(verdict.failures)]
    return Group(*parts, Text(), _slowest(verdict.slowest), Text(), _judgement(report))


def _plain(title: str, *columns: str) -> Table:
    table = Table(
        title=title, box=None, pad_edge=False, title_justify="left", title_style="bold", header_style="dim"
    )
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in _NUMBERS else "left")
    return table


def _reruns(reruns: list[Rerun]) -> Table:
    table = _plain("hit by a kill, and run again", "file", "what hit it", "runs counted", "in the end")
    for rerun in reruns[:_SHOWN]:
        what = "its isolate died" if rerun.hit_by == "crashed" else "its dispatcher died"
        table.add_row(Text(rerun.path), what, str(rerun.runs_counted), rerun.status)
    return table


def _failures(failures: list[Failure]) -> Table:
    table = _plain("failed, and why", "file", "reason", "attempts", "last error")
    for failure in failures[:_SHOWN]:
        said = Text(failure.error, "red")
        table.add_row(Text(failure.path), failure.reason, str(failure.attempts), said)
    if len(failures) > _SHOWN:
        table.add_row(f"and {len(failures) - _SHOWN:,} more")
    return table


def _slowest(files: list[Slow]) -> Table:
    table = _plain("slowest files", "file", "ms", "lines")
    for slow in files:
        table.add_row(Text(slow.path), f"{slow.ms:,.0f}", f"{slow.lines:,}")
    return table


def _figures(report: Report) -> RenderableType:
    verdict = report.verdict
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="bold")
    grid.add_column()
    grid.add_row(f"{verdict.files:,}", f"files of {report.source}")
    told = ", ".join(f"{count:,} {status}" for status, count in sorted(verdict.jobs.items()))
    grid.add_row(f"{sum(verdict.jobs.values()):,}", f"jobs: {told}")
    grid.add_row(
        f"{verdict.modules:,}",
        f"results: {verdict.lines:,} lines, {verdict.functions:,} functions, {verdict.classes:,} classes",
    )
    grid.add_row(f"{verdict.retries:,}", "retries")
    grid.add_row(f"{report.jobs_per_second:,.0f}", "jobs a second, the kills included")
    grid.add_row(f"{report.enqueue_per_second:,.0f}", "durable enqueues a second, 500 in a commit")
    grid.add_row(f"{len(report.kills)}", "kill -9 survived")
    return grid


def _kills(kills: list[Kill]) -> RenderableType:
    table = _plain(
        "killed with kill -9", "process", "after", "successor", "there after", "jobs end again after"
    )
    for kill in kills:
        table.add_row(
            f"{kill.role} {kill.pid}",
            f"{kill.after_jobs:,} jobs",
            str(kill.successor),
            f"{kill.replaced_ms:,.0f} ms",
            f"{kill.working_ms:,.0f} ms",
        )
    return table


def _judgement(report: Report) -> RenderableType:
    verdict = report.verdict
    if verdict.holds and not report.left_running:
        text = Text(
            f"Every one of {verdict.files:,} files has exactly one job and exactly one outcome.", "bold green"
        )
        text.append("\nNothing was lost, nothing ran to completion twice, nothing is left running.", "green")
        return Panel.fit(text, border_style="green")
    complaints = [*verdict.complaints[:_SHOWN]]
    if len(verdict.complaints) > _SHOWN:
        complaints.append(f"and {len(verdict.complaints) - _SHOWN:,} more")
    if report.left_running:
        complaints.append(f"still running: {', '.join(map(str, report.left_running))}")
    return Panel.fit(Text("\n".join(complaints), "bold red"), title="this should not be", border_style="red")

"""The summary at the end of the show of the sync, for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from windlass.demo.sync.show import Report

_SHOWN = 12


def summary(report: Report) -> RenderableType:
    """What happened, in figures, and whether both replicas and the server are equal."""
    return Group(Text(), _figures(report), Text(), _tables(report), Text(), _judgement(report))


def _figures(report: Report) -> RenderableType:
    tally = report.verdict.tally
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="bold")
    grid.add_column()
    moods = ", ".join(f"{count} × {mood}" for mood, count in sorted(tally.moods.items()))
    for number, what in (
        (
            report.pulled,
            f"rows pulled at first, {report.rows_per_second:,.0f} a second, the server's moods included",
        ),
        (report.edited, "rows edited while the network was cut"),
        (report.conflicts, "in conflict, and decided by a person"),
        (report.rejected, "rejected, and put right by a person"),
        (tally.reads + tally.writes, f"requests: {tally.reads:,} reads, {tally.writes:,} writes"),
        (sum(tally.moods.values()), f"of them met a bad mood: {moods}"),
        (tally.replayed, "sent again after an answer that never came, and answered from memory"),
        (
            tally.effects,
            "changes took effect, each of them once" if not tally.twice else "changes took effect",
        ),
    ):
        grid.add_row(f"{number:,}", what)
    return grid


def _tables(report: Report) -> RenderableType:
    table = Table(
        title="every row by its hash", box=None, pad_edge=False, title_justify="left", title_style="bold",
        header_style="dim",
    )  # fmt: skip
    table.add_column("table")
    table.add_column("rows", justify="right")
    table.add_column("digest at the server")
    for one in report.verdict.tables:
        table.add_row(Text(one.table), f"{one.rows:,}", one.digest)
    return table


def _judgement(report: Report) -> RenderableType:
    verdict = report.verdict
    if report.holds:
        text = Text(f"ann, ben and the server are equal in every one of {verdict.rows:,} rows.", "bold green")
        text.append(
            "\nNo edit was lost, none took effect twice, nothing waits, nothing is left running.", "green"
        )
        return Panel.fit(text, border_style="green")
    complaints = [*verdict.complaints[:_SHOWN]]
    if len(verdict.complaints) > _SHOWN:
        complaints.append(f"and {len(verdict.complaints) - _SHOWN:,} more")
    if report.left_running:
        complaints.append(f"still running: {', '.join(map(str, report.left_running))}")
    return Panel.fit(Text("\n".join(complaints), "bold red"), title="this should not be", border_style="red")

"""Schedules as tables and panels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from windlass.constraints import to_text
from windlass.duration import describe
from windlass.redact import printable
from windlass.terminal.words import when

if TYPE_CHECKING:
    from windlass.schedules import Schedule

_MISSED = {
    "latest": "one run for all of them",
    "skip": "none, where the newest is over a minute late",
    "all": "a run for each",
}


def schedules_table(schedules: Sequence[Schedule]) -> RenderableType:
    """One line per schedule."""
    if not schedules:
        return Text("there are no schedules", "dim")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("name", "job", "when", "next", "last", ""):
        table.add_column(name)
    for schedule in schedules:
        table.add_row(
            Text(printable(schedule.name), "bold"),
            printable(schedule.key),
            printable(schedule.rule),
            _when(schedule.next_at, "never"),
            _when(schedule.last_at, "not yet"),
            _state(schedule),
        )
    return table


def schedule_panel(schedule: Schedule, times: Sequence[datetime]) -> RenderableType:
    """All there is to say of one."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("name", Text.assemble((printable(schedule.name), "bold"), "  ", _state(schedule)))
    table.add_row("job", printable(schedule.key))
    if schedule.payload is not None:
        table.add_row("payload", printable(msgspec.json.encode(schedule.payload).decode()))
    table.add_row("when", printable(schedule.rule))
    if schedule.flex:
        table.add_row("flex", describe(round(schedule.flex.total_seconds() * 1_000_000)))
    if schedule.problem is None:
        table.add_row("missed runs", _MISSED[schedule.missed])
        table.add_row("overlap", "allowed" if schedule.overlap else "never")
    if (asked := to_text(schedule.constraints)) is not None:
        table.add_row("constraints", printable(asked))
    last = _when(schedule.last_at, "not yet")
    table.add_row("last", f"{last} (job {schedule.last_job_id})" if schedule.last_job_id else last)
    table.add_row("next", times_text(schedule, times) if times else _when(schedule.next_at, "never"))
    if schedule.problem is not None:
        table.add_row("problem", Text(printable(schedule.problem), "red"))
    return table


def times_text(schedule: Schedule, times: Sequence[datetime]) -> Text:
    """Moments, one a line, as the clocks of its zone show them, and as seen from now."""
    zone: tzinfo | None = None if schedule.tz is None else ZoneInfo(schedule.tz)
    lines: list[Text] = []
    for time in times:
        line = Text(time.astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S %Z"))
        seen = when(time)
        lines.append(line.append(f"  {seen}", "dim") if seen.startswith("in ") or "ago" in seen else line)
    return Text("\n").join(lines) if lines else Text("never again", "dim")


def _when(moment: datetime | None, otherwise: str) -> str:
    return otherwise if moment is None else when(moment)


def _state(schedule: Schedule) -> Text:
    if schedule.problem is not None:
        return Text("cannot be read", "red")
    return Text("paused", "yellow") if schedule.paused else Text("")

"""What ran over a span of time, by job key or by queue, the busiest first."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from windlass.figures import OUTCOMES, Part
from windlass.redact import printable
from windlass.terminal.listing import Column, Row
from windlass.terminal.words import span

COLUMNS = (
    Column("name"),
    Column("ended", 9, right=True),
    Column("failed", 8, right=True),
    Column("retried", 8, right=True, least=84),
    Column("wait p95", 9, right=True),
    Column("run p50", 9, right=True, least=84),
    Column("run p95", 9, right=True),
    Column("run p99", 9, right=True, least=96),
)
_GROUPS_MOST = 200


def rows(parts: Mapping[str, Part]) -> list[Row]:
    """A line for each; the row's key is the name."""
    busiest = sorted(parts.items(), key=lambda one: (-sum(one[1].outcomes), one[0]))
    return [_row(name, part) for name, part in busiest[:_GROUPS_MOST]]


def lost(part: Part) -> int:
    """How many attempts were the last of a job that failed."""
    told = dict(zip(OUTCOMES, part.outcomes, strict=True))
    return told["failed"] + told["crashed"]


def _row(name: str, part: Part) -> Row:
    told = dict(zip(OUTCOMES, part.outcomes, strict=True))
    bad = lost(part)
    times = (part.waits.p95_us, part.runs.p50_us, part.runs.p95_us, part.runs.p99_us)
    wait, *run = [span(None if us is None else us / 1e6) for us in times]
    return Row(
        name,
        (
            Text(printable(name), "bold"),
            f"{told['completed'] + bad:,}",
            Text(f"{bad:,}", "red" if bad else "dim"),
            Text(f"{told['retried']:,}", "yellow" if told["retried"] else "dim"),
            wait,
            *run,
        ),
    )

"""What was measured, on what, and how it stands: a table for people, a list for programs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import machine
from benchmarks.model import Figure, Row

PACKAGES = ("windlass", "huey", "litequeue", "persist-queue", "honker", "dlt", "pgqueuer", "procrastinate")


def header(folder: Path, *, quick: bool) -> str:
    """When, where, with which versions, and how busy the machine is."""
    load = ", ".join(f"{part:.2f}" for part in os.getloadavg())
    return "\n".join(
        [
            f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}, {'a quick run' if quick else 'a full run'}",
            machine.description(),
            f"databases on {machine.file_system(folder)}, load average before {load}",
            ", ".join(f"{package} {_version(package)}" for package in PACKAGES),
        ]
    )


def line(figure: Figure, row: Row) -> str:
    """One figure: value, raw, ratio, and whether it is what it should be."""
    ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
    goals = ", ".join(f"{goal.text} {'ok' if goal.is_met(row) else 'MISSED'}" for goal in figure.goals)
    numbers = f"{_number(row.value):>10} {_number(row.raw):>10} {ratio:>7}"
    return f"{row.name:28} {numbers}  {row.unit:11} {goals}".rstrip()


HEADING = f"{'':28} {'windlass':>10} {'raw':>10} {'ratio':>7}  {'unit':11} goal"


def peers(row: Row, lost: dict[str, str]) -> list[str]:
    """The others, and those that could not be measured."""
    measured = [f"    {name:32} {_number(value):>14}" for name, value in row.peers.items()]
    return measured + [f"    {name:32} {'–':>14}  {reason}" for name, reason in lost.items()]


def as_json(rows: Sequence[Row]) -> str:
    return json.dumps([row._asdict() for row in rows], indent=2)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

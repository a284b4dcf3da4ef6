"""The program that ``windlass bench`` measures: handlers that do nothing."""

from __future__ import annotations

from windlass.app import Windlass
from windlass.clock import monotonic

app = Windlass("bench.db")


@app.job
def nothing(user: int, note: str) -> None:
    """The least a job can do, with a payload of the usual size."""


@app.job
def stamp() -> float:
    """Says when it started, on the clock that all processes of a machine share."""
    return monotonic()

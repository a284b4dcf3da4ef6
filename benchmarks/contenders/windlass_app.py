"""The program that is measured: an app with two jobs, as any user's program would define it.

The service's processes import this module too. Its settings come from the environment, where they reach all
of them.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from benchmarks.stamps import Stamps
from windlass import Context, Windlass

app = Windlass()


@app.job
def noop(number: int, text: str) -> None:
    """All the work is the queue's."""


@app.job
def stamp(slot: int) -> None:
    """Says when it began."""
    _stamps().mark(slot)


@app.job
def attend(slot: int, ctx: Context) -> None:
    """Says when it began, and when it was told to stop."""
    _stamps().mark(slot)
    ctx.wait_cancelled()
    _stamps().mark(slot + 1)


@cache
def _stamps() -> Stamps:
    return Stamps(Path(os.environ["BENCH_STAMPS"]))

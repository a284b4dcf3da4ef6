"""Handlers that are made to stop, and write down why."""

from __future__ import annotations

import asyncio
import signal
import time

from tests.worker.apps import diary
from windlass import Context, Windlass

app = Windlass()


@app.job
def listening(name: str, ctx: Context) -> None:
    diary.write("start", name)
    ctx.wait_cancelled(60)
    diary.write(f"told {ctx.stop_reason}", name)
    ctx.raise_if_cancelled()


@app.job
async def waiting(name: str, ctx: Context) -> None:
    diary.write("start", name)
    try:
        await asyncio.sleep(60)
    finally:
        diary.write(f"told {ctx.stop_reason}", name)


@app.job
def stubborn(name: str) -> None:
    """Hears nothing, SIGTERM included."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    diary.write("start", name)
    while True:
        time.sleep(60)


@app.job
def saved(name: str) -> None:
    diary.write("start", name)
    diary.wait_at(name)
    diary.write("end", name)


@app.job
def quick(n: int = 0) -> int:
    return n

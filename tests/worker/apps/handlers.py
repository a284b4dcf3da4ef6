"""Handlers that do as their payload says: nap, wait at a gate, listen to a cancellation, or ignore it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from typing import Any

from tests.worker.apps import diary
from windlass import Context, Service, Windlass
from windlass.backoff import Backoff

app = Windlass()
SOON = Backoff.linear("1ms", cap="1ms", jitter="none")


@app.on_start
def listen(service: Service, db: Any) -> None:
    service.on("where", lambda data: [os.getpid(), data])
    diary.write("born", "isolate")


@app.job
def quick(n: int = 0) -> int:
    return n


@app.job
def length(text: str) -> int:
    return len(text)


@app.job
def where_am_i() -> int:
    return os.getpid()


@app.job
def nap(ms: float, name: str = "") -> int:
    diary.write("start", name)
    time.sleep(ms / 1000)
    diary.write("end", name)
    return os.getpid()


@app.job
def gated(name: str) -> int:
    diary.write("start", name)
    diary.wait_at(name)
    diary.write("end", name)
    return os.getpid()


@app.job
def gated_apart(name: str) -> int:
    """Has a gate for each process that runs it."""
    diary.write("start", name)
    diary.wait_at(f"{name}-{os.getpid()}")
    diary.write("end", name)
    return os.getpid()


@app.job
def usually_quick(name: str = "") -> int:
    """Takes no time at all, but waits at its gate where it has a name."""
    if name:
        gated(name)
    return os.getpid()


@app.job
def listening(name: str, ctx: Context) -> str | None:
    diary.write("start", name)
    ctx.wait_cancelled(60)
    ctx.raise_if_cancelled()
    return ctx.stop_reason


@dataclass
class Door:
    """A payload that takes its time to become an object."""

    name: str

    def __post_init__(self) -> None:
        gated(self.name)


@app.job
def slow_to_begin(when: Door, ctx: Context) -> None:
    ctx.wait_cancelled(60)
    ctx.raise_if_cancelled()


@app.job
def stubborn(name: str, ctx: Context) -> None:
    """Hears everything and obeys nothing, SIGTERM included."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    diary.write("start", name)
    while True:
        time.sleep(60)


@app.job(timeout="300ms", backoff=SOON, max_attempts=2)
def limited(name: str) -> None:
    diary.write("start", name)
    time.sleep(60)


@app.job
def telling(ctx: Context, notes: int, gate: str = "") -> None:
    for n in range(1, notes + 1):
        ctx.progress(n, notes, f"note {n}")
    if gate:
        diary.wait_at(gate)


@app.job
def telling_later(ctx: Context, name: str) -> None:
    diary.write("start", name)
    diary.wait_at(name)
    ctx.progress(1)
    diary.wait_at(f"{name}-end")


@app.job
def sending(ctx: Context, what: str) -> None:
    ctx.service.send("said", what)


@app.job
def ending_the_service(ctx: Context) -> None:
    ctx.service.stop()


@app.job
async def anap(ms: float, name: str = "") -> int:
    diary.write("start", name)
    await asyncio.sleep(ms / 1000)
    diary.write("end", name)
    return os.getpid()


@app.job
async def agated(name: str) -> int:
    diary.write("start", name)
    await diary.await_at(name)
    diary.write("end", name)
    return os.getpid()


@app.job
async def cleaning_up(name: str, ctx: Context) -> None:
    diary.write("start", name)
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.01)
        diary.write("cleaned", name, why=ctx.stop_reason)


@app.job
async def ablocking(name: str, seconds: float = 60.0) -> int:
    """Blocks the event loop, as a forgotten synchronous call does."""
    diary.write("start", name)
    time.sleep(seconds)  # noqa: ASYNC251 - the very mistake
    return os.getpid()


@app.job(timeout="300ms", backoff=SOON, max_attempts=1)
async def ablocking_limited(name: str) -> None:
    diary.write("start", name)
    time.sleep(60)  # noqa: ASYNC251 - the very mistake


@app.job(timeout="200ms", backoff=SOON, max_attempts=1)
async def alimited(name: str) -> None:
    diary.write("start", name)
    await asyncio.sleep(60)

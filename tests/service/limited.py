"""A program whose jobs are limited, and keep a journal of their starts: its copy lies beside its database."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from windlass import Service, Windlass
from windlass.clock import SystemClock

HERE = Path(__file__).parent
app = Windlass(HERE / "app.db", isolates=1)
clock = SystemClock()
gate = threading.Event()


def note(line: str) -> None:
    with (HERE / "journal").open("a") as journal:
        journal.write(f"{line}\n")


@app.on_start
def begin(service: Service, db: Any) -> None:
    service.on("open", lambda _: gate.set())


@app.job(rate="50/s")
def send() -> None:
    note(str(clock.boot_us()))


@app.job(rate="50/s")
async def asend() -> None:
    note(str(clock.boot_us()))


@app.job(concurrency=2)
def work() -> None:
    note(f"+{os.getpid()}")
    gate.wait()
    note(f"-{os.getpid()}")


@app.job
def block() -> int:
    note(f"+{os.getpid()}")
    gate.wait()
    return os.getpid()

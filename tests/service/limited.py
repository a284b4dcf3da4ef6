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
_journal = os.open(HERE / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
_clock = SystemClock()


@app.on_start
def begin(service: Service, db: Any) -> None:
    service.on("open", lambda _: gate.set())


gate = threading.Event()


@app.job(rate="50/s")
def send() -> None:
    os.write(_journal, b"%d\n" % _clock.boot_us())


@app.job(rate="50/s")
async def asend() -> None:
    os.write(_journal, b"%d\n" % _clock.boot_us())


@app.job(concurrency=2)
def work() -> None:
    os.write(_journal, b"+%d\n" % os.getpid())
    gate.wait()
    os.write(_journal, b"-%d\n" % os.getpid())


@app.job
def block() -> int:
    os.write(_journal, b"+%d\n" % os.getpid())
    gate.wait()
    return os.getpid()

"""An app of which an isolate may come to a halt while it starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.worker.apps import diary
from windlass import Service, Windlass

app = Windlass()


@app.on_start
def halt(service: Service, db: Any) -> None:
    """The first to find this file takes it, and waits at the gate."""
    try:
        Path(os.environ["RIG_FOLDER"], "halt").unlink()
    except FileNotFoundError:
        return
    diary.write("halted", "isolate")
    diary.wait_at("halted")


@app.job
async def agated(name: str) -> int:
    diary.write("start", name)
    await diary.await_at(name)
    return os.getpid()

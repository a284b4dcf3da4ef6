"""A program with a background service: ``program.py start|wait`` in a folder of its own.

Its copy lies in a test's folder, beside its database.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from windlass import Context, Service, Windlass

HERE = Path(__file__).parent
app = Windlass(HERE / "app.db", isolates=1, grace=float(os.environ.get("PROGRAM_GRACE", "30")))


def mark(name: str) -> None:
    (HERE / name).write_text(str(os.getpid()))


@app.on_start
def begin(service: Service, db: Any) -> None:
    if (HERE / "refuse").exists():
        raise RuntimeError("no licence found")
    service.on("where", lambda data: [os.getpid(), data])
    service.on("tell", lambda data: service.send("told", data))
    service.send("started", os.getpid())


@app.job
def add(a: int, b: int) -> int:
    return a + b


@app.job
def block(ctx: Context) -> None:
    """Goes on until its process is killed, however kindly it is asked to stop."""
    mark("blocking")
    threading.Event().wait()


@app.job
def pause(ctx: Context) -> str | None:
    """Goes on until it is asked to stop."""
    mark("pausing")
    ctx.wait_cancelled(60.0)
    return ctx.stop_reason


@app.job
def leave_a_process(ctx: Context) -> int:
    """Starts a process that outlives the job."""
    left = subprocess.Popen(["sleep", "60"], start_new_session=True, close_fds=False)
    left.returncode = 0
    return left.pid


@app.job
def end_service(ctx: Context) -> None:
    ctx.service.stop()


def main() -> None:
    match sys.argv[1:]:
        case ["start"]:
            print(app.service.start(wait=60), flush=True)
        case ["wait"]:
            signal.pause()
        case _:
            raise SystemExit(2)


if __name__ == "__main__":
    main()

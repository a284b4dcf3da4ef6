"""A program whose channel writes to a file beside it, with the process that does so."""

from __future__ import annotations

import os
from pathlib import Path

from windlass import Context, Event, Windlass

HERE = Path(__file__).parent


class File:
    name = "file"

    def show(self, status: object) -> None:
        with (HERE / "wall.txt").open("a") as wall:
            wall.write(f"{os.getpid()} {status}\n")

    def tell(self, event: Event) -> str:
        with (HERE / "told.txt").open("a") as told:
            told.write(f"{os.getpid()} {event}\n")
        return "written"

    def close(self) -> None: ...


def say(ctx: Context, text: str) -> None:
    ctx.notify(text)


def measure(ctx: Context) -> None:
    ctx.progress(1, 2)
    ctx.wait_cancelled(60)


def die() -> None:
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def hang() -> None:
    import threading

    threading.Event().wait(60)


def make(database: Path, *, target: str | None = None) -> Windlass:
    made = Windlass(database, isolates=1, app=target, title="Notes", content="standing by")
    made.job(say)
    made.job(title="Measuring")(measure)
    made.job(max_attempts=1)(die)
    made.job(max_attempts=1, timeout="300ms")(hang)
    return made


app = make(HERE / "app.db")
app.notify_by(File())

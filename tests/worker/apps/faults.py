"""Handlers that go wrong in every way a process knows."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from typing import Any

from tests.worker.apps import diary
from windlass import Context, Windlass
from windlass.backoff import Backoff
from windlass.errors import StoreError

app = Windlass()
SOON = Backoff.linear("1ms", cap="1ms", jitter="none")
_kept: list[bytearray] = []


@app.job
def innocent(name: str = "", wait: bool = False) -> int:
    diary.write("start", name)
    if wait:
        diary.wait_at(name)
    return os.getpid()


@app.job
async def ainnocent(name: str = "") -> int:
    diary.write("start", name)
    await diary.await_at(name)
    return os.getpid()


@app.job(backoff=SOON, max_attempts=5)
def dying(how: str, name: str = "", wait: bool = False) -> None:
    """Ends its process."""
    diary.write("start", name)
    if wait:
        diary.wait_at(name)
    match how:
        case "os._exit":
            os._exit(7)
        case "segfault":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case _:
            os.kill(os.getpid(), signal.SIGKILL)


@app.job
def sometimes_dying(now: bool = False) -> None:
    if now:
        os._exit(7)


@app.job(backoff=SOON, max_attempts=5)
async def adying(name: str = "") -> None:
    diary.write("start", name)
    os._exit(7)


@app.job(backoff=SOON, max_attempts=1)
def raising(what: str) -> Any:
    """Raises or returns what no handler should."""
    match what:
        case "sys.exit":
            sys.exit("enough")
        case "RecursionError":
            return raising(what)
        case "MemoryError":
            return bytearray(1 << 60)
        case "KeyboardInterrupt":
            raise KeyboardInterrupt
        case "an unpicklable exception":
            raise Unpicklable(lambda: None)
        case "an exception without words":
            raise Wordless
        case _:
            return lambda: "not JSON"


class Unpicklable(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("cannot be pickled")


class Wordless(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


@app.job
def holding_the_gil(seconds: float, name: str = "") -> int:
    """A C call that lets no other thread of its process run."""
    diary.write("start", name)
    ctypes.PyDLL(None).usleep(round(seconds * 1_000_000))
    return os.getpid()


@app.job
async def aholding_the_gil(seconds: float, name: str = "") -> int:
    return holding_the_gil(seconds, name)


@app.job
def forking(ctx: Context) -> list[int]:
    """Its child uses the store, which must refuse; the exit codes are the result."""
    assert ctx.job.key == "forking"
    child = os.fork()
    if child == 0:
        try:
            app.jobs.get(ctx.job_id)
        except StoreError as error:
            diary.write("refused", str(error))
            os._exit(3)
        os._exit(0)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]


@app.job
def forking_and_returning() -> str:
    """Its child comes back from the handler, as if it were the isolate."""
    child = os.fork()
    if child == 0:
        return "child"
    diary.write("forked", "child", child=child, code=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return "parent"


@app.job
async def forking_in_a_coroutine() -> str:
    return forking_and_returning()


@app.job(timeout="300ms", max_attempts=1)
def leaving_a_grandchild(name: str) -> None:
    """The grandchild holds every pipe it can, ignores SIGTERM, and is waited for."""
    code = "from signal import *; signal(SIGTERM, SIG_IGN); print(1, flush=True); pause()"
    grandchild = subprocess.Popen([sys.executable, "-c", code], close_fds=False, stdout=subprocess.PIPE)
    assert grandchild.stdout is not None
    grandchild.stdout.readline()
    diary.write("grandchild", name, child=grandchild.pid)
    grandchild.wait()


@app.job
def leaking(megabytes: int) -> int:
    _kept.append(bytearray(os.urandom(1 << 20) * megabytes))
    return os.getpid()


@app.job
async def ending_the_loop() -> int:
    """A stray task ends the event loop that all async jobs share."""

    async def stray() -> None:
        raise SystemExit(3)

    task = asyncio.create_task(stray())
    await asyncio.sleep(0.05)
    return task.exception().code  # type: ignore[union-attr]

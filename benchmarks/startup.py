"""What a program pays before its first line of work: the import, and the command line's start."""

from __future__ import annotations

import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.model import Benchmark, Figure, Measure, Room, Subject, Unavailable, ratio_at_most

REPEATS = 5
SCRIPTS = Path(sysconfig.get_path("scripts"))


def importing(statement: str) -> Subject:
    """Milliseconds that the import takes in a fresh interpreter, as it sees it itself."""
    code = (
        f"import time; start = time.perf_counter(); {statement}; print((time.perf_counter() - start) * 1000)"
    )

    def once() -> float:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(done.stderr.strip().splitlines()[-1])
        return float(done.stdout)

    return _repeated(once)


def running(*command: str) -> Subject:
    """Milliseconds from the start of a process to its end."""

    def once() -> float:
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return (time.perf_counter() - start) * 1000

    return _repeated(once)


def _repeated(once: Callable[[], float]) -> Subject:
    @contextmanager
    def subject(_room: Room) -> Iterator[Measure]:
        once()  # bytecode compiled, files in the cache
        yield lambda: statistics.median(once() for _ in range(REPEATS))

    return subject


BENCHMARKS = [
    Benchmark(
        (Figure("import_ms", "ms", (ratio_at_most(2),)),),
        {
            "windlass": importing("import windlass"),
            "raw": importing("import asyncio, sqlite3"),
            "windlass, from windlass import Windlass": importing("from windlass import Windlass"),
            "huey": importing("import huey"),
            "honker": importing("import honker"),
        },
    ),
    Benchmark(
        (Figure("cli_start_ms", "ms", (ratio_at_most(6),)),),
        {
            "windlass": running(str(SCRIPTS / "windlass"), "--help"),
            "raw": running(sys.executable, "-c", "pass"),
            "huey": running(str(SCRIPTS / "huey_consumer"), "--help"),
        },
    ),
]

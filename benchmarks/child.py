"""One subject's process: set up, then measure each time it is given the floor.

Speaks lines with the runner over stdin and stdout: it says ``ready`` (or why not), hears ``go``, answers a
sample.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from benchmarks.model import Benchmark, Room, Unavailable

PEERS = (
    *("huey", "litequeue", "persistqueue", "honker", "dlt", "duckdb"),
    *("pgqueuer", "procrastinate", "oban", "asyncpg"),
)


def main(module: str, benchmark: str, subject: str, folder: str, quick: str) -> None:
    # Whatever a library prints belongs on stderr: stdout is the runner's.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    # Ended from outside it still unwinds, and takes what it has started with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def say(word: str, value: Any = None) -> None:
        out.write(json.dumps([word, value]) + "\n")

    try:
        chosen = find(module, benchmark).subjects[subject]
        with chosen(Room(Path(folder), quick == "quick")) as measure:
            say("ready")
            for _ in sys.stdin:
                say("sample", measure())
    except Unavailable as reason:
        say("unavailable", str(reason))
    except Exception as error:  # noqa: BLE001 - a failing contender is reported, not hidden
        if isinstance(error, ModuleNotFoundError) and error.name in PEERS:
            say("unavailable", f"{error.name} is not installed")
            return
        traceback.print_exc()
        say("failed", f"{type(error).__name__}: {error}")


def find(module: str, name: str) -> Benchmark:
    """A benchmark by its module and its first figure's name."""
    for benchmark in importlib.import_module(module).BENCHMARKS:
        if benchmark.name == name:
            return benchmark
    raise KeyError(name)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A consumer's process: ``python -m benchmarks.contenders.consuming CONTENDER FOLDER``."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.model import Unavailable

ROOT = Path(__file__).parents[2]


@contextmanager
def spawned(contender: str, folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """The contender's ``consume`` in a process of its own, waiting for work; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.contenders.consuming", contender, str(folder), *options],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            raise Unavailable(f"the consumer of {contender} did not start")
        yield process
    finally:
        process.kill()
        process.wait()


def main(contender: str, folder: str, *options: str) -> None:
    def ready() -> None:
        os.write(1, b"ready\n")
        os.dup2(2, 1)

    importlib.import_module(f"benchmarks.contenders.{contender}").consume(Path(folder), ready, *options)


if __name__ == "__main__":
    main(*sys.argv[1:])

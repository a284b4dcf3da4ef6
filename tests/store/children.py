"""Other programs: real processes that do one thing when they are told to, and say what came of it.

A child's code sees ``path`` (the database), ``hear()`` (the next line it is told, or None at the end) and
``say(text)``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFACE = """
import os, sqlite3, sys
path = sys.argv[1]
def say(text): print(text, flush=True)
def hear():
    line = sys.stdin.readline()
    return line.rstrip("\\n") if line else None
"""
WITH_STORE = """
from windlass.store.protocol import NewJob
from windlass.store import open_store
store = open_store(path)
"""


class Child:
    """A running child."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def tell(self, text: str = "go") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def heard(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(30)
            assert self.process.stderr is not None
            raise AssertionError(f"the child ended ({self.process.returncode}): {self.process.stderr.read()}")
        return line.rstrip("\n")

    def ask(self, text: str = "go") -> str:
        self.tell(text)
        return self.heard()

    def finish(self) -> str:
        """Lets it come to its end; all that it still said."""
        out, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        return out


@contextmanager
def child(path: Path | str, code: str) -> Iterator[Child]:
    """Runs the code in a process of its own, which is killed at the end of the block at the latest."""
    command = [sys.executable, "-c", PREFACE + code, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield Child(process)
        finally:
            process.kill()


def run(path: Path, code: str) -> list[str]:
    """Runs the code to its end; the lines it said."""
    with child(path, code) as one:
        return one.finish().splitlines()

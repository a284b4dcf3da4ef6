"""Starts ``replay`` and ``faults`` in a Python whose ``apsw`` and ``sqlite3`` are one SQLite."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"
SYSTEM_VENV = ROOT / ".venv-system" / "bin" / "python"
"""Made by dev.py of the system's Python: it sees the system's apsw."""

SHARES_SQLITE = """
import apsw, sqlite3, sys
assert sys.version_info >= (3, 11), f"Python {sys.version.split()[0]} is older than 3.11"
class Probe(apsw.VFS):
    def __init__(self): super().__init__("probe", "unix")
probe = Probe()
sqlite3.connect("file:probe?vfs=probe&mode=memory", uri=True).close()
"""
"""Fails where the two modules carry two SQLites: then ``sqlite3`` knows no VFS of that name."""


class CannotReplay(Exception):
    """Something that the replay needs is not on this machine."""


@dataclass(frozen=True)
class Found:
    """What one script's power cuts left."""

    script: str
    operations: int
    cuts: int
    images: int
    reopened: int
    losses: list[str]
    contradictions: list[str]
    damages: list[str]

    @property
    def faults(self) -> list[str]:
        return [*self.losses, *self.contradictions, *self.damages]


@dataclass(frozen=True)
class Voyages:
    """What was said of one kind of fault, wherever it struck."""

    fault: str
    length: int
    voyages: int
    errors: dict[str, int]
    wrong: list[str]


def replay(*arguments: str) -> Iterator[Found]:
    """Runs ``replay`` with these arguments; yields each script's result as it comes."""
    return (Found(**told) for told in _talk("tests.powercut.replay", *arguments))


def faults(*arguments: str) -> Iterator[Voyages]:
    """Runs ``faults`` with these arguments; yields each fault's result as it comes."""
    return (Voyages(**told) for told in _talk("tests.powercut.faults", *arguments))


def _talk(module: str, *arguments: str) -> Iterator[dict[str, Any]]:
    """Runs a module in the system's Python, which answers in lines of JSON.

    Raises:
        CannotReplay: no apsw, or not one that shares its SQLite with ``sqlite3``.
    """
    python, path = interpreter()
    command = [python, "-m", module, *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env=_environment(path), stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            yield json.loads(line)
    if child.returncode != 0:
        raise CannotReplay(f"{module} itself failed with exit code {child.returncode}")


def interpreter() -> tuple[str, list[str]]:
    """A Python whose apsw and sqlite3 are one SQLite, and where it finds the tests and Windlass."""
    path = [str(ROOT), str(ROOT / "src")]
    if SYSTEM_VENV.exists():
        python = str(SYSTEM_VENV)
    else:
        # Started by hand, without dev.py: what Windlass needs is borrowed from here, if it fits.
        python = SYSTEM_PYTHON
        spec = importlib.util.find_spec("msgspec")
        path += [str(Path(spec.origin).parents[1])] if spec is not None and spec.origin is not None else []
    for what, probe in (
        ("an apsw that shares its SQLite with sqlite3", SHARES_SQLITE),
        ("msgspec", "import msgspec"),
    ):
        told = subprocess.run([python, "-c", probe], env=_environment(path), capture_output=True, text=True)
        if told.returncode != 0:
            raise CannotReplay(
                f"{python} lacks {what}: python3 dev.py setup provides it, by Debian's python3-apsw, where "
                f"it may install packages\n{told.stderr}"
            )
    return python, path


def _environment(path: list[str]) -> dict[str, Any]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}

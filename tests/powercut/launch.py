"""Starts ``replay`` and ``faults`` in a Python whose ``apsw`` and ``sqlite3`` are one SQLite."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"

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
    path = search_path()
    command = [SYSTEM_PYTHON, "-m", module, *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env=_environment(path), stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            yield json.loads(line)
    if child.returncode != 0:
        raise CannotReplay(f"{module} itself failed with exit code {child.returncode}")


def search_path() -> list[str]:
    """Where the other Python finds the tests, Windlass and what Windlass needs."""
    probe = _run(SYSTEM_PYTHON, "-c", SHARES_SQLITE)
    if probe.returncode != 0:
        raise CannotReplay(
            f"{SYSTEM_PYTHON} needs an apsw that uses the same SQLite library as its sqlite3 module: "
            f"install Debian's python3-apsw (python3 dev.py setup does, as root)\n{probe.stderr}"
        )
    ours = [str(ROOT), str(ROOT / "src")]
    spec = importlib.util.find_spec("msgspec")
    if spec is None or spec.origin is None:
        raise CannotReplay("msgspec is not installed here: run python3 dev.py setup")
    for packages in (str(Path(spec.origin).parents[1]), str(_installed_apart())):
        if _run(SYSTEM_PYTHON, "-c", "import msgspec", path=[packages]).returncode == 0:
            return [*ours, packages]
        # Compiled for another Python than the system's: get one of its own, once.
        _install_apart()
    raise CannotReplay(f"msgspec cannot be imported by {SYSTEM_PYTHON}")


def _installed_apart() -> Path:
    return ROOT / ".tools" / "powercut"


def _install_apart() -> None:
    target = _installed_apart()
    if target.exists():
        return
    version = _run(SYSTEM_PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").stdout.strip()
    pip = next(
        (str(python) for python in (ROOT / ".tools/bin/python", Path(sys.executable)) if python.exists()),
        sys.executable,
    )
    wanted = f"msgspec=={importlib.metadata.version('msgspec')}"
    options = [
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        f"--python-version={version}",
        f"--target={target}",
    ]
    done = _run(pip, "-m", "pip", "install", *options, wanted)
    if done.returncode != 0:
        raise CannotReplay(f"msgspec for {SYSTEM_PYTHON} cannot be installed:\n{done.stderr}")


def _run(*command: str, path: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=_environment(path or []), capture_output=True, text=True)


def _environment(path: list[str]) -> dict[str, Any]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}

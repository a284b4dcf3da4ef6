"""How ``dev.py`` runs programs: in an environment of its own, loudly only when they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from dev_parts import ROOT, TOOLS


class Failed(Exception):
    """A step that did not work; the message says what to do."""


def works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def python(venv: Path) -> str:
    return program(venv, "python")


def program(venv: Path, name: str) -> str:
    return str(venv / "bin" / name)


def uv() -> str:
    return program(TOOLS, "uv")


def newer_python(least: tuple[int, int]) -> str | None:
    """A Python of this version or a newer one: the one that runs this, else the oldest that is found."""
    names = [f"python3.{minor}" for minor in range(least[1], least[1] + 4)]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = [str(found) for name in names for found in sorted(versions.glob(f"*/bin/{name}"))]
    there = [found for name in names if (found := shutil.which(name)) is not None]
    test = f"import sys; sys.exit(sys.version_info < {least})"
    return next((one for one in (sys.executable, *there, *kept) if works([one, "-c", test])), None)


def run(command: list[str], *, why: str) -> None:
    """A step that must work; its output is shown only when it does not."""
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{why} failed:\n$ {' '.join(command)}\n{done.stdout}{done.stderr}")


def call(command: list[str]) -> int:
    """A step whose output is the point; gives its exit code."""
    sys.stdout.flush()
    return subprocess.run(command, cwd=ROOT, env=environment()).returncode


def call_quietly(command: list[str]) -> int:
    """A step whose output matters only when it fails; gives its exit code."""
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    if done.returncode:
        print(done.stdout + done.stderr, end="", flush=True)
    return done.returncode


def become(command: list[str]) -> NoReturn:
    """The last step: signals and the exit code are the program's own, with nobody in between."""
    sys.stdout.flush()
    os.chdir(ROOT)
    os.execve(command[0], command, environment())


def environment() -> dict[str, str]:
    """Without what would point Python or uv at another environment or another Python."""
    foreign = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return kept | {"UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "1"}


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


def refuse(arguments: list[str], verb: str) -> None:
    if arguments:
        raise Failed(f"{verb} takes no argument {arguments[0]!r}")


def say(text: str) -> None:
    """On stderr: stdout belongs to what is run, which may print JSON."""
    sys.stdout.flush()
    print(f"dev.py: {text}", file=sys.stderr, flush=True)

#!/usr/bin/env python3
"""Everything a contributor does, in one command: ``python3 dev.py VERB``.

Needs nothing but Python 3.11 or newer: each verb first sets up what it lacks, inside this folder, from
the locks in requirements/ (every file checked against its hash), and skips that when nothing changed.

    .tools        holds uv, the installer
    .venv         holds Windlass (editable) and what runs it; tests and linters are added on first need
    .venv-bench   holds Windlass and the libraries it is measured against
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # before anything that an older Python cannot read
    sys.exit("Windlass needs Python 3.11 or newer; this is %d.%d: run dev.py with another python3" % sys.version_info[:2])

import argparse
import ast
import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LOCKS = ROOT / "requirements"
TOOLS, VENV, BENCH_VENV = ROOT / ".tools", ROOT / ".venv", ROOT / ".venv-bench"
BIN = "Scripts" if os.name == "nt" else "bin"

MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 70

# name of the lock → what uv resolves it from. A lock named later agrees with those named earlier.
LOCK_INPUTS: dict[str, list[str]] = {
    "tools": ["--group", "tools"],
    "dev": ["pyproject.toml", "--extra", "cli", "--group", "dev"],
    "run": ["pyproject.toml", "--extra", "cli", "--group", "run", "--constraints", "requirements/dev.txt"],
    "bench": ["pyproject.toml", "--extra", "cli", "--group", "bench", "--constraints", "requirements/dev.txt"],
}

# Debian package → the command that shows it is there. Tests that need one fail without it.
SYSTEM_PARTS: dict[str, list[str]] = {
    # The power-cut tests put a fault-injecting VFS under the same SQLite library that the store uses.
    "python3-apsw": ["/usr/bin/python3", "-c", "import apsw"],
    # The contract is a plain INSERT from any language: the tests issue it from the SQLite shell.
    "sqlite3": ["sqlite3", "--version"],
}


class Failed(Exception):
    """A step that did not work; the message says what to do."""


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dev.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (verb, takes_rest) in VERBS.items():
        sub = verbs.add_parser(name, help=summary(verb), description=verb.__doc__, add_help=not takes_rest)
        if name == "test":
            sub.add_argument("--quick", action="store_true", help="skip the linters")
        if name == "lock":
            sub.add_argument("--upgrade", action="store_true", help="take the newest versions allowed")
    options, rest = parser.parse_known_args(argv)
    verb, takes_rest = VERBS[options.verb]
    if rest and not takes_rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return verb(options, rest)
    except Failed as failure:
        return complain(str(failure))
    except KeyboardInterrupt:
        return 130


# ── verbs ────────────────────────────────────────────────────────────────────────────────────────
def setup(options: argparse.Namespace, rest: list[str]) -> int:
    """Make .venv with Windlass (editable), its tests' and linters' needs."""
    ensure_venv(VENV, "dev")
    say(f"ready: {VENV.relative_to(ROOT)} with {platform.python_implementation()} {platform.python_version()}")
    return 0


def demo(options: argparse.Namespace, rest: list[str]) -> int:
    """Run the demonstration: a background service under fire (arguments go to `windlass demo`)."""
    ensure_venv(VENV, "run")
    return call([program(VENV, "windlass"), "demo", *rest])


def test(options: argparse.Namespace, rest: list[str]) -> int:
    """Lint, then run the tests (further arguments go to pytest; --quick skips the linters)."""
    ensure_venv(VENV, "dev")
    ensure_system_parts()
    if not options.quick and lint_all():
        return complain("the linters found something, so the tests were not run (--quick runs them alone)")
    workers = [] if any(word.startswith(("-n", "--numprocesses")) for word in rest) else ["-n", str(cores())]
    return call([python(VENV), "-m", "pytest", *workers, "--dist", "worksteal", *rest])


def lint(options: argparse.Namespace, rest: list[str]) -> int:
    """Check style, format, types, layers and house rules."""
    ensure_venv(VENV, "dev")
    return lint_all()


def fix(options: argparse.Namespace, rest: list[str]) -> int:
    """Let ruff repair and format what it can."""
    ensure_venv(VENV, "dev")
    ruff = program(VENV, "ruff")
    return call([ruff, "check", "--fix", *rest]) | call([ruff, "format", *rest])


def bench(options: argparse.Namespace, rest: list[str]) -> int:
    """Measure Windlass beside raw sqlite3 and other queues (arguments go to benchmarks/)."""
    ensure_venv(BENCH_VENV, "bench")
    return call([python(BENCH_VENV), "-m", "benchmarks", *rest])


def storm(options: argparse.Namespace, rest: list[str]) -> int:
    """Kill the service thousands of times and check that nothing is lost (arguments go to tests/storm)."""
    ensure_venv(VENV, "dev")
    return call([python(VENV), "-m", "tests.storm", *rest])


def lock(options: argparse.Namespace, rest: list[str]) -> int:
    """Resolve pyproject.toml into the locks again (--upgrade takes newer versions)."""
    ensure_tools()
    LOCKS.mkdir(exist_ok=True)
    for name, inputs in LOCK_INPUTS.items():
        resolve = [uv(), "pip", "compile", *inputs, "--universal", "--generate-hashes", "--python-version", "3.11"]
        resolve += ["--no-emit-index-url", "--no-emit-find-links", "--no-strip-extras", "--quiet"]
        resolve += ["--custom-compile-command", "python3 dev.py lock", "--output-file", f"requirements/{name}.txt"]
        run([*resolve, *(["--upgrade"] if options.upgrade else [])], why=f"resolving requirements/{name}.txt")
        say(f"wrote requirements/{name}.txt")
    return 0


VERBS: dict[str, tuple[Callable[[argparse.Namespace, list[str]], int], bool]] = {
    "setup": (setup, False),
    "demo": (demo, True),
    "test": (test, True),
    "lint": (lint, False),
    "fix": (fix, True),
    "bench": (bench, True),
    "storm": (storm, True),
    "lock": (lock, False),
}
"""Each verb, and whether it passes on arguments that it does not know."""


# ── environments ─────────────────────────────────────────────────────────────────────────────────
def ensure_tools() -> None:
    """A small environment with nothing but the pinned installer."""
    with turn():
        stamp = Stamp(TOOLS, LOCKS / "tools.txt")
        if stamp.is_fresh():
            return
        say("setting up the installer in .tools")
        make_venv(TOOLS)
        pip = [python(TOOLS), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        run([*pip, "--require-hashes", "-r", str(LOCKS / "tools.txt")], why="installing uv")
        stamp.write()


def ensure_venv(venv: Path, lock_name: str) -> None:
    """The environment of a lock, with Windlass itself editable in it."""
    ensure_tools()
    with turn():
        packages, all_packages = Stamp(venv, LOCKS / f"{lock_name}.txt"), Stamp(venv, LOCKS / "dev.txt")
        if not packages.is_fresh() and not (lock_name == "run" and all_packages.is_fresh()):
            say(f"installing requirements/{lock_name}.txt into {venv.name}")
            forget_stamps(venv)
            if not is_of_this_python(venv):
                run([uv(), "venv", "--clear", "--python", sys.executable, str(venv)], why=f"making {venv.name}")
            install(venv, "sync", "--require-hashes", str(packages.source))
            packages.write()
        windlass = Stamp(venv, ROOT / "pyproject.toml")
        if not windlass.is_fresh():
            install(venv, "install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
            windlass.write()


def install(venv: Path, verb: str, *arguments: str) -> None:
    command = [uv(), "pip", verb, "--quiet", "--python", python(venv), "--strict", *arguments]
    run(command, why=f"installing into {venv.name}")


class Stamp:
    """A file in an environment that says what was installed there, so that it need not be again."""

    def __init__(self, venv: Path, source: Path) -> None:
        self.venv, self.source = venv, source
        self.path = venv / f"dev-{source.stem}.stamp"

    def wanted(self) -> str:
        text = self.source.read_text(encoding="utf-8")
        if self.source.name == "pyproject.toml":
            # Only what decides the install: a change of a linter's settings must not cost a reinstall.
            tables = tomllib.loads(text)
            text = repr([tables["build-system"], tables["project"], tables["tool"]["hatch"]])
        return hashlib.sha256(f"{self.venv}\0{text}".encode()).hexdigest()

    def is_fresh(self) -> bool:
        if not self.path.exists() or not is_of_this_python(self.venv):
            return False
        return self.path.read_text(encoding="utf-8") == self.wanted()

    def write(self) -> None:
        self.path.write_text(self.wanted(), encoding="utf-8")


def forget_stamps(venv: Path) -> None:
    """Before anything is replaced: an install that is interrupted must not look finished."""
    for stamp in venv.glob("dev-*.stamp"):
        stamp.unlink()


def is_of_this_python(venv: Path) -> bool:
    settings = venv / "pyvenv.cfg"
    if not settings.exists() or not Path(python(venv)).exists():
        return False
    return f"= {platform.python_version()}\n" in settings.read_text(encoding="utf-8") + "\n"


def make_venv(venv: Path) -> None:
    """With pip in it, by the standard library alone."""
    shutil.rmtree(venv, ignore_errors=True)
    venv.parent.mkdir(exist_ok=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True)
    if made.returncode and "ensurepip" in made.stdout + made.stderr and can_apt():
        apt_install(["python3-venv"])  # Debian ships Python's own venv module apart
        made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True)
    if made.returncode:
        raise Failed(f"making {venv.name} failed:\n{made.stdout}{made.stderr}")


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """Two runs of dev.py at once must not install into one environment: the second waits."""
    if os.name == "nt":
        yield
        return
    import fcntl

    with Path(__file__).open("rb") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


# ── what the system must bring ───────────────────────────────────────────────────────────────────
def ensure_system_parts() -> None:
    missing = [name for name, command in SYSTEM_PARTS.items() if not works(command)]
    if missing and can_apt():
        say(f"installing {', '.join(missing)} with apt-get")
        apt_install(missing)
        missing = [name for name in missing if not works(SYSTEM_PARTS[name])]
    if missing:
        names = " ".join(missing)
        complain(f"tests that need {names} will fail: install it (on Debian and its kin: apt-get install {names})")


def can_apt() -> bool:
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def apt_install(packages: list[str]) -> None:
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    fetch = ["apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", *packages]
    # An old package list names files that are gone: then, and only then, a new one is fetched.
    if subprocess.run(fetch, env=quiet, capture_output=True).returncode:
        run(["apt-get", "update", "--quiet=2"], why="updating the package list")
        run(fetch, why=f"installing {' '.join(packages)}", env=quiet)


def works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


# ── linters ──────────────────────────────────────────────────────────────────────────────────────
def lint_all() -> int:
    ruff = program(VENV, "ruff")
    # pyright's wrapper must neither look for a newer pyright nor fetch one, nor a node of its own.
    hermetic = {name: value for name, value in os.environ.items() if not name.startswith("PYRIGHT_PYTHON_")}
    hermetic |= {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "PYRIGHT_PYTHON_GLOBAL_NODE": "0"}
    found = 0
    for name, step in {
        "style": lambda: call([ruff, "check", "--quiet"]),
        "format": lambda: call([ruff, "format", "--check", "--quiet"]),
        "house rules": house_rules,
        "layers": lambda: call([program(VENV, "lint-imports"), "--no-cache"], quiet_success=True),
        "types": lambda: call([program(VENV, "pyright"), "--pythonpath", python(VENV)], env=hermetic, quiet_success=True),
    }.items():
        begun = time.monotonic()
        failed = step()
        say(f"{name}: {'FAILED' if failed else 'ok'} ({time.monotonic() - begun:.1f}s)")
        found += bool(failed)
    return min(found, 1)


def house_rules() -> int:
    faults = [fault for path in sorted(ROOT.glob("src/**/*.py")) for fault in faults_of(path)]
    for fault in faults:
        print(fault)
    return len(faults)


def faults_of(path: Path) -> Iterator[str]:
    """What the house does not want in a file of src/, one line each."""
    name, text = path.relative_to(ROOT), path.read_text(encoding="utf-8")
    if path.name == "utils.py":
        yield f"{name}: a drawer for anything: name the file after what is in it"
    if (lines := text.count("\n")) > MAX_FILE_LINES:
        yield f"{name}: {lines} lines, more than {MAX_FILE_LINES}: split it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {lines} lines, more than {MAX_FUNCTION_LINES}: split it"


# ── running programs ─────────────────────────────────────────────────────────────────────────────
def python(venv: Path) -> str:
    return program(venv, "python")


def program(venv: Path, name: str) -> str:
    return str(venv / BIN / (name + (".exe" if os.name == "nt" else "")))


def uv() -> str:
    return program(TOOLS, "uv")


def run(command: list[str], *, why: str, env: dict[str, str] | None = None) -> None:
    """A step that must work; its output is shown only when it does not."""
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(env), capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{why} failed:\n$ {' '.join(command)}\n{done.stdout}{done.stderr}")


def call(command: list[str], *, env: dict[str, str] | None = None, quiet_success: bool = False) -> int:
    """A step whose output is the point; returns its exit code."""
    sys.stdout.flush()
    if not quiet_success:
        return subprocess.run(command, cwd=ROOT, env=clean_environment(env)).returncode
    done = subprocess.run(command, cwd=ROOT, env=clean_environment(env), capture_output=True, text=True)
    if done.returncode:
        print(done.stdout + done.stderr, end="")
    return done.returncode


def clean_environment(env: dict[str, str] | None) -> dict[str, str]:
    """Without what would point Python or uv at another environment or another Python."""
    unwanted = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON", "CONDA_PREFIX")
    kept = {name: value for name, value in (env or dict(os.environ)).items() if name not in unwanted}
    return kept | {"UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "1"}


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


def summary(verb: Callable[..., int]) -> str:
    return (verb.__doc__ or "").strip().splitlines()[0]


def say(text: str) -> None:
    print(f"dev.py: {text}", flush=True)


def complain(text: str) -> int:
    sys.stdout.flush()
    print(f"dev.py: {text}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

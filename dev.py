#!/usr/bin/env python3
"""Everything a contributor does, in one command: ``python3 dev.py VERB``.

Needs nothing but Python 3.11 or newer: each verb first sets up what it lacks, inside this folder, from
the locks in requirements/ (every file checked against its hash), and skips that when nothing changed.

    .tools        holds uv, the installer
    .venv         holds Windlass (editable) and what runs it; tests and linters are added on first need
    .venv-bench   holds Windlass and the libraries it is measured against
                  (those that need a newer Python than yours: .venv-bench-newer, where there is one)
    .venv-system  holds Windlass for the system's own Python, whose apsw and sqlite3 share one SQLite
    .venv-servers holds the real servers that sync is tested with, and no Windlass
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - said before anything that an older Python cannot import
    sys.exit(f"Windlass needs Python 3.11 or newer, this is {sys.version.split()[0]}: use another python3")

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import time
import tomllib
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from dev_parts import (
    BENCH_VENV,
    LOCK_INPUTS,
    NEWER_VENV,
    ROOT,
    SERVERS_VENV,
    SYSTEM_PARTS,
    SYSTEM_PYTHON,
    SYSTEM_VENV,
    TOOLS,
    VENV,
)
from dev_running import (
    Failed,
    become,
    call,
    call_quietly,
    cores,
    newer_python,
    program,
    python,
    refuse,
    run,
    say,
    uv,
    works,
)


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__)
        for name, verb in VERBS.items():
            print(f"    {name:10}{(verb.__doc__ or '').strip()}")
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in VERBS:
        say(f"there is no verb {name!r}: expected one of {', '.join(VERBS)}")
        return 2
    try:
        return VERBS[name](rest)
    except Failed as failure:
        say(str(failure))
        return 1
    except KeyboardInterrupt:
        return 130


# ── verbs ────────────────────────────────────────────────────────────────────────────────────────
def setup(arguments: list[str]) -> int:
    """Install all that tests and linters need, and Windlass itself, editable."""
    refuse(arguments, "setup")
    ensure_all_for_tests()
    say(f"ready: {VENV.name} with Python {platform.python_version()}")
    return 0


def demo(arguments: list[str]) -> int:
    """Show a background service under fire (arguments go to `windlass demo`)."""
    ensure_venv(VENV, "run")
    return become([program(VENV, "windlass"), "demo", *arguments])


def test(arguments: list[str]) -> int:
    """Lint, then run the tests (--quick: no linters; other arguments go to pytest)."""
    ensure_all_for_tests()
    rest = [word for word in arguments if word != "--quick"]
    if rest == arguments and lint([]):
        say("the linters found something, so the tests were not run (--quick runs them alone)")
        return 1
    parallel = [] if any(word.startswith(("-n", "--numprocesses")) for word in rest) else ["-n", str(cores())]
    return become([python(VENV), "-m", "pytest", "--dist", "worksteal", *parallel, *rest])


def lint(arguments: list[str]) -> int:
    """Check style, format, house rules, layers and types."""
    refuse(arguments, "lint")
    ensure_venv(VENV, "dev")
    found = 0
    for name, step in LINTERS.items():
        begun = time.monotonic()
        failed = step()
        say(f"{name}: {'FAILED' if failed else 'ok'} ({time.monotonic() - begun:.1f} s)")
        found += bool(failed)
    return min(found, 1)


def fix(arguments: list[str]) -> int:
    """Let ruff repair and format what it can (arguments are files; all by default)."""
    ensure_venv(VENV, "dev")
    ruff = program(VENV, "ruff")
    call([ruff, "check", "--fix-only", "--quiet", *arguments])
    return call([ruff, "format", *arguments])


def bench(arguments: list[str]) -> int:
    """Measure Windlass beside raw sqlite3 and other queues (arguments go to benchmarks/)."""
    ensure_venv(BENCH_VENV, "bench")
    try_to_add(BENCH_VENV, "bench-optional")
    newer = newer_python((3, 12))
    if newer is not None:
        try:
            ensure_venv(NEWER_VENV, "bench-newer", interpreter=newer)
            os.environ["BENCH_NEWER_PYTHON"] = python(NEWER_VENV)
        except Failed as failure:
            say(f"going on without {NEWER_VENV.name}: {failure}")
    return become([python(BENCH_VENV), "-m", "benchmarks", *arguments])


def storm(arguments: list[str]) -> int:
    """Kill the service again and again; is anything lost? (arguments go to tests/storm)"""
    ensure_venv(VENV, "dev")
    return become([python(VENV), "-m", "tests.storm", *arguments])


def simulate(arguments: list[str]) -> int:
    """Let years of schedules pass on a virtual clock (arguments go to tests/simulate)."""
    ensure_venv(VENV, "dev")
    return become([python(VENV), "-m", "tests.simulate", *arguments])


def scale(arguments: list[str]) -> int:
    """Measure what PostgreSQL spends on a job, and simulate a thousand hosts (arguments: see --help)."""
    ensure_venv(VENV, "dev")
    return become([python(VENV), "-m", "benchmarks.scale", *arguments])


def fuzz(arguments: list[str]) -> int:
    """Send the dashboard's API thousands of strange requests (arguments go to tests/web/fuzz)."""
    ensure_venv(VENV, "dev")
    ensure_front_end()
    return become([python(VENV), "-m", "tests.web.fuzz", *arguments])


def screens(arguments: list[str]) -> int:
    """Photograph every page of the dashboard (the argument is a folder; dist/screens by default)."""
    ensure_all_for_tests()
    return become([python(VENV), "-m", "tests.web.screens", *arguments])


def live(arguments: list[str]) -> int:
    """Measure how long after a commit the dashboard's page shows it (the argument: how many changes)."""
    ensure_all_for_tests()
    return become([python(VENV), "-m", "tests.web.live", *arguments])


def lock(arguments: list[str]) -> int:
    """Resolve pyproject.toml and frontend/package.json into their locks again (--upgrade: newer versions)."""
    refuse([word for word in arguments if word != "--upgrade"], "lock")
    ensure_tools()
    # The oldest Python that Windlass runs on: the lock's markers cover the newer ones.
    options = "--quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras"
    options += " --no-emit-index-url --no-emit-find-links"
    for name, inputs in LOCK_INPUTS.items():
        target = f"requirements/{name}.txt"
        command = [uv(), "pip", "compile", *options.split(), *inputs.split(), "--output-file", target]
        command += ["--custom-compile-command", "python3 dev.py lock", *arguments]
        run(command, why=f"resolving {target}")
        say(f"wrote {target}")
    run([sys.executable, "frontend/build.py", "--lock"], why="resolving frontend/package-lock.json")
    say("wrote frontend/package-lock.json")
    return 0


VERBS: dict[str, Callable[[list[str]], int]] = {
    verb.__name__: verb
    for verb in (setup, demo, test, lint, fix, bench, storm, simulate, scale, fuzz, screens, live, lock)
}


# ── environments ─────────────────────────────────────────────────────────────────────────────────
def ensure_tools() -> None:
    """A small environment with nothing but the pinned installer."""
    with turn():
        stamp = Stamp(TOOLS, "tools", lock_text("tools"), identity(sys.executable))
        if stamp.is_fresh():
            return
        say("setting up the installer in .tools")
        make = [sys.executable, "-m", "venv", "--clear", str(TOOLS)]
        if not works(make) and can_apt():
            apt_install(["python3-venv"])  # Debian ships a part of Python's own venv module apart
        run(make, why="making .tools")
        pip = [python(TOOLS), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        run([*pip, "--require-hashes", "-r", "requirements/tools.txt"], why="installing uv")
        stamp.write()


def ensure_venv(venv: Path, lock_name: str, *, interpreter: str = sys.executable) -> None:
    """The environment of a lock, with Windlass itself editable in it (but where only others are)."""
    ensure_tools()
    with turn():
        born = Stamp(venv, "python", identity(interpreter))
        if not born.is_fresh():
            make = [uv(), "venv", "--clear", "--python", interpreter, str(venv)]
            run(
                [*make, *(["--system-site-packages"] if venv == SYSTEM_VENV else [])],
                why=f"making {venv.name}",
            )
            born.write()
        packages, all_packages = (Stamp(venv, name, lock_text(name)) for name in (lock_name, "dev"))
        if not packages.is_fresh() and not (lock_name == "run" and all_packages.is_fresh()):
            say(f"installing requirements/{lock_name}.txt into {venv.name}")
            for stale in set(venv.glob("dev-*.stamp")) - {born.path}:
                stale.unlink()  # first: an install that is interrupted must not look finished
            install(venv, "sync", "--require-hashes", f"requirements/{lock_name}.txt")
            packages.write()
        if venv in (SERVERS_VENV, NEWER_VENV):
            return
        # Only what decides the install: a change of a linter's settings must not cost a new one.
        tables = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        windlass = Stamp(venv, "windlass", repr([tables["build-system"], tables["project"]]))
        if not windlass.is_fresh():
            install(venv, "install", "--no-deps", "--no-build-isolation", "--editable", ".")
            windlass.write()


def try_to_add(venv: Path, lock_name: str) -> None:
    """What is ready-made for this system, and no harm where it is not: tried once."""
    with turn():
        stamp = Stamp(venv, lock_name, lock_text(lock_name))
        if stamp.is_fresh():
            return
        try:
            ready_made = ["--only-binary", ":all:", "--require-hashes", "-r", f"requirements/{lock_name}.txt"]
            install(venv, "install", *ready_made)
        except Failed as failure:
            say(f"going on without requirements/{lock_name}.txt: {failure}")
        stamp.write()


def install(venv: Path, verb: str, *arguments: str) -> None:
    command = [uv(), "pip", verb, "--quiet", "--python", python(venv), "--strict", *arguments]
    run(command, why=f"installing into {venv.name}")


class Stamp:
    """A file in an environment that tells from what a part of it was made, so that it is not made again."""

    def __init__(self, venv: Path, name: str, *facts: str) -> None:
        self.path = venv / f"dev-{name}.stamp"
        self.wanted = hashlib.sha256("\0".join([str(venv), *facts]).encode()).hexdigest()

    def is_fresh(self) -> bool:
        return self.path.exists() and self.path.read_text(encoding="utf-8") == self.wanted

    def write(self) -> None:
        self.path.write_text(self.wanted, encoding="utf-8")


def lock_text(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def identity(interpreter: str) -> str:
    """Changes with every upgrade of that Python."""
    path = Path(interpreter).resolve()
    return f"{path} {path.stat().st_mtime_ns}"


@contextlib.contextmanager
def turn() -> Generator[None]:
    """Two runs of dev.py at once must not install into one environment: the second waits."""
    with Path(__file__).open("rb") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def ensure_all_for_tests() -> None:
    ensure_venv(VENV, "dev")
    ensure_system_parts()
    if works(SYSTEM_PARTS["python3-apsw"]):
        ensure_venv(SYSTEM_VENV, "run", interpreter=SYSTEM_PYTHON)
    ensure_venv(SERVERS_VENV, "servers")
    ensure_front_end()


def ensure_front_end() -> None:
    """The dashboard's pages, built from frontend/ if they are not yet."""
    with turn():
        run([python(VENV), "frontend/build.py"], why="building the dashboard's pages")


# ── what the system must bring ───────────────────────────────────────────────────────────────────
def ensure_system_parts() -> None:
    missing = [name for name, command in SYSTEM_PARTS.items() if not works(command)]
    if missing and can_apt():
        say(f"installing {', '.join(missing)} with apt-get")
        try:
            apt_install(missing)
        except Failed as failure:
            say(str(failure))
        missing = [name for name in missing if not works(SYSTEM_PARTS[name])]
    if missing:
        names = " ".join(missing)
        say(f"tests that need {names} will fail: install it (where there is apt-get: as root, by it)")


def can_apt() -> bool:
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def apt_install(packages: list[str]) -> None:
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    install_them = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    # A machine's package list may be absent or name files that are gone: then it is fetched first.
    if not works(install_them):
        run(["apt-get", "update"], why="fetching the package list")
        run(install_them, why=f"installing {' '.join(packages)}")


# ── linters ──────────────────────────────────────────────────────────────────────────────────────
def style() -> int:
    return call([program(VENV, "ruff"), "check", "--quiet", "--output-format", "concise"])


def form() -> int:
    return call([program(VENV, "ruff"), "format", "--quiet", "--check", "--output-format", "concise"])


def layers() -> int:
    return call_quietly([program(VENV, "lint-imports"), "--no-cache"])


def types() -> int:
    # pyright's wrapper must neither look for a newer pyright nor fetch one, nor take another node.
    os.environ |= {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "PYRIGHT_PYTHON_GLOBAL_NODE": "0"}
    for name in ("FORCE_VERSION", "PYLANCE_VERSION", "NODE_VERSION"):
        os.environ.pop(f"PYRIGHT_PYTHON_{name}", None)
    return call_quietly([program(VENV, "pyright"), "--pythonpath", python(VENV)])


def front_end_types() -> int:
    with turn():
        return call_quietly([python(VENV), "frontend/build.py", "--check"])


def house_rules() -> int:
    return call([python(VENV), "-m", "tests.house"])


LINTERS: dict[str, Callable[[], int]] = {
    "style": style,
    "format": form,
    "house rules": house_rules,
    "layers": layers,
    "types": types,
    "front end": front_end_types,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

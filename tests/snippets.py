"""What stands in fences on a page of the docs, and what becomes of it when it is run.

Every page gets an empty folder of its own, and its fences are run in their order:

``python``         in one namespace for the whole page. With a first line ``# name.py`` it is written to that
                   file; with a ``__main__`` guard it is also run as a script, and a ``test_….py`` by pytest.
``sql``            on the page's ``app.db``, by a process that knows nothing of Windlass.
``toml``           written to the file of its first line, ``# name.toml``; always parsed.
``json``           parsed.
``console``        lines with ``$`` are run where the fence shows any output, else only looked at.
``sh``             only looked at.
``text``           right after ``python``: what that prints. ``…`` stands for anything, alone in its line for
                   any lines. Elsewhere it is a picture.

Whatever service a page leaves running is stopped at its end.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple, Self

from windlass.platform import is_locked

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 40.0

_FENCE = re.compile(r"^```(?P<info>\S*)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (?P<name>[\w.-]+\.(?:py|toml))\n")
_GUARD = re.compile(r'^if __name__ == "__main__":', re.MULTILINE)


class Fence(NamedTuple):
    """One fenced block: what it is, what is in it, and the line it begins at."""

    info: str
    body: str
    line: int
    shows: str = ""
    """What the page says it prints."""

    @property
    def file(self) -> str | None:
        """The file it is to be written to."""
        named = _FILE.match(self.body)
        if named:
            return named["name"]
        return "app.py" if self.info == "python" and self.is_script else None

    @property
    def is_script(self) -> bool:
        """It does something when it is run."""
        return _GUARD.search(self.body) is not None


class Wrong(AssertionError):
    """A fence that is not what it seems."""


def fences(page: Path) -> list[Fence]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = list(_FENCE.finditer(text))
    blocks: list[Fence] = []
    for this, following in zip_longest(found, found[1:]):
        shows = ""
        if this["info"] == "console" and any(not line.startswith("$ ") for line in _joined(this["body"])):
            shows = this["body"]
        elif this["info"] == "python" and following is not None and following["info"] == "text":
            adjacent = not text[this.end() : following.start()].strip()
            shows = following["body"] if adjacent else ""
        blocks.append(Fence(this["info"], this["body"], text.count("\n", 0, this.start()) + 1, shows))
    return blocks


def _joined(body: str) -> list[str]:
    return body.replace("\\\n", " ").splitlines()


def commands(fence: Fence) -> list[str]:
    """The command lines of a ``console`` or ``sh`` fence, without their prompts."""
    if fence.info == "console":
        return [line[2:] for line in _joined(fence.body) if line.startswith("$ ")]
    return [line for line in _joined(fence.body) if line.strip() and not line.startswith("#")]


def matches(shown: str, real: str) -> bool:
    """True where the real output is what the page shows."""
    pattern = ""
    for line in shown.strip("\n").splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(map(re.escape, line.rstrip().split("…"))) + r"[ \t]*\n"
    return re.fullmatch(pattern, f"{real.strip(chr(10))}\n" if real.strip("\n") else "") is not None


class Stage:
    """One page's folder, and the one Python process that runs its snippets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own = {name: value for name, value in os.environ.items() if not name.startswith("WINDLASS_")}
        programs = os.path.dirname(sys.executable)
        self._environment = {
            **own,
            "PATH": f"{programs}{os.pathsep}{own.get('PATH', os.defpath)}",
            "COLUMNS": "240",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self._python: subprocess.Popen[str] | None = None
        self._heard = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._python is not None:
            assert self._python.stdin is not None
            self._python.stdin.close()
            try:
                self._python.wait(PATIENCE_S)
            finally:
                self._python.kill()
                self._python.wait()
        for lock in self.folder.glob("*-windlass/service.lock"):
            if is_locked(lock):
                answer = self.shell(f"windlass stop --db {lock.parent.name.removesuffix('-windlass')}")
                if answer.returncode != 0:
                    raise Wrong(f"a service of this page cannot be stopped: {answer.stdout}")

    def run(self, fence: Fence) -> str:
        """Runs one fence and returns what it printed."""
        if fence.file is not None:
            (self.folder / fence.file).write_text(fence.body, encoding="utf-8")
        match fence.info:
            case "python":
                return self._run_python(fence)
            case "sql":
                foreign = "import sqlite3, sys; sqlite3.connect('app.db').executescript(sys.argv[1])"
                return self._finished([sys.executable, "-c", foreign, fence.body]).stdout
            case "toml":
                import tomllib

                tomllib.loads(fence.body)
            case "json":
                json.loads(fence.body)
            case "console":
                return "".join(self._console(fence))
            case _:
                pass
        return ""

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Runs one command line in the page's folder; both streams come as one."""
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
        )

    def _run_python(self, fence: Fence) -> str:
        if fence.file is None:
            return self._in_namespace(fence)
        if fence.file.startswith("test_"):
            quiet = ["-q", "-p", "no:cacheprovider"]
            self._finished([sys.executable, "-m", "pytest", *quiet, fence.file])
            return ""
        if fence.is_script:
            return self._finished([sys.executable, fence.file]).stdout
        return ""

    def _finished(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        if done.returncode != 0:
            raise Wrong(f"ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def _console(self, fence: Fence) -> Iterator[str]:
        if fence.shows:
            for command in commands(fence):
                yield f"$ {command}\n{self.shell(command).stdout}"

    def _in_namespace(self, fence: Fence) -> str:
        said, errors = self.folder / ".said", self.folder / ".errors"
        if self._python is None:
            with said.open("w") as out, errors.open("w") as err:
                self._python = subprocess.Popen(
                    [sys.executable, str(Path(__file__))],
                    cwd=self.folder,
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=err,
                    text=True,
                )
        assert self._python.stdin is not None
        answer = self.folder / f".answer-{fence.line}"
        os.mkfifo(answer)
        order = {"line": fence.line, "body": fence.body, "answer": str(answer)}
        self._python.stdin.write(json.dumps(order) + "\n")
        self._python.stdin.flush()
        trouble = _read_within(answer, self._python)
        if trouble:
            raise Wrong(f"{trouble}\n{errors.read_text()}")
        text = said.read_text()
        new, self._heard = text[self._heard :], len(text)
        return new


def _read_within(fifo: Path, writer: subprocess.Popen[str]) -> str:
    """What the process says there; its end is an answer, too."""
    import select

    handle = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for _ in range(int(PATIENCE_S / 0.1)):
            readable, _, _ = select.select([handle], [], [], 0.1)
            if readable and (told := os.read(handle, 1 << 20)):
                return json.loads(told)
            if writer.poll() is not None:
                return f"the snippets' process ended with {writer.returncode}"
    finally:
        os.close(handle)
    return f"it did not end within {PATIENCE_S:g} s"


def perform_orders() -> None:
    """The snippets' own process: runs what it is told to, line by line, in one namespace."""
    import types

    sys.path[0] = os.getcwd()
    page = sys.modules["page"] = types.ModuleType("page")
    for line in sys.stdin:
        order = json.loads(line)
        trouble = ""
        try:
            # Padded, so that a traceback names the line of the page.
            code = compile("\n" * order["line"] + order["body"], "page.md", "exec", dont_inherit=True)
            exec(code, vars(page))  # noqa: S102 - this is what it is for
        except BaseException:  # noqa: BLE001 - told to the test, which fails
            trouble = traceback.format_exc()
        with contextlib.suppress(BrokenPipeError):
            Path(order["answer"]).write_text(json.dumps(trouble[-8_000:]))


if __name__ == "__main__":
    perform_orders()

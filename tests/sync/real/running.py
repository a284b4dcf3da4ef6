"""Starts a server as a process of its own, and waits until it answers."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from windlass.platform import set_parent_death_signal

BIN = Path(__file__).resolve().parents[3] / ".venv-servers" / "bin"
READY_S = 60.0


def program(name: str) -> str:
    """The path of an installed server's program."""
    path = BIN / name
    assert path.exists(), f"{path} is missing: run `python3 dev.py setup`"
    return str(path)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextmanager
def running(command: list[str], *, ready: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process, from when ``ready`` (a URL) is answered, with whatever status, to the end of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=partial(set_parent_death_signal, os.getpid()),  # noqa: PLW1509 - takes no lock
        )
    try:
        _wait(process, ready, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def run(command: list[str]) -> None:
    """A step of a server's set-up."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=READY_S)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    # No proxy of the environment's: the server is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args} ended: {log.read_text(errors='replace')[-2000:]}"
        try:
            opener.open(url, timeout=10).close()
        except urllib.error.HTTPError as answered:
            answered.close()
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{url} does not answer: {log.read_text(errors='replace')[-2000:]}")

"""What handlers write for the tests that watch them, and what they wait for: files in the test's folder."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any


def diary_path() -> Path:
    """The diary in the folder that the environment names."""
    return Path(os.environ["RIG_FOLDER"], "diary")


def write(what: str, name: str, **more: Any) -> None:
    """One line, whole, whoever else writes."""
    line = {"what": what, "name": name, "pid": os.getpid(), "at": time.monotonic(), **more}
    descriptor = os.open(diary_path(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(line).encode() + b"\n")
    finally:
        os.close(descriptor)


def gate(name: str) -> Path:
    """A gate is open once this file is there."""
    return Path(os.environ["RIG_FOLDER"], f"gate-{name}")


def wait_at(name: str, *, patience_s: float = 60.0) -> None:
    """Waits until the test opens the gate."""
    deadline = time.monotonic() + patience_s
    while not gate(name).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody opened the gate {name}")
        time.sleep(0.002)


async def await_at(name: str, *, patience_s: float = 60.0) -> None:
    """Waits until the test opens the gate, and lets others run meanwhile."""
    deadline = time.monotonic() + patience_s
    while not gate(name).exists():
        if time.monotonic() > deadline:
            # Its test has ended, perhaps without ending this process.
            raise TimeoutError(f"nobody opened the gate {name}")
        await asyncio.sleep(0.002)

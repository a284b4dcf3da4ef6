"""Waiting for what another process does: by looking again until a deadline, and by its pipe's end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 40.0


def until(look: Callable[[], T], *, patience_s: float = PATIENCE_S) -> T:
    """The first truthy thing that ``look`` returns; fails when there is none in time."""
    deadline = time.monotonic() + patience_s
    pause = threading.Event()
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {patience_s:g} s in vain for {look}"
        pause.wait(0.005)


def gone(pid: int) -> bool:
    """True when no such process runs; one that has ended and waits to be noticed does not run."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return True

"""The processes of a running service, found and killed for real."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from windlass.clock import monotonic, sleep
from windlass.platform import alive


def children(pid: int) -> list[int]:
    """The child processes of a process, in the order of their start."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if listed.exists():
        try:
            return [int(word) for word in listed.read_text(encoding="ascii").split()]
        except OSError:
            return []
    # Elsewhere than on Linux. No child at all is exit code 1, and an empty answer.
    told = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in told.stdout.split()]


def kill_9(pid: int) -> bool:
    """Ends a process as a crash would: it cannot hear, delay or clean up. False where it was gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def still_runs(pids: set[int], patience_s: float = 3.0) -> list[int]:
    """Those of the processes that have not ended within that time."""
    deadline = monotonic() + patience_s
    while (left := sorted(pid for pid in pids if _runs(pid))) and monotonic() < deadline:
        sleep(0.01)
    return left


def _runs(pid: int) -> bool:
    try:
        # The state follows the name, which may hold anything but is in brackets. An ended process that its
        # parent has not yet asked about runs no more.
        state = (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="utf-8", errors="replace")
            .rpartition(")")[2]
            .split()[0]
        )
    except FileNotFoundError:
        return alive(pid) if not Path("/proc/self/stat").exists() else False
    return state not in "ZX"

"""Finding and killing the processes of one storm, and no others."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """The living children of a process, whichever of its threads made them."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            text = Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii")
            found.extend(int(word) for word in text.split())
    except OSError:
        # It ended while we looked: then it has none.
        return []
    return [child for child in found if is_alive(child)]


def ancestors(pid: int, generations: int = 2) -> list[int]:
    """The parent, the parent's parent … as far as they still live."""
    found: list[int] = []
    while len(found) < generations and (stat := _stat(pid)):
        pid = int(stat[1])
        found.append(pid)
    return found


def is_alive(pid: int) -> bool:
    """False also for a zombie."""
    stat = _stat(pid)
    return bool(stat) and stat[0] not in "ZX"


def _stat(pid: int) -> list[str]:
    """State, parent and so on: what follows the name, which may hold anything."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def environment(pid: int) -> list[bytes]:
    """What a process was started with; nothing where it has ended, or is another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def is_ours(pid: int, folder: Path) -> bool:
    """True for a process that was started for this storm."""
    return f"STORM_FOLDER={folder}".encode() in environment(pid)


# ── storms that were killed ──────────────────────────────────────────────────────────────────────
DRIVER = "STORM_DRIVER"


def driver() -> str:
    """Tells this process from all others, also from a later one with the same pid."""
    return f"{os.getpid()} {_stat(os.getpid())[19]}"


def sweep() -> None:
    """Ends what storms have left behind that were killed themselves."""
    for name in os.listdir("/proc"):
        if name.isdigit() and (told := _driver_of(int(name))):
            pid, started = told.split()
            if _stat(int(pid))[19:20] != [started]:
                _end(int(name), told)


def _driver_of(pid: int) -> str:
    mark = f"{DRIVER}=".encode()
    return next((one.removeprefix(mark).decode() for one in environment(pid) if one.startswith(mark)), "")


def _end(pid: int, told: str) -> None:
    with suppress(ProcessLookupError):  # it was faster
        handle = os.pidfd_open(pid)
        try:
            if _driver_of(pid) == told:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


# ── the processes of one ─────────────────────────────────────────────────────────────────────────


def belonging_to(folder: Path) -> list[int]:
    """All living processes that were started for this storm, except this one."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if pid != os.getpid() and is_ours(pid, folder) and is_alive(pid)]


def send(pids: Iterable[int], number: signal.Signals, folder: Path) -> list[int]:
    """Signals each of these that belongs to the storm; those that were there.

    By a descriptor, and after a look at whose it is: a pid may have been given to a stranger meanwhile.
    """
    hit: list[int] = []
    for pid in pids:
        with suppress(ProcessLookupError):  # it was faster
            handle = os.pidfd_open(pid)
            try:
                if is_ours(pid, folder):
                    signal.pidfd_send_signal(handle, number)
                    hit.append(pid)
            finally:
                os.close(handle)
    return hit


def gone(pids: Iterable[int], *, within_s: float) -> bool:
    """Waits until all of them have ended."""
    deadline = time.monotonic() + within_s
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            left = max(deadline - time.monotonic(), 0.0)
            if not select.select([handle], [], [], left)[0]:
                return False
        finally:
            os.close(handle)
    return True

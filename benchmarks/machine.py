"""What the machine says about itself and about processes. Linux: everything here reads /proc."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        for task in _tasks(parent):
            try:
                found += [int(word) for word in (task / "children").read_text().split()]
            except FileNotFoundError:
                continue  # it ended while we looked
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time used so far, of all threads.

    From ``schedstat``, in nanoseconds: ``stat`` counts in ticks of 10 ms, too coarse for an idle process.
    """
    total_ns = 0
    for pid in pids:
        for task in _tasks(pid):
            try:
                total_ns += int((task / "schedstat").read_text().split()[0])
            except FileNotFoundError:
                continue  # a thread that ended while we looked
    return total_ns / 1e9


def wakeups(pids: Iterable[int]) -> int:
    """How often their threads have gone to sleep so far, each of which ends in a wake-up."""
    total = 0
    for pid in pids:
        for task in _tasks(pid):
            try:
                status = (task / "status").read_text()
            except FileNotFoundError:
                continue  # a thread that ended while we looked
            total += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return total


def pss_mb(pids: Iterable[int]) -> float:
    """Proportional set size: private memory, and of shared pages each process its part. In MB (10⁶ bytes)."""
    total_kb = 0
    for pid in pids:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total_kb += int(line.split()[1])
    return total_kb * 1024 / 1e6


def file_system(path: Path) -> str:
    """The type of the file system that holds ``path``."""
    best, kind = "", "?"
    for line in (PROC / "mounts").read_text().splitlines():
        _, mount, name, *_ = line.split()
        if str(path.resolve()).startswith(mount.rstrip("/") + "/") and len(mount) > len(best):
            best, kind = mount, name
    return kind


def description() -> str:
    """Processor, memory, system and versions, in one line."""
    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    memory_kb = next((int(line.split()[1]) for line in _lines("meminfo") if line.startswith("MemTotal")), 0)
    return (
        f"{os.cpu_count()} × {model}, {memory_kb / 1e6:.0f} GB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def _tasks(pid: int) -> list[Path]:
    try:
        return list((PROC / str(pid) / "task").iterdir())
    except FileNotFoundError:
        return []


def _lines(name: str) -> list[str]:
    return (PROC / name).read_text().splitlines()

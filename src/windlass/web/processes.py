"""The processes of a service as this machine sees them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_PROC = Path("/proc")


def resident_bytes(pid: int) -> int | None:
    """How much memory a process has resident; None where that cannot be told."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def children() -> Mapping[int, list[int]]:
    """The processes of this machine by their parents; none where that cannot be told."""
    found: dict[int, list[int]] = {}
    for entry in _PROC.glob("[0-9]*"):
        try:
            # The command's name stands in brackets and may hold anything.
            parent = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue  # it has ended meanwhile
        found.setdefault(parent, []).append(int(entry.name))
    return {parent: sorted(pids) for parent, pids in found.items()}

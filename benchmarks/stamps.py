"""Moments that one process writes and another reads: shared memory, and a clock that all processes share."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

_SLOT = struct.Struct("<q")


class Stamps:
    """A file of ``count`` slots, each empty or a moment of CLOCK_MONOTONIC in nanoseconds."""

    def __init__(self, path: Path, count: int = 4096) -> None:
        if not path.exists():
            path.write_bytes(bytes(_SLOT.size * count))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    def mark(self, slot: int) -> None:
        """Writes the present moment: the first thing a handler does."""
        now_ns = time.monotonic_ns()
        _SLOT.pack_into(self._memory, slot * _SLOT.size, now_ns)

    def wait(self, slot: int, patience_s: float = 30.0) -> int:
        """The moment in ``slot``, as soon as it is there."""
        deadline = time.monotonic() + patience_s
        while True:
            (moment,) = _SLOT.unpack_from(self._memory, slot * _SLOT.size)
            if moment:
                return moment
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing ran job {slot} for {patience_s:g} s")
            time.sleep(0.001)

"""The operations of one run, and what the script said in between."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from tests.powercut.disk import Delete, Op, Open


class Recording:
    """The operations on the files of one folder, and notes of the script among them, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.ops: list[Op | Any] = []
        self.lock = threading.RLock()
        self._inodes: dict[str, int] = {}
        self._count = 0

    def note(self, what: Any) -> None:
        """Puts something of the script's own among the operations."""
        with self.lock:
            self.ops.append(what)

    def opened(self, path: str, *, existed: bool) -> int:
        """The inode behind a name that SQLite opens."""
        name = os.path.basename(path)
        with self.lock:
            if name not in self._inodes or not existed:
                self._count += 1
                self._inodes[name] = self._count
                self.ops.append(Open(self._count, name, Path(path).read_bytes() if existed else None))
            return self._inodes[name]

    def deleted(self, path: str, *, durable: bool) -> None:
        with self.lock:
            self._inodes.pop(os.path.basename(path), None)
            self.ops.append(Delete(os.path.basename(path), durable))


def quick_folder() -> str | None:
    """Memory, where there is some as a folder: thousands of files are made, and no real disk is judged."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

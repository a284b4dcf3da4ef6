"""Does the log's name still lead to the file that was opened? Asked around every commit, so it must be cheap.

A ``stat`` would do, but it reads the file's times, and since Linux 6.13 a file whose times were read must
write finer ones with its next change: each durable commit then takes half as long again. On Linux the name
of an open descriptor says the same and touches nothing. The descriptor is opened for its path alone
(``O_PATH``), so closing it drops no lock.
"""

from __future__ import annotations

import os
import sys


class LogPin:
    """Holds on to one log file by its path."""

    def __init__(self, path: str) -> None:
        self._fd = -1
        self._link = self._name = ""
        if sys.platform == "linux":
            try:
                self._fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                return  # no log, or no descriptor left: the inode is compared instead
            self._link = f"/proc/self/fd/{self._fd}"
            self._name = os.readlink(self._link)

    def holds(self) -> bool:
        """True where the file still has its name; False where it has not, or where that cannot be told."""
        if self._fd < 0:
            return False
        try:
            return os.readlink(self._link) == self._name
        except OSError:
            return False

    def close(self) -> None:
        """Lets go; ``holds`` is False from now on."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

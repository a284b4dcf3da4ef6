"""Does the log's name still lead to the file that was opened? Asked around every commit, so it must be cheap.

A ``stat`` would do, but it reads the file's times, and since Linux 6.13 a file whose times were read must
write finer ones with its next change: each durable commit then takes half as long again. On Linux the kernel
tells of each deletion and renaming instead, before whoever deletes or renames goes on.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windlass.inotify import Inotify

_SETTLED = 16
"""Questions answered by a ``stat``: a program that enqueues a few jobs and ends needs no watch."""


class LogPin:
    """One log file, under the name that it had."""

    def __init__(self, path: str, inode: int) -> None:
        self._path = path
        self._inode = inode
        self._asked = 0
        self._lock = threading.Lock()
        self._closed = False
        self._inotify: Inotify | None = None
        self._events: select.epoll | None = None

    def holds(self) -> bool:
        """True where the file still has its name."""
        events = self._events
        if events is not None:
            # Never read: once something has happened to the log, each thread looks for itself from then on.
            with suppress(ValueError, OSError):  # another thread has just let go
                if not events.poll(0):
                    return True
        elif sys.platform == "linux" and self._asked <= _SETTLED:
            self._asked += 1
            if self._asked > _SETTLED:
                self._watch()
        return self._look() == self._inode

    def close(self) -> None:
        """Lets go."""
        with self._lock:
            self._closed = True
            events, self._events = self._events, None
        if events is not None:
            events.close()
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def _watch(self) -> None:
        # Loading the C library's binding takes milliseconds: not for a program's first commits.
        from windlass import inotify

        with self._lock, suppress(OSError):  # all that the user may have are taken: it stays with stat
            if self._closed or self._inotify is not None:
                return
            self._inotify = inotify.Inotify()
            if self._inotify.watch(self._path, inotify.LINKS_CHANGED | inotify.MOVED):
                events = select.epoll()
                events.register(self._inotify.fd, select.EPOLLIN)
                self._events = events

    def _look(self) -> int:
        try:
            return os.stat(self._path).st_ino
        except FileNotFoundError:
            return 0

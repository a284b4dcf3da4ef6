"""Linux's inotify on files and folders, through the C library, as Python has no binding of its own."""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress

MODIFIED = 0x2
LINKS_CHANGED = 0x4
"""Deleted while someone still has it open, or replaced; also where its permissions change."""
MOVED = 0x800
APPEARED = 0x100 | 0x80
"""Something was made in a folder, or moved into it."""
WRITTEN = 0x8
"""A file in a folder was closed by somebody who could write to it."""
GONE = 0x400
"""Deleted, and nobody has it open."""
_IGNORED = 0x8000
_EVENT = struct.Struct("iIII")


class Inotify:
    """Events of what is watched. ``fd`` is readable while there are some.

    Raises:
        OSError: the system gives each user a limited number of these.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            error = ctypes.get_errno()
            raise OSError(error, f"inotify_init1: {os.strerror(error)}")
        self.watching = False

    def watch(self, path: str, events: int) -> bool:
        """Begins to watch what has this name now; False where nothing has."""
        self.watching = self._libc.inotify_add_watch(self.fd, os.fsencode(path), events) >= 0
        return self.watching

    def drain(self) -> None:
        """Forgets what happened; ``watching`` is False from here on where something watched is gone."""
        with suppress(BlockingIOError):  # empty now
            while data := os.read(self.fd, 4096):
                position = 0
                while position < len(data):
                    _, mask, _, length = _EVENT.unpack_from(data, position)
                    position += _EVENT.size + length
                    if mask & _IGNORED:
                        self.watching = False

    def close(self) -> None:
        """Stops watching."""
        os.close(self.fd)

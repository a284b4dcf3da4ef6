"""A lock on the database file that no careless ``close`` can drop.

While a connection is open, SQLite holds a shared lock on the file: by it, the last process to leave knows
that the log is still in use, and does not delete it. But that lock is of the kind that vanishes when its
process closes *any* descriptor of the file, as after ``open("app.db").read()``: acknowledged commits then
go to a log that nobody will ever read. A lock of an open file description stays. It is taken on the same
bytes, so to every other process it looks like one more connection.

Closing the guard's own descriptor would drop SQLite's locks, too. So it is closed only once the log is gone,
which shows that no connection is left in any process; otherwise it is kept for the next one.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress

log = logging.getLogger("windlass.store")

_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510
"""The bytes of SQLite's shared lock."""

if sys.platform == "linux":
    import fcntl
    import struct

    def _lock(descriptor: int, *, held: bool) -> bool:
        kind = fcntl.F_RDLCK if held else fcntl.F_UNLCK
        request = struct.pack("hhqqi4x", kind, os.SEEK_SET, _SHARED_FIRST, _SHARED_SIZE, 0)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, request)
        except OSError as error:
            log.debug("no guard on this file system, the log is only watched: %s", error)
            return False
        return True

else:

    def _lock(descriptor: int, *, held: bool) -> bool:
        del descriptor, held
        return False


class _Place:
    """The one descriptor that this process keeps of a file, and how many use it."""

    __slots__ = ("descriptor", "users")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.users = 0


_places: dict[tuple[int, int], _Place] = {}
_turn = threading.Lock()


class Guard:
    """One database's share in the lock on its file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._place: tuple[int, int] | None = None
        self.held = False

    def hold(self) -> None:
        """Takes the lock, once SQLite has a connection open."""
        # A file that is gone again, or no descriptor left for it: then it goes without.
        with _turn, suppress(OSError):
            if self._place is not None:
                return
            found = os.stat(self._path)
            key = (found.st_dev, found.st_ino)
            place = _places.get(key)
            if place is None:
                place = _places[key] = _Place(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC))
            place.users += 1
            self._place = key
            self.held = _lock(place.descriptor, held=True)

    def ease(self) -> None:
        """Gives the lock back, so that the last connection may tidy up behind itself."""
        with _turn:
            place = _places.get(self._place) if self._place is not None else None
            if place is not None:
                place.users -= 1
                if place.users == 0 and self.held:
                    _lock(place.descriptor, held=False)
            self.held = False

    def leave(self) -> None:
        """Closes the descriptor, where no connection in any process can suffer from that."""
        with _turn:
            key, self._place = self._place, None
            place = _places.get(key) if key is not None else None
            if key is None or place is None or place.users or os.path.exists(self._path + "-wal"):
                return
            del _places[key]
            os.close(place.descriptor)


def _forget_in_child() -> None:
    global _turn
    _turn = threading.Lock()
    for place in _places.values():
        os.close(place.descriptor)
    _places.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)

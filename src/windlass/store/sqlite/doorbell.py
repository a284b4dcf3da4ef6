"""The doorbell: how one process wakes another within a fraction of a millisecond.

Each listener keeps a FIFO in ``<database>-windlass/bells/``; to ring is to write a byte to every one of them.
A FIFO needs no service in between and has no limit on its path, as a socket's has. It appears under its
final name only after its reader is open, so a FIFO without a reader is a dead listener's and is removed.

On Linux a listener also watches the write-ahead log itself, and so hears programs that know nothing of
Windlass. That hint comes *before* the commit is visible, so it means: look until the version moves.
A ring is only ever a hint; a slow poll is the net below it.
"""

from __future__ import annotations

import errno
import os
import secrets
import select
import socket
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Literal

from windlass.store.sqlite.safety import private_folder

Kind = Literal["work", "watch"]


class Bells:
    """The ringing side: knows the listeners' FIFOs, and looks for new ones only when the folder changes."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "bells"
        # As text: a path object would be turned into one at every ring.
        self._folder_name = str(self._folder)
        self._seen_ns = -1
        self._fds: dict[str, int] = {}
        self.has_worker = False
        """Whether a dispatcher was listening at the last ring."""
        self._lock = threading.Lock()

    def listen(self, kind: Kind, wal_path: str) -> FifoBell:
        """A new listener."""
        private_folder(self._folder.parent)
        return FifoBell(private_folder(self._folder), kind, wal_path)

    def ring(self, kind: Kind | None = None) -> None:
        """Wakes every listener, or those of one kind."""
        with self._lock:
            try:
                changed_ns = os.stat(self._folder_name).st_mtime_ns
            except FileNotFoundError:
                # So that the next ring finds a folder: a stat that fails costs more than one that does not.
                private_folder(self._folder.parent)
                private_folder(self._folder)
                return
            if changed_ns != self._seen_ns:
                self._look_again(changed_ns)
            for name in list(self._fds):
                if kind is None or name.startswith(kind):
                    self._ring_one(name)

    def close(self) -> None:
        """Forgets the listeners."""
        with self._lock:
            for fd in self._fds.values():
                os.close(fd)
            self._fds.clear()
            self._seen_ns = -1

    def _look_again(self, changed_ns: int) -> None:
        self._seen_ns = changed_ns
        names = {name for name in os.listdir(self._folder) if not name.endswith(".new")}
        for name in self._fds.keys() - names:
            os.close(self._fds.pop(name))
        for name in names - self._fds.keys():
            path = self._folder / name
            try:
                self._fds[name] = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    path.unlink(missing_ok=True)
        self.has_worker = any(name.startswith("work-") for name in self._fds)

    def _ring_one(self, name: str) -> None:
        try:
            os.write(self._fds[name], b"!")
        except BlockingIOError:
            return  # so many rings are waiting already that one more says nothing
        except BrokenPipeError:
            os.close(self._fds.pop(name))
            (self._folder / name).unlink(missing_ok=True)


class FifoBell:
    """The listening side. ``fileno`` becomes readable on a ring, and on Linux when the log stirs."""

    def __init__(self, folder: Path, kind: Kind, wal_path: str) -> None:
        self.name = f"{kind}-{os.getpid()}-{secrets.token_hex(4)}"
        self._path = folder / self.name
        self._wal_path = wal_path
        self._epoll: select.epoll | None = None
        self._log: LogWatch | None = None
        if hasattr(os, "mkfifo"):
            hidden = folder / f"{self.name}.new"
            os.mkfifo(hidden, 0o600)
            self._reader = os.open(hidden, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            # A writer of our own: without one, the FIFO would read as ended after each ringer leaves.
            self._writer = os.open(hidden, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.rename(hidden, self._path)
        else:
            # No FIFOs here (Windows): a bell that never rings; the slow poll does the work.
            left, right = socket.socketpair()
            left.setblocking(False)
            self._reader, self._writer = left.detach(), right.detach()
        if sys.platform == "linux":
            self._log = LogWatch()
            self._log.watch(wal_path)
            self._epoll = select.epoll()
            self._epoll.register(self._reader, select.EPOLLIN)
            self._epoll.register(self._log.fd, select.EPOLLIN)

    def fileno(self) -> int:
        return self._reader if self._epoll is None else self._epoll.fileno()

    def drain(self) -> bool:
        rung = False
        with suppress(BlockingIOError):  # empty now, which is what draining means
            while os.read(self._reader, 65536):
                rung = True
        if self._log is not None:
            self._log.drain(self._wal_path)
        return rung

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        if self._epoll is not None:
            self._epoll.close()
        if self._log is not None:
            os.close(self._log.fd)
        os.close(self._reader)
        os.close(self._writer)


class LogWatch:
    """Linux's inotify on one file, through the C library, as Python has no binding of its own."""

    _MODIFY = 0x2
    _IGNORED = 0x8000
    _EVENT = struct.Struct("iIII")

    def __init__(self) -> None:
        import ctypes

        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            error = ctypes.get_errno()
            raise OSError(error, f"inotify_init1: {os.strerror(error)}")

    def watch(self, path: str) -> None:
        """Watches the file that now has this path. Where there is none, the slow poll must do."""
        self._libc.inotify_add_watch(self.fd, os.fsencode(path), self._MODIFY)

    def drain(self, path: str) -> None:
        """Forgets what happened; follows the path where its file was replaced."""
        with suppress(BlockingIOError):  # empty now
            while data := os.read(self.fd, 4096):
                position = 0
                while position < len(data):
                    _, mask, _, length = self._EVENT.unpack_from(data, position)
                    position += self._EVENT.size + length
                    if mask & self._IGNORED:
                        self.watch(path)

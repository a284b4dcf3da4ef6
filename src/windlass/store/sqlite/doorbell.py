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
import logging
import os
import secrets
import select
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Literal

from windlass.clock import SystemClock
from windlass.errors import StoreError, StoreUnavailable
from windlass.store.sqlite.safety import private_folder

log = logging.getLogger("windlass.store")

Kind = Literal["work", "watch"]

_TICK_NS = 50_000_000
"""File systems count time in steps of a few milliseconds: two listeners may appear in one step."""


class Bells:
    """The ringing side: knows the listeners' FIFOs, and looks for new ones only when the folder changes."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "bells"
        self._place: int | str = ""
        """The open folder: to look for its name at every ring would take three times as long."""
        self._seen_ns = -1
        self._fds: dict[str, int] = {}
        self.has_worker = False
        """Whether a dispatcher was listening at the last ring."""
        self._lock = threading.Lock()

    def listen(self, kind: Kind, wal_path: str, open_log: Callable[[], object]) -> FifoBell:
        """A new listener. ``open_log`` makes sure that there is a log to watch.

        Raises:
            StoreUnavailable: no more files may be opened, or the folder cannot be written.
        """
        private_folder(self._folder.parent)
        try:
            return FifoBell(private_folder(self._folder), kind, wal_path, open_log)
        except OSError as error:
            raise StoreUnavailable(
                f"no listener can be set up in {self._folder} ({error.strerror}): check permissions, free "
                "space and the limit of open files"
            ) from error

    def ring(self, kind: Kind | None = None) -> None:
        """Wakes every listener, or those of one kind. Never fails: what it follows is committed."""
        with self._lock:
            try:
                found = os.stat(self._place) if self._place else None
                if found is None or found.st_mtime_ns != self._seen_ns or not found.st_nlink:
                    self._look_again()
                if self._fds:
                    self._ring(kind)
            except (OSError, StoreUnavailable) as error:
                # A ring is only a hint, with a slow poll below it.
                log.debug("the doorbell could not be rung: %s", error)
                self._seen_ns = -1

    def _ring(self, kind: Kind | None) -> None:
        for name in list(self._fds):
            if kind is None or name.startswith(kind):
                self._ring_one(name)

    def close(self) -> None:
        """Forgets the listeners."""
        with self._lock:
            self._forget()

    def _look_again(self) -> None:
        self._reopen()
        changed_ns = os.stat(self._place).st_mtime_ns
        settled = SystemClock().wall_us() * 1000 - changed_ns > _TICK_NS
        self._seen_ns = changed_ns if settled else -1
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
                elif error.errno != errno.ENOENT:
                    raise
        self.has_worker = any(name.startswith("work-") for name in self._fds)

    def _reopen(self) -> None:
        self._leave()
        # Made where it is missing, so that the next ring finds a folder.
        private_folder(self._folder.parent)
        private_folder(self._folder)
        self._place = os.open(self._folder, os.O_RDONLY) if os.name == "posix" else str(self._folder)

    def _leave(self) -> None:
        if isinstance(self._place, int):
            os.close(self._place)
        self._place = ""

    def _forget(self) -> None:
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()
        self._seen_ns = -1
        self._leave()

    def _ring_one(self, name: str) -> None:
        try:
            os.write(self._fds[name], b"!")
        except BlockingIOError:
            # So many rings are waiting already that one more says nothing.
            return
        except BrokenPipeError:
            os.close(self._fds.pop(name))
            (self._folder / name).unlink(missing_ok=True)


class FifoBell:
    """The listening side. ``fileno`` becomes readable on a ring, and on Linux when the log stirs."""

    def __init__(self, folder: Path, kind: Kind, wal_path: str, open_log: Callable[[], object]) -> None:
        self._path = folder / f"{kind}-{os.getpid()}-{secrets.token_hex(4)}"
        self._epoll: select.epoll | None = None
        self._log: LogWatch | None = None
        with ExitStack() as made:
            self._open_fifo(made)
            if sys.platform == "linux":
                self._watch_log(made, wal_path, open_log)
            self._made = made.pop_all()

    @property
    def hears_strangers(self) -> bool:
        """True where also programs that know nothing of Windlass are heard."""
        return self._log is not None

    def _open_fifo(self, made: ExitStack) -> None:
        if hasattr(os, "mkfifo"):
            hidden = self._path.with_name(f"{self._path.name}.new")
            os.mkfifo(hidden, 0o600)
            made.callback(lambda: hidden.unlink(missing_ok=True))
            self._reader = os.open(hidden, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            made.callback(os.close, self._reader)
            # A writer of our own: without one, the FIFO would read as ended after each ringer leaves.
            made.callback(os.close, os.open(hidden, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            os.rename(hidden, self._path)
            made.callback(lambda: self._path.unlink(missing_ok=True))
        else:
            # No FIFOs here (Windows): a bell that never rings; the slow poll does the work.
            left, right = socket.socketpair()
            left.setblocking(False)
            made.callback(right.close)
            made.callback(left.close)
            self._reader = left.fileno()

    def _watch_log(self, made: ExitStack, wal_path: str, open_log: Callable[[], object]) -> None:
        try:
            watch = LogWatch(wal_path, open_log)
        except OSError as error:
            # The system gives each user a limited number of these.
            log.warning("other programs' commits are found by polling alone: %s", error)
            return
        made.callback(os.close, watch.fd)
        self._epoll = select.epoll()
        made.callback(self._epoll.close)
        self._epoll.register(self._reader, select.EPOLLIN)
        self._epoll.register(watch.fd, select.EPOLLIN)
        self._log = watch

    def fileno(self) -> int:
        return self._reader if self._epoll is None else self._epoll.fileno()

    def drain(self) -> bool:
        rung = False
        with suppress(BlockingIOError):  # empty now, which is what draining means
            while os.read(self._reader, 65536):
                rung = True
        if self._log is not None:
            self._log.drain()
        return rung

    def close(self) -> None:
        self._made.close()


class LogWatch:
    """The write-ahead log itself: it stirs whoever writes, also a program that knows nothing of Windlass."""

    def __init__(self, path: str, open_log: Callable[[], object]) -> None:
        from windlass.inotify import Inotify

        self._path = path
        self._open_log = open_log
        self._inotify = Inotify()
        self.fd = self._inotify.fd
        self._watch()

    def drain(self) -> None:
        """Forgets what happened; follows the path where its file was replaced."""
        self._inotify.drain()
        if not self._inotify.watching:
            self._watch()

    def _watch(self) -> None:
        from windlass.inotify import LINKS_CHANGED, MODIFIED

        # A database that cannot be opened now is for its next user to report; the next drain tries again.
        with suppress(StoreError):
            self._open_log()
        self._inotify.watch(self._path, MODIFIED | LINKS_CHANGED)

"""This process's connections to the file: how they are opened, shared, checked and closed.

Facts this file is built on:

* Whoever closes the database file anywhere in a process drops that process's POSIX locks; another process
  may then delete the write-ahead log, and what this one goes on writing to it is lost. ``guard.py`` holds a
  lock that cannot be dropped so. Where there is none, and against a log that is deleted by hand, the identity
  of file and log is compared again and again.
* A dead log must not come back: SQLite's last ``close`` would copy it over pages that are newer by then.
* A connection that is closed while another thread is inside it takes the process along (``sqlite3`` asks it
  for its changes afterwards). So each thread closes what it uses itself.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from windlass.clock import monotonic, sleep
from windlass.errors import StoreError, UnsafeDatabase
from windlass.store.sqlite.doorbell import Bells
from windlass.store.sqlite.faults import primary, translated
from windlass.store.sqlite.guard import Guard
from windlass.store.sqlite.logpin import LogPin
from windlass.store.sqlite.safety import check_place, create_private, on_read_only_storage

log = logging.getLogger("windlass.store")

LOG_LIMIT = 1000 * (4096 + 24) + 32
"""Bytes: a thousand pages. SQLite cuts the log back to this when it restarts it, so a larger file holds more
than a thousand pages that are not in the database yet."""
_READERS_KEPT = 4
_AGAIN_S = 0.01
"""Between two tries of what SQLite does not wait for itself."""

_forks = 0
"""How often this process was forked off another that had loaded this: cheaper to compare than its number."""


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)

Isolation = Literal["DEFERRED"] | None
Identity = tuple[int, int, int]
"""Which file and which log: the file's device and inode, the log's inode."""


class Connections:
    """The file, and this process's connections to it. Thread-safe; useless after a fork."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        busy_timeout_s: float = 10.0,
        vet: Callable[[sqlite3.Connection], None] = lambda _: None,
    ) -> None:
        self.path = os.path.realpath(path)
        self.state_dir = Path(self.path + "-windlass")
        self.bells = Bells(self.state_dir)
        self.busy_timeout_s = busy_timeout_s
        self._vet = vet
        """Refuses a file that must not be touched, before its first conversion to a write-ahead log."""
        self._wal_path = self.path + "-wal"
        self._guard = Guard(self.path)
        self._write_lock = threading.RLock()
        self._pool_lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._checkpointer: sqlite3.Connection | None = None
        self._synchronous = ""
        self._epoch = 0
        self._idle: deque[sqlite3.Connection] = deque()
        self._open: set[sqlite3.Connection] = set()
        self._outdated: dict[sqlite3.Connection, bool] = {}
        """Those that were in use when all were closed: to be closed by their users; True where their log is
        dead."""
        self._identity: Identity | None = None
        self._inode_in_use = 0
        self._pin: LogPin | None = None
        """The log's inode, as in the identity; 0 where there is none."""
        self._frozen = False
        self._forks = _forks

    def connect(self, *, isolation_level: Isolation = "DEFERRED") -> sqlite3.Connection:
        """A new connection, configured like all of ours; ``release`` it."""
        self.refuse_fork()
        check_place(self.path)
        # First: a new connection would begin a new log, and the old one could no longer be saved.
        self._notice_replacement()
        with translated(self.path):
            create_private(self.path)
            connection = self._open_file(isolation_level)
        with self._pool_lock:
            self._open.add(connection)
            if self._identity is None and not self._frozen:
                self._identity = self._identify()
                self._inode_in_use = self._identity[2] if self._identity else 0
                self._pin = LogPin(self._wal_path, self._inode_in_use)
                self._guard.hold()
        return connection

    def release(self, connection: sqlite3.Connection) -> None:
        """Closes a connection that ``connect`` gave; called by the thread that uses it."""
        with self._pool_lock:
            self._open.discard(connection)
            dead = self._outdated.pop(connection, False)
        if dead:
            _close_dead(connection)
        else:
            connection.close()

    def owns(self, connection: sqlite3.Connection) -> bool:
        """True for a connection that was opened here."""
        return connection in self._open

    @contextmanager
    def read(self) -> Generator[sqlite3.Connection]:
        """A connection for reading, outside any transaction of ours."""
        self.refuse_fork()
        self._notice_replacement()
        with self._pool_lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self.connect(isolation_level=None)
        try:
            with translated(self.path):
                yield connection
        finally:
            self._take_back(connection)

    @contextmanager
    def show(self) -> Generator[sqlite3.Connection]:
        """As ``read``, for showing: a text that is not UTF-8 is shown by its bytes, until its job is held."""
        with self.read() as connection:
            texts, connection.text_factory = connection.text_factory, _shown
            try:
                yield connection
            finally:
                connection.text_factory = texts

    @contextmanager
    def snapshot(self) -> Generator[sqlite3.Connection]:
        """As ``read``, and everything that is read is of one moment."""
        with self.read() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    def _take_back(self, connection: sqlite3.Connection) -> None:
        with self._pool_lock:
            ours = connection in self._open
            keep = ours and len(self._idle) < _READERS_KEPT and not connection.in_transaction
            if keep:
                self._idle.append(connection)
        if not keep:
            self.release(connection)

    def reset(self) -> None:
        """Closes every connection of this process; the next use opens new ones.

        Those that other threads use now are interrupted, and closed when they are given back.
        """
        if self._forks != _forks:
            # A forked child: they are its parent's.
            return
        with self._write_lock, self._pool_lock:
            self._close_all()

    def _close_all(self) -> None:
        """As ``reset``, for one who holds both locks."""
        dead = self._is_replaced()
        if dead and self._rescue():
            dead = False
        unused = {*self._idle, self._writer, self._checkpointer}
        doomed, self._open = self._open, set()
        self._idle.clear()
        self._writer = self._checkpointer = self._identity = None
        if self._pin is not None:
            self._pin.close()
            self._pin = None
        self._synchronous = ""
        self._frozen = False
        self._epoch += 1
        if not dead:
            self._guard.ease()
        for connection in doomed:
            if connection not in unused:
                self._outdated[connection] = dead
                connection.interrupt()
            elif dead:
                _close_dead(connection)
            else:
                connection.close()
        if dead:
            self._guard.ease()
        self._guard.leave()

    def refuse_fork(self) -> None:
        """Raises in a forked child of the process that opened the file."""
        if self._forks != _forks:
            raise StoreError(
                "this process was forked after its Windlass had opened the database, and SQLite's locks do "
                "not survive a fork: create a new Windlass in the child before its first use, or start the "
                "child with spawn"
            )

    # ── a log that is no longer the one in use ─────────────────────────────────────────────────
    def _identify(self) -> Identity | None:
        try:
            file, log_file = os.stat(self.path), os.stat(self._wal_path)
        except FileNotFoundError:
            return None
        return file.st_dev, file.st_ino, log_file.st_ino

    def _is_replaced(self) -> bool:
        return self._identity is not None and self._identify() != self._identity

    def _must_open_anew(self) -> bool:
        stale = self._is_replaced() or (self._frozen and not on_read_only_storage(self.path))
        return stale and not (self._writer is not None and self._writer.in_transaction)

    def _notice_replacement(self) -> bool:
        """Opens anew where file or log were replaced, unless inside a transaction; True where it did."""
        if not self._must_open_anew():
            return False
        with self._write_lock, self._pool_lock:
            if not self._must_open_anew():
                # It only looked so, while another thread was closing everything.
                return False
            if not self._frozen:
                log.error("%s or its log was deleted or replaced while in use: it is opened anew", self.path)
            self._close_all()
        return True

    def _rescue(self) -> bool:
        """Copies a deleted log into the database, if nobody can have begun a new one since."""
        assert self._identity is not None
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return False
        connection = self._writer or (self._idle[0] if self._idle else None)
        same = (found.st_dev, found.st_ino) == self._identity[:2]
        # The guard kept SQLite from deleting any log, so one that others had begun would be there.
        if not same or connection is None or not self._guard.held or os.path.exists(self._wal_path):
            return False
        try:
            _, pages, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            log.error("%s: its deleted log could not be copied: %s", self.path, error)
            return False
        log.warning("%s: %d of %d pages of its deleted log were saved", self.path, copied, pages)
        return pages == copied

    # ── opening ────────────────────────────────────────────────────────────────────────────────
    def _writing_connection(self) -> sqlite3.Connection:
        self.refuse_fork()
        if self._writer is None:
            self._writer = self.connect(isolation_level=None)
            self._writer.execute("PRAGMA busy_timeout = 0")
        return self._writer

    def _open_file(self, isolation_level: Isolation) -> sqlite3.Connection:
        connection = self._open_plainly(self.path, isolation_level)
        try:
            try:
                self._configure(connection)
            except sqlite3.OperationalError as error:
                if primary(error) != sqlite3.SQLITE_CANTOPEN or not on_read_only_storage(self.path):
                    raise
                # There is no log and none can be made: then nothing changes, and it can be read as it is.
                connection.close()
                uri = f"{Path(self.path).as_uri()}?immutable=1"
                connection = self._open_plainly(uri, isolation_level)
                self._frozen = True
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_plainly(self, name: str, isolation_level: Isolation) -> sqlite3.Connection:
        return sqlite3.connect(
            name,
            timeout=self.busy_timeout_s,
            isolation_level=isolation_level,
            check_same_thread=False,
            uri=name.startswith("file:"),
        )

    def _configure(self, connection: sqlite3.Connection) -> None:
        mode: tuple[str] = connection.execute("PRAGMA journal_mode").fetchone()
        if mode[0] != "wal":
            self._vet(connection)
            mode = self._begin_log(connection)
        if mode[0] != "wal":
            raise UnsafeDatabase(
                f"{self.path} cannot use a write-ahead log (journal mode stays {mode[0]!r}): "
                "keep it on a local disk that this user may write"
            )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT}")
        # A first read opens the log, so that there is one to identify.
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()

    def _begin_log(self, connection: sqlite3.Connection) -> tuple[str]:
        # While another program writes, or does the same, SQLite refuses this at once, whatever the timeout.
        until = monotonic() + self.busy_timeout_s
        while True:
            try:
                return connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                if primary(error) != sqlite3.SQLITE_BUSY or monotonic() >= until:
                    raise
                sleep(_AGAIN_S)


def _shown(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _close_dead(connection: sqlite3.Connection) -> None:
    # Ends the copying with which SQLite's last close would begin.
    connection.interrupt()
    connection.close()

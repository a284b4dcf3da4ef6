"""One SQLite file as every process of ours uses it: connections, the write lock, durability, the log.

Facts this file is built on:

* A connection that closes the database file anywhere in a process drops that process's POSIX locks; another
  process may then delete the write-ahead log, and what this one goes on writing to it is lost. So the log's
  identity is compared after every commit, before anyone is told that it happened.
* A passive checkpoint may race a writer that restarts the log (SQLite before 3.51.3). So nobody checkpoints
  by itself: ``checkpoint`` holds the write lock on one connection while a second one copies.
* The busy handler's growing sleeps starve writers. So waiting for the write lock is many short random naps.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from windlass import clock
from windlass.errors import OutcomeUnknown, StoreError, StoreUnavailable, UnsafeDatabase
from windlass.store.protocol import WalState
from windlass.store.sqlite.safety import check_place, create_private

LOG_LIMIT = 1000 * (4096 + 24) + 32
"""Bytes: a thousand pages. SQLite cuts the log back to this when it restarts it, so a larger file holds more
than a thousand pages that are not in the database yet."""
_NAP_S = (0.0001, 0.001)
_READERS_KEPT = 4

_CANNOT_NOW = {
    sqlite3.SQLITE_BUSY: "is locked by another program",
    sqlite3.SQLITE_LOCKED: "is locked by another program",
    sqlite3.SQLITE_FULL: "is on a full disk",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_IOERR: "could not be read or written",
    sqlite3.SQLITE_CANTOPEN: "could not be opened",
    sqlite3.SQLITE_NOMEM: "ran out of memory",
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Database:
    """The file, and this process's connections to it. Thread-safe; useless after a fork."""

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout_s: float = 10.0) -> None:
        self.path = os.path.realpath(path)
        self.state_dir = Path(self.path + "-windlass")
        self.busy_timeout_s = busy_timeout_s
        self._wal_path = self.path + "-wal"
        self._write_lock = threading.RLock()
        self._pool_lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._checkpointer: sqlite3.Connection | None = None
        self._synchronous = ""
        self._unsealed = False
        self._commits = 0
        self.log_bytes_seen = 0
        """The size of the log after our last commit."""
        self._idle: deque[sqlite3.Connection] = deque()
        self._open: set[sqlite3.Connection] = set()
        self._wal_identity: tuple[int, int] | None = None
        self._pid = os.getpid()

    # ── connections ────────────────────────────────────────────────────────────────────────────
    def connect(self, *, isolation_level: str | None = "DEFERRED") -> sqlite3.Connection:
        """A new connection, configured like all of ours; ``release`` it."""
        self._refuse_fork()
        check_place(self.path)
        with translated(self.path):
            create_private(self.path)
            connection = sqlite3.connect(
                self.path,
                timeout=self.busy_timeout_s,
                isolation_level=isolation_level,
                check_same_thread=False,
            )
            try:
                self._configure(connection)
            except BaseException:
                connection.close()
                raise
        with self._pool_lock:
            self._open.add(connection)
            if self._wal_identity is None:
                self._wal_identity = self._identify_wal()
        return connection

    def release(self, connection: sqlite3.Connection) -> None:
        """Closes a connection that ``connect`` gave."""
        with self._pool_lock:
            self._open.discard(connection)
        connection.close()

    @contextmanager
    def read(self) -> Generator[sqlite3.Connection]:
        """A connection for reading, outside any transaction of ours."""
        self._refuse_fork()
        with self._pool_lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self.connect(isolation_level=None)
        try:
            with translated(self.path):
                yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            with self._pool_lock:
                keep = connection in self._open and len(self._idle) < _READERS_KEPT
                if keep:
                    self._idle.append(connection)
            if not keep:
                self.release(connection)

    def write(self, *, full: bool) -> Writing:
        """The write lock, and a transaction that commits at the end or rolls back: ``with database.write(...)``.

        ``full``: the commit is on the disk when this ends. Otherwise a later ``seal`` puts it there.
        """
        return Writing(self, full=full)

    def start_writing(self, *, full: bool) -> sqlite3.Connection:
        """Takes the write lock of this process and of the file."""
        self._write_lock.acquire()
        try:
            connection = self._writing_connection()
            if connection.in_transaction:
                raise StoreError(
                    "this thread is inside app.transaction(): enqueue on its connection with "
                    "using(connection=...), or after it"
                )
            self._set_synchronous(connection, "FULL" if full else "NORMAL")
            self.begin(connection)
        except BaseException:
            self._write_lock.release()
            raise
        return connection

    def finish_writing(self, connection: sqlite3.Connection, *, full: bool, failed: bool) -> None:
        """Commits or rolls back, and gives the lock back in either case."""
        try:
            if failed:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                return
            self.commit(connection)
            self._unsealed = not full
            self._commits += 1
        finally:
            self._write_lock.release()

    def begin(self, connection: sqlite3.Connection) -> None:
        """Takes the write lock on a connection of ours, with short naps while it is taken.

        The connection's own busy timeout must be 0, or SQLite naps first, and longer.

        Raises:
            StoreUnavailable: someone held it for longer than the busy timeout, or the file cannot be written.
        """
        deadline = 0.0
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if _primary(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise translate(error, self.path) from error
                now = clock.monotonic()
                deadline = deadline or now + self.busy_timeout_s
                if now >= deadline:
                    raise StoreUnavailable(
                        f"{self.path} was locked by another program for {self.busy_timeout_s:g} s: nothing was written; "
                        "end the program that holds it (windlass doctor names it), or try again"
                    ) from error
            except sqlite3.DatabaseError as error:
                raise translate(error, self.path) from error
            clock.sleep(random.uniform(*_NAP_S))

    def commit(self, connection: sqlite3.Connection) -> None:
        """Commits, and makes sure that the log it went to is the one that other processes read.

        Raises:
            StoreUnavailable: nothing was written.
            OutcomeUnknown: it may or may not have been.
        """
        try:
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            undone = connection.in_transaction
            with suppress(sqlite3.Error):  # whatever the rollback says, the commit's own error is the news
                connection.execute("ROLLBACK")
            if undone and _primary(error) in (
                sqlite3.SQLITE_FULL,
                sqlite3.SQLITE_BUSY,
                sqlite3.SQLITE_CONSTRAINT,
            ):
                raise translate(error, self.path) from error
            raise OutcomeUnknown(
                f"{self.path}: the commit failed half-way ({error}): it may or may not be kept; "
                "retry with the same idempotency key"
            ) from error
        self.verify_wal()

    def verify_wal(self) -> None:
        """Compares the log on disk with the one our connections write; 2 µs.

        Raises:
            OutcomeUnknown: it was deleted or replaced under us. All our connections are closed.
        """
        try:
            found = os.stat(self._wal_path)
        except FileNotFoundError:
            found = None
        if found is not None and (found.st_dev, found.st_ino) == self._wal_identity:
            self.log_bytes_seen = found.st_size
            return
        self.reset()
        raise OutcomeUnknown(
            f"{self.path}-wal was replaced while it was in use, most likely because a program opened and closed "
            f"{os.path.basename(self.path)} as a plain file: the last commit may be lost; retry with the same idempotency key"
        )

    def version(self) -> int:
        """Moves whenever a connection other than this process's writer has committed."""
        with self._write_lock, translated(self.path):
            row: tuple[int] = self._writing_connection().execute("PRAGMA data_version").fetchone()
            return row[0]

    def reset(self) -> None:
        """Closes every connection of this process; the next use opens new ones."""
        with self._write_lock, self._pool_lock:
            doomed, self._open = self._open, set()
            self._idle.clear()
            self._writer = self._checkpointer = self._wal_identity = None
            self._synchronous = ""
            for connection in doomed:
                connection.interrupt()
                connection.close()

    # ── durability ─────────────────────────────────────────────────────────────────────────────
    def seal(self) -> None:
        """Makes all commits so far durable, by one that is."""
        if self._unsealed:
            with self.write(full=True) as connection:
                connection.execute(
                    "INSERT INTO windlass_meta (name, value) VALUES ('sealed', '1') "
                    "ON CONFLICT (name) DO UPDATE SET value = value + 1"
                )

    def checkpoint(self, *, force: bool) -> WalState:
        """Copies the log into the database, where it has grown enough or when forced."""
        if not force and (self._commits < 16 or self.log_bytes_seen <= LOG_LIMIT):
            return WalState(0, blocked=False)
        with self._write_lock:
            writer = self._writing_connection()
            if self._checkpointer is None:
                self._checkpointer = self.connect(isolation_level=None)
            self._sync_log()
            self.begin(writer)
            try:
                with translated(self.path):
                    row = self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            finally:
                writer.execute("ROLLBACK")
            self._commits = 0
            _, pages, copied = row
            return WalState(max(pages - copied, 0), blocked=copied < pages)

    def log_bytes(self) -> int:
        """The size of the log now."""
        try:
            return os.stat(self._wal_path).st_size
        except FileNotFoundError:
            return 0

    def _sync_log(self) -> None:
        # Before the lock is taken: the checkpoint's own sync of the log then has nothing left to wait for.
        # Closing this descriptor drops no lock: SQLite keeps none on the log.
        with suppress(OSError):  # a log that cannot be opened is the checkpoint's to report
            descriptor = os.open(self._wal_path, os.O_RDWR)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    # ── inside ─────────────────────────────────────────────────────────────────────────────────
    def _writing_connection(self) -> sqlite3.Connection:
        self._refuse_fork()
        if self._writer is None:
            self._writer = self.connect(isolation_level=None)
            self._writer.execute("PRAGMA busy_timeout = 0")
        return self._writer

    def _configure(self, connection: sqlite3.Connection) -> None:
        mode: tuple[str] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
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

    def _set_synchronous(self, connection: sqlite3.Connection, level: str) -> None:
        if self._synchronous != level:
            connection.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level

    def _identify_wal(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._wal_path)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _refuse_fork(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError(
                "this process was forked after its Windlass had opened the database, and SQLite's locks do not survive "
                "a fork: create a new Windlass in the child before its first use, or start the child with spawn"
            )


class Writing:
    """What ``Database.write`` gives. A class rather than a generator: every enqueue goes through it."""

    __slots__ = ("_connection", "_database", "_full")

    def __init__(self, database: Database, *, full: bool) -> None:
        self._database = database
        self._full = full

    def __enter__(self) -> sqlite3.Connection:
        self._connection = self._database.start_writing(full=self._full)
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._database.finish_writing(self._connection, full=self._full, failed=kind is not None)
        if isinstance(error, sqlite3.DatabaseError):
            ours = translate(error, self._database.path)
            if ours is not error:
                raise ours from error


@contextmanager
def translated(path: str) -> Generator[None]:
    """Turns the driver's errors into ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise translate(error, path) from error


def translate(error: sqlite3.DatabaseError, path: str) -> Exception:
    """The error of ours that says what the driver's means; programming errors stay what they are."""
    code = _primary(error)
    if code in _DAMAGED:
        return UnsafeDatabase(
            f"{path} is damaged or not an SQLite database ({error}): nothing was changed; restore a backup with windlass restore"
        )
    if code in _CANNOT_NOW:
        return StoreUnavailable(
            f"{path} {_CANNOT_NOW[code]} ({error}): nothing was written; try again when that is mended"
        )
    if isinstance(error, sqlite3.OperationalError) and "no such table" in str(error):
        return UnsafeDatabase(f"{path} lacks a table of Windlass ({error}): run windlass migrate")
    return error


def _primary(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF

"""One SQLite file as every process of ours uses it: the write lock, durability, the log.

Facts this file is built on:

* What was written to a log that others no longer read is lost (see ``connections.py``). So the log's identity
  is compared after every commit, before anyone is told that it happened.
* A passive checkpoint may race a writer that restarts the log (SQLite before 3.51.3). So nobody checkpoints
  by itself: ``checkpoint`` holds the write lock on one connection while a second one copies.
* The busy handler's growing sleeps starve writers. So waiting for the write lock is many short random naps.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import NoReturn

from windlass import clock
from windlass.errors import OutcomeUnknown, StoreError, StoreUnavailable
from windlass.store.protocol import WalState
from windlass.store.sqlite.connections import LOG_LIMIT, Connections, log
from windlass.store.sqlite.faults import primary, translate, translated

_NAP_S = (0.00005, 0.0003)
_PATIENT_S = 0.1
_PATIENT_NAP_S = (0.001, 0.004)
"""Whoever has waited this long waits for something other than a commit, and may as well save power."""


_SIZE_LOOK = 256
"""Commits between two looks at the log's size: after each, the next durable commit is a slow one."""


class Database(Connections):
    """The file, its one writing connection at a time, and its log."""

    refusals: tuple[type[Exception], ...] = (sqlite3.Error, ValueError, OverflowError)
    """What is raised for a value that the driver or SQLite refuses."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        busy_timeout_s: float = 10.0,
        vet: Callable[[sqlite3.Connection], None] = lambda _: None,
    ) -> None:
        super().__init__(path, busy_timeout_s=busy_timeout_s, vet=vet)
        self._unsealed = False
        self._commits = 0
        self._last_checkpoint = WalState(0, blocked=False)
        self._version = 0
        self._writer_thread = 0
        self.log_bytes_seen = 0
        """The size of the log after our last commit."""

    def write(self, *, full: bool) -> AbstractContextManager[sqlite3.Connection]:
        """The write lock, and a transaction: ``with database.write(...)`` commits at its end or rolls back.

        ``full``: the commit is on the disk when this ends. Otherwise a later ``seal`` puts it there.
        """
        return Writing(self, full=full)

    def start_writing(self, *, full: bool) -> sqlite3.Connection:
        """Takes the write lock of this process and of the file."""
        if not self._write_lock.acquire(timeout=self.busy_timeout_s):
            raise StoreUnavailable(
                f"another thread of this program has been writing to {self.path} for "
                f"{self.busy_timeout_s:g} s: nothing was written; keep app.transaction() blocks short, and "
                "await nothing in them"
            )
        try:
            connection = self._writing_connection()
            if connection.in_transaction:
                self.refuse_nesting()
            if not self._log_is_ours() and self._notice_replacement():
                connection = self._writing_connection()
            level = "FULL" if full else "NORMAL"
            if self._synchronous != level:
                connection.execute(f"PRAGMA synchronous = {level}")
                self._synchronous = level
            self._begin(connection)
        except BaseException:
            self._write_lock.release()
            raise
        self._writer_thread = threading.get_ident()
        return connection

    def is_writing_here(self) -> bool:
        """True where this thread is inside a transaction of ours."""
        return self._writer_thread == threading.get_ident()

    def refuse_nesting(self) -> NoReturn:
        """Raises for a write inside a transaction of the same thread."""
        raise StoreError(
            "this thread is inside app.transaction(): enqueue on its connection with "
            "using(connection=...), or after it"
        )

    def finish_writing(self, connection: sqlite3.Connection, *, full: bool, failed: bool) -> None:
        """Commits or rolls back, and gives the lock back in either case."""
        try:
            if failed:
                self._undo(connection)
                return
            if not connection.in_transaction:
                raise StoreError(
                    "the block ended its transaction itself: leave commit and rollback to its end"
                )
            self._commit(connection)
            self._unsealed = not full
            self._commits += 1
        finally:
            self._writer_thread = 0
            self._write_lock.release()

    def _undo(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            log.warning("%s: a rollback failed (%s), so the connections are opened anew", self.path, error)
            self.reset()

    def begin(self, connection: sqlite3.Connection) -> None:
        """Takes the write lock on a connection of ours, with short naps while it is taken.

        The connection's own busy timeout must be 0, or SQLite naps first, and longer.

        Raises:
            StoreUnavailable: someone held it for longer than the busy timeout, or the file cannot be written.
        """
        self.refuse_fork()
        self._refuse_outdated(connection)
        self._begin(connection)

    def _begin(self, connection: sqlite3.Connection) -> None:
        begun = 0.0
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.DatabaseError as error:
                if primary(error) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    ours = translate(error, self.path)
                    if ours is error:
                        raise
                    raise ours from error
                now = clock.monotonic()
                begun = begun or now
                if now - begun >= self.busy_timeout_s:
                    raise StoreUnavailable(
                        f"{self.path} was locked by another connection for {self.busy_timeout_s:g} s: "
                        "nothing was written; end the program that holds it (windlass doctor names it), or "
                        "try again"
                    ) from error
            clock.sleep(random.uniform(*(_NAP_S if now - begun < _PATIENT_S else _PATIENT_NAP_S)))

    def commit(self, connection: sqlite3.Connection) -> None:
        """Commits, and makes sure that the log it went to is the one that other processes read.

        Raises:
            StoreUnavailable: nothing was written.
            OutcomeUnknown: it may or may not have been.
        """
        self._commit(connection)
        if not self.owns(connection):
            self._refuse_replaced()

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            undone = connection.in_transaction
            self._undo(connection)
            code = primary(error)
            # A disk that is full had no room for the commit's own record, so there is none.
            if code == sqlite3.SQLITE_FULL or (
                undone and code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CONSTRAINT)
            ):
                ours = translate(error, self.path)
                if ours is error:
                    raise
                raise ours from error
            raise OutcomeUnknown(
                f"{self.path}: the commit failed half-way ({error}): it may or may not be kept; "
                "retry with the same idempotency key"
            ) from error
        if not self._log_is_ours():
            self._refuse_log()

    def _refuse_outdated(self, connection: sqlite3.Connection) -> None:
        if not self.owns(connection):
            raise StoreUnavailable(
                f"this connection to {self.path} is from before the database was closed and opened anew: "
                "nothing was written; use a new one"
            )

    def _refuse_log(self) -> NoReturn:
        self.reset()
        self._refuse_replaced()

    def _refuse_replaced(self) -> NoReturn:
        raise OutcomeUnknown(
            f"{self._wal_path} was deleted or replaced while it was in use, by hand or because a program "
            f"opened and closed {os.path.basename(self.path)} as a plain file: the last commit may be lost; "
            "retry with the same idempotency key"
        )

    def version(self) -> int:
        """Moves whenever a connection other than this process's writer has committed."""
        # While a thread of ours is in a transaction, nobody else can commit: not worth waiting for.
        if self._write_lock.acquire(blocking=False):
            try:
                self._notice_replacement()
                with translated(self.path):
                    row: tuple[int] = self._writing_connection().execute("PRAGMA data_version").fetchone()
                # Each new connection counts from its own beginning.
                self._version = self._epoch << 32 | row[0]
            finally:
                self._write_lock.release()
        return self._version

    # ── durability ─────────────────────────────────────────────────────────────────────────────
    @property
    def is_unsealed(self) -> bool:
        """The last commit of this process may not be on the disk yet."""
        return self._unsealed

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
        if not force and self.log_bytes_seen <= LOG_LIMIT:
            return WalState(0, blocked=False)
        if not force and self._commits < 16:
            # Not worth another try so soon; a reader that was in the way is so still, for all that is known.
            return self._last_checkpoint
        self.sync_log()
        writer = self.start_writing(full=False)
        try:
            if self._checkpointer is None:
                self._checkpointer = self.connect(isolation_level=None)
            with translated(self.path):
                row = self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            # Also where it failed, or each commit to come would try again.
            self._commits = 0
            self.finish_writing(writer, full=False, failed=True)
        _, pages, copied = row
        self._last_checkpoint = WalState(max(pages - copied, 0), blocked=copied < pages)
        return self._last_checkpoint

    def _log_is_ours(self) -> bool:
        # A pin says no more than yes; every so often the size is wanted, too, which takes a stat.
        pin = self._pin
        if pin is not None and self._commits % _SIZE_LOOK and pin.holds():
            return True
        return self._log_inode() == self._inode_in_use

    def _log_inode(self) -> int:
        try:
            found = os.stat(self._wal_path)
        except FileNotFoundError:
            return 0
        self.log_bytes_seen = found.st_size
        return found.st_ino

    def log_bytes(self) -> int:
        """The size of the log now."""
        try:
            return os.stat(self._wal_path).st_size
        except FileNotFoundError:
            return 0

    def sync_log(self) -> None:
        """Puts the log as it is on the disk, without a lock.

        Before a checkpoint takes one: its own sync of the log then has nothing left to wait for.
        """
        # Closing this descriptor drops no lock: SQLite keeps none on the log.
        with suppress(OSError):  # a log that cannot be opened is the checkpoint's to report
            descriptor = os.open(self._wal_path, os.O_RDWR)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


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
        database = self._database
        database.finish_writing(self._connection, full=self._full, failed=kind is not None)
        if isinstance(error, sqlite3.DatabaseError):
            ours = translate(error, database.path)
            if ours is not error:
                raise ours from error

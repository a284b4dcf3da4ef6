"""The ground of a ledger in an SQLite file."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from windlass.change import Key, Span, Table
from windlass.errors import ResourceBusy, StoreError
from windlass.platform import file_lock
from windlass.store.ledger import Mark
from windlass.store.relational.ledger.ground import Shadows
from windlass.store.relational.ledger.statements import SQL, insert_columns, insert_of
from windlass.store.sqlite.connections import LOG_LIMIT
from windlass.store.sqlite.database import Database
from windlass.store.sqlite.joining import check_file, joined
from windlass.store.sqlite.ledger import clearing
from windlass.store.sqlite.ledger.describing import describe
from windlass.store.sqlite.ledger.tables import UserTable, user_table
from windlass.store.sqlite.ledger.triggers import PATTERN, triggers_of
from windlass.store.sqlite.safety import private_folder

log = logging.getLogger("windlass.store")

REFUSALS: tuple[type[Exception], ...] = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeError,
    msgspec.MsgspecError,
    TypeError,
)
"""What a row can be refused with: a constraint, or a value that neither SQLite nor JSON can hold."""

_LOG_MOST = 2 * LOG_LIMIT
_SHADOWS, _NEW_SHADOWS = insert_of("shadow_write"), insert_of("shadow_new")


class SqliteGround:
    """One file. Nobody else writes inside ``writing``, so what is read there stays true."""

    refusals = REFUSALS

    def __init__(self, database: Database) -> None:
        self._database = database
        self._log_tried = 0
        """The log's size when it was last copied into the database."""

    @property
    def name(self) -> str:
        return self._database.path

    # ── transactions ───────────────────────────────────────────────────────────────────────────
    def glance(self) -> Any:
        return self._database.read()

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        with self._database.read() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    def writing(self, *, full: bool) -> Any:
        return self._database.write(full=full)

    @contextmanager
    def joined(self, connection: Any) -> Generator[sqlite3.Connection]:
        self._database.refuse_fork()
        if not self._database.owns(connection):
            check_file(connection, self._database.path)
        with joined(connection, self._database.path, apart=False):
            yield connection

    def after_write(self) -> None:
        # A dispatcher moves the log, but not as fast as a first pull fills it. Not again before it has grown
        # as much once more: a reader may be in the way.
        size = self._database.log_bytes()
        if size < self._log_tried:
            self._log_tried = 0
        if size - self._log_tried > _LOG_MOST:
            self._log_tried = size
            try:
                self._database.checkpoint(force=True)
            except StoreError as error:
                # What was written is committed: the caller must not be told otherwise.
                log.warning("the log could not be copied into the database: %s", error)

    @contextmanager
    def holding(self, resource: str) -> Generator[None]:
        # An OS file lock: gone with its process. Two threads of one process exclude each other, too.
        folder = private_folder(private_folder(self._database.state_dir) / "sync")
        lock = file_lock(folder / _file_name(resource))
        if not lock.try_acquire():
            raise ResourceBusy(
                f"{resource} is pushed or pulled by another process or thread now{_holder(lock.path)}: it is "
                "done there, or try again later"
            )
        try:
            lock.write(str(os.getpid()))
            yield
        finally:
            lock.release()

    # ── the table and its capture ──────────────────────────────────────────────────────────────
    def describe(self, connection: Any, table: str) -> Table:
        return describe(connection, table)

    def schema_version(self, connection: Any) -> int:
        return connection.execute(SQL["schema_version"]).fetchone()[0]

    def user_table(self, definition: str, known_columns: str) -> UserTable:
        return user_table(definition, known_columns)

    def wanted(self, resource: int, table: Any, every_column: tuple[str, ...]) -> Mapping[str, str]:
        return triggers_of(resource, table, every_column)

    def found(self, connection: Any, resource: int) -> Mapping[str, str]:
        return dict(connection.execute(SQL["triggers"], (PATTERN.format(resource),)).fetchall())

    def make(self, connection: Any, wanted: Mapping[str, str]) -> None:
        for text in wanted.values():
            connection.execute(text)

    def drop(self, connection: Any, resource: int) -> None:
        for name in self.found(connection, resource):
            connection.execute(f'DROP TRIGGER "{name}"')

    # ── the journal beside a look ──────────────────────────────────────────────────────────────
    def edited_since(self, connection: Any, resource: int, mark: Mark) -> set[Key]:
        return clearing.edited_since(connection, resource, mark)

    def clear_journal(
        self, connection: Any, resource: int, keys: Sequence[Key], mark: Mark, span: Span | None = None
    ) -> None:
        clearing.clear_journal(connection, resource, keys, mark, span)

    def keep_highest(self, connection: Any) -> None:
        clearing.keep_highest(connection)

    # ── a write under way ──────────────────────────────────────────────────────────────────────
    def is_overtaken(self, connection: Any, resource: int, keys: Sequence[Key], mark: Mark) -> bool:
        del connection, resource, keys, mark
        return False

    def settle(self, connection: Any) -> None:
        """Nothing to do: what is checked at the commit says so there."""

    def write_shadows(self, connection: Any, shadows: Shadows, *, new: bool) -> None:
        resource, generation, *columns = shadows
        insert = _NEW_SHADOWS if new else _SHADOWS
        insert_columns(connection, insert, columns, shared=(resource, generation))


def _file_name(resource: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", resource):
        return f"{resource}.lock"
    # Anything else may be no name for a file, or one in another folder.
    return hashlib.blake2s(resource.encode(), digest_size=16).hexdigest() + ".lock"


def _holder(path: str) -> str:
    try:
        return f" (process {int(Path(path).read_text(encoding='ascii'))})"
    except (OSError, ValueError):
        return ""

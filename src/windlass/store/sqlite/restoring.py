"""How a copy becomes the database.

The copy's pages are written into the standing file by SQLite's own backup, in one transaction: a power cut
half-way leaves what was there before, and a program that has the file open sees the new content at its next
read. A file that is replaced instead would leave such a program writing to one that nobody reads. Only a
damaged file, which takes no transaction, is moved aside.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from windlass.clock import SystemClock, iso
from windlass.errors import AlreadyRunning, UnsafeDatabase
from windlass.platform import FileLock, is_locked, state_folder
from windlass.store.sqlite.faults import translated
from windlass.store.sqlite.migrate import migrations, pending
from windlass.store.sqlite.safety import looks_like_sqlite

if TYPE_CHECKING:
    from windlass.store.sqlite.store import SqliteStore

_STEP_PAGES = 2000


def restore_from(
    source: Path, store: SqliteStore, told: Callable[[int, int], None] | None = None
) -> str | None:
    """Checks the copy, keeps what is there, restores; the path where the former content is kept, if any.

    ``told`` hears how many pages are done, and of how many.

    Raises:
        UnsafeDatabase: the copy is damaged, foreign or too new. Nothing was changed.
        AlreadyRunning: a service or a program that runs jobs uses the database. Nothing was changed.
    """
    lock = FileLock(os.path.join(state_folder(store.path), "service.lock"))
    if not lock.try_acquire():
        raise AlreadyRunning(f"a service runs on {store.path}: windlass stop, then restore")
    try:
        with closing(_checked_copy(source, store.path)) as copy:
            kept = _keep(store)
            _write(copy, store, told)
        store.quick_check()
        store.migrate()
        store.ring()
        return kept
    finally:
        lock.release()


def _checked_copy(source: Path, target: str) -> sqlite3.Connection:
    if not source.is_file():
        raise UnsafeDatabase(f"there is no file {source}: nothing was changed")
    if source.resolve() == Path(target).resolve():
        raise UnsafeDatabase(f"{source} is the database itself: name a copy that windlass backup wrote")
    if source.stat().st_size == 0 or not looks_like_sqlite(str(source)):
        raise UnsafeDatabase(f"{source} is not an SQLite database: nothing was changed")
    with translated(str(source)):
        copy = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)
        try:
            verdict = copy.execute("PRAGMA quick_check(3)").fetchall()
            if verdict != [("ok",)]:
                found = "; ".join(row[0] for row in verdict)
                raise UnsafeDatabase(f"{source} is damaged ({found}): nothing was changed; try an older copy")
            ours = copy.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'background_service_jobs'"
            ).fetchone()
            if ours is None:
                raise UnsafeDatabase(f"{source} holds no jobs of Windlass: nothing was changed")
            pending(copy, str(source), migrations())
        except BaseException:
            copy.close()
            raise
    return copy


def _keep(store: SqliteStore) -> str | None:
    """Puts what is there aside: as a copy, or by moving it where it is too damaged to be copied."""
    if not os.path.exists(store.path) or os.path.getsize(store.path) == 0:
        return None
    stamp = iso(SystemClock().wall_us()).replace(":", "").replace("-", "").replace(".", "")
    kept = f"{store.path}.before-restore-{stamp}"
    try:
        store.quick_check()
        has_jobs = _has_jobs(store)
        if has_jobs and any(is_locked(row.lock_file) for row in store.dispatchers()):
            raise AlreadyRunning(f"a program runs jobs on {store.path}: end it, then restore")
        store.backup(kept)
    except UnsafeDatabase:
        store.close()
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(store.path + suffix):
                os.rename(store.path + suffix, kept + suffix)
    return kept


def _has_jobs(store: SqliteStore) -> bool:
    with store.database.read() as connection:
        found = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'windlass_dispatchers'"
        ).fetchone()
    return found is not None


def _write(copy: sqlite3.Connection, store: SqliteStore, told: Callable[[int, int], None] | None) -> None:
    def hear(_status: int, remaining: int, total: int) -> None:
        if told is not None:
            told(total - remaining, total)

    into = store.connect()
    try:
        with translated(store.path):
            _refuse_other_pages(copy, into, store.path)
            copy.backup(into, pages=_STEP_PAGES, progress=hear)
    finally:
        store.disconnect(into)


def _refuse_other_pages(copy: sqlite3.Connection, into: sqlite3.Connection, path: str) -> None:
    pages = [connection.execute("PRAGMA page_size").fetchone()[0] for connection in (copy, into)]
    empty = into.execute("PRAGMA page_count").fetchone()[0] == 0
    if pages[0] != pages[1] and not empty:
        raise UnsafeDatabase(
            f"the copy has pages of {pages[0]} bytes, {path} of {pages[1]}: nothing was changed; move {path} "
            "away, with its -wal and -shm, and restore again"
        )

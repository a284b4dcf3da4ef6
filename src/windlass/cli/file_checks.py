"""What ``windlass doctor`` asks of the file, its storage and the libraries. Writes nothing."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from windlass import clock
from windlass.cli import holders
from windlass.cli.findings import Finding, note, ok, problem, warning
from windlass.platform import state_folder
from windlass.store.sqlite.connections import LOG_LIMIT
from windlass.store.sqlite.inspecting import LIBRARY, checkpoints_may_race, waiting_migrations
from windlass.store.sqlite.migrate import migrations
from windlass.store.sqlite.safety import check_place, file_system, looks_like_sqlite, too_open

if TYPE_CHECKING:
    from windlass.store.sqlite.store import SqliteStore

_VOLATILE = frozenset({"tmpfs", "ramfs"})
_LOG_LARGE = 10 * LOG_LIMIT
_FREE_LEAST = 100_000_000
_SAMPLES = 5
_SAMPLE_S = 0.2


def sqlite_version(version: tuple[int, int, int] = LIBRARY) -> Finding:
    """Is this SQLite one whose checkpoints may race a writer?"""
    text = ".".join(map(str, version))
    if version < (3, 37, 0):
        return problem("sqlite", f"SQLite {text} is too old for Windlass", "upgrade to 3.37 or newer")
    if checkpoints_may_race(version):
        return note(
            "sqlite",
            f"SQLite {text}: a checkpoint of another program may race a writer and lose a commit; those "
            "of Windlass never do",
            "upgrade SQLite to 3.51.3 (3.50.7 and 3.44.6 are mended too), or run PRAGMA wal_autocheckpoint=0 "
            "in other programs that write to this file",
        )
    return ok("sqlite", f"SQLite {text}")


def place(path: str) -> Finding:
    """Is this storage that keeps what was written?"""
    check_place(path)
    kind = file_system(path)
    if kind in _VOLATILE:
        return warning(
            "storage", f"the file lies in memory ({kind}): a reboot loses every job", "move it to a disk"
        )
    if not kind:
        return note(
            "storage", "the type of the file system is not known here", "keep the file off network storage"
        )
    return ok("storage", f"a local file system ({kind})")


def free_space(path: str) -> Finding:
    """Is there room for jobs to come?"""
    free = shutil.disk_usage(Path(path).parent).free
    if free < _FREE_LEAST:
        return problem(
            "space",
            f"{free / 1e6:,.0f} MB are free: enqueues will soon be refused",
            "free some space on that disk",
        )
    return ok("space", f"{free / 1e9:,.1f} GB free")


def permissions(path: str) -> Iterator[Finding]:
    """Can only its owner read the payloads?"""
    folder = state_folder(path, create=False)
    open_files = [
        name for name in (path, f"{path}-wal", f"{path}-shm") if os.path.exists(name) and too_open(name)
    ]
    if open_files:
        names = " ".join(open_files)
        yield warning("permissions", f"others may read the payloads in {names}", f"chmod 600 {names}")
    if os.path.isdir(folder) and too_open(folder):
        yield warning("permissions", f"others may enter {folder}", f"chmod 700 {folder}")
    parent = Path(path).parent.stat()
    if parent.st_mode & stat.S_IWOTH and not parent.st_mode & stat.S_ISVTX:
        yield warning(
            "permissions",
            f"anyone may replace files in {Path(path).parent}",
            f"chmod o-w {Path(path).parent}",
        )
    if os.name == "posix" and os.stat(path).st_uid != os.getuid() and os.getuid() != 0:
        yield warning("permissions", "the file belongs to another user", "run Windlass as the file's owner")
    if not open_files:
        yield ok("permissions", "only the owner can read the file")


def header(path: str) -> Finding:
    """Is this an SQLite file at all?"""
    if not looks_like_sqlite(path):
        return problem("file", f"{path} is not an SQLite database", "restore a backup: windlass restore FILE")
    return ok("file", f"{os.path.getsize(path) / 1e6:,.1f} MB")


def schema(path: str) -> Finding:
    """Does the file speak this version's language?"""
    todo = waiting_migrations(path)
    newest = migrations()[-1].number
    if len(todo) == newest:
        return warning("schema", "the file holds no tables of Windlass", "windlass migrate")
    if todo:
        names = ", ".join(migration.name for migration in todo)
        return warning(
            "schema", f"migrations wait: {names}", "windlass migrate (a starting service does it too)"
        )
    return ok("schema", f"schema {newest}, up to date")


def intact(store: SqliteStore) -> Finding:
    """Is every page of it sound?"""
    store.quick_check()
    return ok("intact", "every page is sound (quick_check)")


def log(store: SqliteStore) -> Iterator[Finding]:
    """Has the write-ahead log outgrown itself, and who keeps it?"""
    size = store.database.log_bytes()
    text = f"the write-ahead log has {size / 1e6:,.1f} MB"
    if size <= LOG_LIMIT:
        yield ok("log", text)
        return
    left = store.checkpoint(force=True)
    if left.blocked:
        yield warning(
            "log",
            f"{text}, and a reader keeps {left.pages:,} pages of it: writes grow slower",
            "end the long read transaction named under readers",
        )
    elif size > _LOG_LARGE:
        yield note("log", f"{text}; it was copied into the database just now and is reused from its start")
    else:
        yield ok("log", text)


def held_up(path: str) -> Iterator[Finding]:
    """Who sits on a lock for longer than a moment?"""
    seen = holders.locks(path)
    readers, writers = set(seen.readers), set(seen.writers)
    for _ in range(_SAMPLES):
        if not readers and not writers:
            break
        clock.sleep(_SAMPLE_S)
        seen = holders.locks(path)
        readers &= seen.readers
        writers &= seen.writers
    span = f"{_SAMPLES * _SAMPLE_S:g} s"
    if writers:
        yield problem(
            "writer",
            f"{holders.named(writers)} held the write lock for {span}: nothing else can be written",
            "let it commit, or end it",
        )
    if readers:
        yield warning(
            "readers",
            f"{holders.named(readers)} was found reading each time we looked for {span}: it may keep the log "
            "from being copied",
            "end its read transaction (commit, or close the cursor)",
        )
    if not readers and not writers:
        yield ok("locks", "nobody holds a lock for long")


def libraries(path: str) -> Iterator[Finding]:
    """Does a process use this file through two SQLite libraries at once?"""
    for pid, command in holders.users(path).items():
        if holders.two_sqlites(pid):
            yield problem(
                "libraries",
                f"process {pid} ({command}) has loaded two SQLite libraries: on one file, they lose commits",
                "use only Python's own sqlite3 on this file there",
            )

"""How the storage is where the database is a file: the file, its log, the room around it, and its copies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

from windlass import clock
from windlass.app import Windlass
from windlass.errors import StoreUnavailable
from windlass.storage.state import Backup, Finding, StorageState
from windlass.store.migration import Migration
from windlass.store.sqlite.connections import LOG_LIMIT
from windlass.store.sqlite.inspecting import LIBRARY, checkpoints_may_race, waiting_migrations
from windlass.store.sqlite.migrate import migrations
from windlass.store.sqlite.safety import file_system, private_folder, too_open

SUFFIX = "-backups"
"""Copies made from here lie in ``<database>-backups``, since the state folder may be deleted."""
_FREE_LEAST = 100_000_000
_BACKUPS_MOST = 50


def file_storage(app: Windlass) -> StorageState:
    """How the file is, and its copies.

    Raises:
        StoreUnavailable: it cannot be looked at.
    """
    path = app.place.base
    try:
        return _state(app, path)
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror or error}") from error


def _state(app: Windlass, path: str) -> StorageState:
    newest, waiting = migrations()[-1].number, waiting_migrations(path)
    return StorageState(
        path=path,
        file_bytes=_size(path),
        wal_bytes=_size(f"{path}-wal"),
        free_bytes=shutil.disk_usage(Path(path).parent).free,
        file_system=file_system(path) or None,
        sqlite=".".join(map(str, LIBRARY)),
        # In WAL mode nothing but a checkpoint writes to the file itself.
        checkpointed_at=clock.from_us(os.stat(path).st_mtime_ns // 1000),
        schema=f"{newest - len(waiting)} of {newest}",
        findings=list(_findings(path, waiting)),
        backups=_backups(app),
    )


def back_up_file(app: Windlass) -> Backup:
    """Makes a consistent copy beside the database, readable by its owner alone, while everything runs."""
    folder = private_folder(_folder(app))
    now = clock.from_us(app.clock.wall_us())
    stem = Path(app.place.base).stem
    name = f"{stem}-{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}Z.db"
    app.store.backup(str(folder / name))
    return _backup(folder / name)


def _findings(path: str, waiting: Sequence[Migration]) -> Iterator[Finding]:
    if checkpoints_may_race(LIBRARY):
        yield Finding(
            level="note",
            check="sqlite",
            text="a checkpoint of another program may race a writer; those of Windlass never do",
            way_out="upgrade SQLite to 3.51.3, or run PRAGMA wal_autocheckpoint=0 in other programs",
        )
    size, free = _size(f"{path}-wal"), shutil.disk_usage(Path(path).parent).free
    if size > 10 * LOG_LIMIT:
        yield Finding(
            level="warning",
            check="log",
            text=f"the write-ahead log has {size / 1e6:,.1f} MB: a reader may keep it from being copied",
            way_out="windlass doctor says who",
        )
    if free < _FREE_LEAST:
        yield Finding(
            level="problem",
            check="space",
            text=f"{free / 1e6:,.0f} MB are free: enqueues will soon be refused",
            way_out="free some space on that disk",
        )
    exposed = [name for name in (path, f"{path}-wal") if os.path.exists(name) and too_open(name)]
    if exposed:
        names = " ".join(map(quote, exposed))
        yield Finding(
            level="warning",
            check="permissions",
            text=f"others may read the payloads in {names}",
            way_out=f"chmod 600 {names}",
        )
    if waiting:
        names = ", ".join(one.name for one in waiting)
        yield Finding(
            level="warning", check="schema", text=f"migrations wait: {names}", way_out="windlass migrate"
        )


def _backups(app: Windlass) -> list[Backup]:
    found = sorted(_folder(app).glob("*.db"), key=lambda path: path.name, reverse=True)
    return [_backup(path) for path in found[:_BACKUPS_MOST]]


def _folder(app: Windlass) -> Path:
    return Path(os.path.realpath(app.place.base) + SUFFIX)


def _backup(path: Path) -> Backup:
    found = path.stat()
    made = clock.from_us(found.st_mtime_ns // 1000)
    return Backup(name=path.name, path=str(path), size_bytes=found.st_size, made_at=made)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0

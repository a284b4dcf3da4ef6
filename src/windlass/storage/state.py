"""What there is to know of where the jobs are kept: the file, or the server."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is well or not with the storage."""

    level: Literal["ok", "note", "warning", "problem"]
    check: str
    text: str
    way_out: str | None


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of the database."""

    name: str
    path: str
    size_bytes: int
    made_at: datetime


class TableState(msgspec.Struct, frozen=True, kw_only=True):
    """A table of ours on a server, as its statistics have it."""

    name: str
    live_rows: int
    dead_rows: int
    """Those that no vacuum has removed yet."""
    size_bytes: int
    """With its indexes."""


class ServerState(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL server."""

    version: str
    connections: int
    connections_most: int
    skew_s: float
    """How far its clock is ahead of this machine's."""
    standbys: list[str]
    """Each as it stands, and how far it is behind."""
    tables: list[TableState]
    """The largest first."""


class StorageState(msgspec.Struct, frozen=True, kw_only=True):
    """How the file or the server is, as far as this user may see."""

    path: str
    """Of a server: its URL, without the password."""
    server: ServerState | None = None
    """None: it is a file. Else ``file_bytes`` is the database's size, and what only a file has is empty."""
    file_bytes: int
    wal_bytes: int
    free_bytes: int
    file_system: str | None
    sqlite: str
    """The library's version."""
    checkpointed_at: datetime | None
    """When the log was last moved into the file."""
    schema: str | None
    findings: list[Finding]
    backups: list[Backup]
    """Made from here, newest first."""

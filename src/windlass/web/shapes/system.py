"""Session, service, workers, storage, handlers and audit log, as the API tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from windlass.storage.state import StorageState
from windlass.web.shapes.jobs import Command, Cursor


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Who looks, and at what."""

    who: str
    read_only: bool
    """Every action is refused with 403."""
    csrf: str
    """What to send as ``X-Windlass-CSRF`` with every request but GET."""
    version: str
    title: str
    """What people call the app."""
    database: str
    """The file's path."""
    app: str | None
    """Where the program is found, such as ``app:app``; None: it is not known here."""
    can_run_jobs: bool
    """The program's handlers are known, so forms can be made of their payloads."""
    clock: datetime
    """What time it was here, to tell how wrong the browser's clock is."""


class ServiceState(msgspec.Struct, frozen=True, kw_only=True):
    """The background service."""

    running: bool
    state: Literal["stopped", "starting", "ready", "waiting", "replacing", "stopping", "broken", "unknown"]
    pid: int | None
    dispatcher: int | None
    """The process id of its dispatcher."""
    restarts: int
    grace_s: float | None
    """How long running jobs may go on after a stop was asked for."""
    last_error: str | None
    log: str | None
    """The log's path."""
    log_tail: list[str]
    """Its last lines, cleaned of secrets."""
    can_start: bool
    why_not: str | None
    """Why it cannot be started from here."""
    commands: list[Command]


class Scale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In how many isolates jobs run from now on."""

    isolates: Annotated[int, Meta(ge=1, le=1024)]


class ProcessRow(msgspec.Struct, frozen=True, kw_only=True):
    """A process of the service."""

    pid: int
    role: Literal["supervisor", "dispatcher", "isolate"]
    memory_bytes: int | None
    """What it has resident; None where it cannot be told."""


class RunningJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that a worker runs now."""

    id: int
    key: str
    queue: str
    attempt: int
    started_at: datetime | None
    progress: float | None
    """Between 0 and 1."""


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A registered dispatcher with its processes."""

    id: int
    host: str
    pid: int
    mode: str
    version: str
    started_at: datetime
    alive: bool
    here: bool
    """It runs on this machine, so its processes can be seen."""
    job_keys: list[str] | None
    """What it can run; None: everything."""
    memory_bytes: int | None
    """Of all its processes together."""
    processes: list[ProcessRow]
    running: int
    jobs: list[RunningJob]
    """At most 100 of them, the oldest first."""


class Workers(msgspec.Struct, frozen=True, kw_only=True):
    """All dispatchers, the living first."""

    workers: list[Worker]
    running: int
    commands: list[Command]


class Storage(StorageState, frozen=True, kw_only=True):
    """The file, its log, and the room around it; or the server."""

    commands: list[Command]


class HandlerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A job key this program knows."""

    key: str
    title: str | None
    summary: str | None
    """The first paragraph of its function's docstring."""
    schema: dict[str, Any]
    """The JSON Schema of its payload."""
    queue: str
    priority: int
    max_attempts: int
    timeout_s: float | None
    tags: tuple[str, ...]
    concurrency: int | None
    rate: str | None
    constraints: dict[str, Any] | None
    is_async: bool


class Handlers(msgspec.Struct, frozen=True, kw_only=True):
    """What can be run from a form."""

    handlers: list[HandlerRow]
    known: bool
    """False: the program is not loaded here; ``note`` says how it would be."""
    note: str | None
    command: str


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries of the audit log."""

    action: Annotated[str, Meta(max_length=100)] | None = None
    who: Annotated[str, Meta(max_length=255)] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: Cursor | None = None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One action, whether or not it succeeded."""

    id: int
    at: datetime
    who: str
    action: str
    """Such as ``jobs.retry``."""
    subject: str | None
    """What it was done to, such as ``7`` or a queue's name."""
    details: dict[str, Any] | None
    outcome: str
    """``ok``, or the code of the error."""


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first."""

    entries: list[AuditEntry]
    next: str | None
    command: str | None

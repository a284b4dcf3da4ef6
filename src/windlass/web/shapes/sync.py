"""What the dashboard tells of synced tables, and what waits in them for a person. Spans are seconds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from windlass.job import JobStatus
from windlass.web.shapes.jobs import Command

Side = Literal["base", "mine", "theirs"]


class WaitingQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what waits."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 50
    """The oldest so many of each kind. They are few at a time and settled from the front: who wants to see
    more asks for more, and misses nothing that was settled meanwhile."""


class SyncRun(msgspec.Struct, frozen=True, kw_only=True):
    """A push or a pull, as a job."""

    job_id: int
    direction: Literal["push", "pull"]
    status: JobStatus
    at: datetime
    """When it ended, or last changed."""
    run_s: float | None = None
    error: str | None = None
    """The first line of what went wrong."""


class SyncResource(msgspec.Struct, frozen=True, kw_only=True):
    """How a synced table stands."""

    resource: str
    table: str
    state: str
    """``idle``, ``pushing``, ``pulling``, ``paused``, ``offline``, ``throttled``, ``unauthorized``,
    ``failing``; ``blocked`` where its jobs may not start or its rows are gone, ``broken`` where its table
    cannot be synced."""
    reason: str | None = None
    """Why, where the state is not this program's choice."""
    since: datetime | None = None
    until: datetime | None = None
    """When the remote is asked again, where that waits."""
    paused: bool = False
    direction: Literal["both", "pull", "push"] = "both"
    every_s: float | None = None
    """How often it is pulled; None: when asked."""
    policy: str
    """What is done about conflicts: ``ask``, ``client``, ``server``, ``latest``, ``merge``, ``function``."""
    rows: int = 0
    """Rows that the remote is known to have."""
    pending: int = 0
    held: int = 0
    failed: int = 0
    conflicts: int = 0
    quarantined: int = 0
    oldest_pending: datetime | None = None
    """When the oldest of them was made: its age is the lag."""
    last_pull: datetime | None = None
    last_push: datetime | None = None
    last_error: str | None = None
    sweep_refused: str | None = None
    """So much was absent from a complete pull that a person must say whether it is deleted."""
    runs: tuple[SyncRun, ...] = ()
    """The last pushes and pulls that are kept, oldest first."""


class SyncList(msgspec.Struct, frozen=True, kw_only=True):
    """All synced tables of the program, by name."""

    resources: tuple[SyncResource, ...]
    undeclared: tuple[str, ...] = ()
    """Known to the database, and not declared by the program that serves this page."""
    commands: tuple[Command, ...]


class SyncPending(msgspec.Struct, frozen=True, kw_only=True):
    """A local change that the remote does not have yet."""

    key: str
    op: str
    columns: tuple[str, ...]
    made_at: datetime
    attempts: int
    why: str
    """Why it is not there yet, in a sentence."""


class SyncQuarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A remote row that could not be written here."""

    remote_id: str
    reason: str
    seen_at: datetime
    document: str
    """As JSON text, cut to 2,000 characters."""


class SyncDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A synced table, and the oldest of what waits in it."""

    resource: SyncResource
    pending: tuple[SyncPending, ...] = ()
    quarantined: tuple[SyncQuarantined, ...] = ()
    faults: tuple[str, ...] = ()
    """What is wrong with the capture of edits, in sentences."""
    commands: tuple[Command, ...]


class SyncValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value of a column, as text: no number loses digits on its way."""

    kind: Literal["null", "integer", "real", "text", "blob"]
    text: str = ""
    """Of bytes: base64."""
    size: int = 0
    """How long it is in full: characters of its text, or bytes."""
    whole: bool = True
    """False: the text is cut, or hides a secret, and is not to be sent back as it is."""


class SyncField(msgspec.Struct, frozen=True, kw_only=True):
    """A column on all sides of a conflict. None: that side has no such column, or no row."""

    name: str
    declared: str = ""
    """The column's type as the table's schema writes it."""
    key: bool = False
    """It is a part of the primary key, and cannot be chosen."""
    base: SyncValue | None = None
    mine: SyncValue | None = None
    theirs: SyncValue | None = None
    verdict: Literal["same", "mine", "theirs", "contested"]
    """Whose change it is: of ``mine`` and ``theirs`` the merge takes that side by itself; a contested column
    is for a person to decide."""


class SyncConflict(msgspec.Struct, frozen=True, kw_only=True):
    """Two edits of one row that wait for a person."""

    id: str
    resource: str
    key: str
    """As the commands take it."""
    raised_at: datetime
    seen: str
    """What was shown, in short: with it, resolving fails where one side has moved on since."""
    mine_deleted: bool = False
    theirs_deleted: bool = False
    fields: tuple[SyncField, ...]


class ConflictList(msgspec.Struct, frozen=True, kw_only=True):
    """The conflicts of a resource that wait for a person, oldest first."""

    conflicts: tuple[SyncConflict, ...]
    total: int
    commands: tuple[Command, ...]


class FieldChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a column becomes: one side's value, or one of your own."""

    side: Side | None = None
    text: str | None = None
    """As the command line takes it: ``true`` for a boolean, base64 for bytes."""
    null: bool = False


class Resolution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to settle a conflict. What one side alone has changed is kept."""

    choice: Literal["mine", "theirs", "fields", "delete"]
    fields: dict[str, FieldChoice] = {}
    """Where the choice is ``fields``: one for each contested column, and for others where you like."""
    seen: str | None = None


class SyncDead(msgspec.Struct, frozen=True, kw_only=True):
    """A local change that the remote rejected, or that failed too often."""

    id: str
    resource: str
    key: str
    op: str
    made_at: datetime
    attempts: int
    error: str
    """What the server said, in a line."""
    problem: Any = None
    """The server's own problem document, where it sent one."""
    explicit: bool = False
    """An operation that is sent as it was given: it can be retried or discarded, and not edited."""
    deleted: bool = False
    """The row is deleted here: it cannot be edited."""
    fields: tuple[SyncField, ...] = ()
    """The row's columns: ``mine`` as it is here, ``theirs`` as the remote last said, no ``base``."""


class DeadList(msgspec.Struct, frozen=True, kw_only=True):
    """The dead letters of a resource, oldest first."""

    dead: tuple[SyncDead, ...]
    total: int
    commands: tuple[Command, ...]


class RowEdit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns that a rejected row gets before it is sent again: as of ``FieldChoice``; None: NULL."""

    columns: dict[str, str | None]


class SyncStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs that push and pull now."""

    job_ids: tuple[int, ...]


class PutRight(msgspec.Struct, frozen=True, kw_only=True):
    """What waited for a person is settled here; the next push tells the remote."""

    resource: str
    key: str

"""Jobs as the API tells them, and what it takes about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windlass.job import Disposition, Existing, JobStatus, Progress

JobState = Literal[
    "ready", "scheduled", "retrying", "waiting", "held", "running", "completed", "failed", "cancelled"
]
"""A job's status, and for PENDING the part of it that the row itself shows."""
JobAction = Literal["retry", "cancel", "delete"]
JobOrder = Literal[
    "id", "-id", "created_at", "-created_at", "updated_at", "-updated_at",
    "priority", "-priority", "finished_at", "-finished_at",
]  # fmt: skip

Name = Annotated[str, Meta(min_length=1, max_length=255)]
JobId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Cursor = Annotated[str, Meta(max_length=255)]
Priority = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What does the same in a terminal."""

    does: str
    """Such as ``Retry it``."""
    command: str
    """Such as ``windlass jobs retry 7``."""


class JobRow(msgspec.Struct, frozen=True, kw_only=True):
    """A job as a line of a table."""

    id: int
    key: str
    status: JobStatus
    state: JobState
    queue: str
    priority: int
    attempts: int
    max_attempts: int
    created_at: datetime
    updated_at: datetime
    run_at: datetime | None
    """When it becomes due; None for at once."""
    started_at: datetime | None
    finished_at: datetime | None
    tags: tuple[str, ...]
    unique: str | None
    hold: str | None
    """Why it is held, where it is."""
    reason: str | None
    """Why it ended, in one word, where it did not complete."""
    error: str | None
    """The first line of its last error."""
    progress: Progress | None
    cancel_requested: bool


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs, in which order, from where on."""

    status: str | None = None
    """One or several statuses, separated by commas."""
    key: str | None = None
    queue: str | None = None
    tag: str | None = None
    unique: str | None = None
    q: Annotated[str, Meta(max_length=500)] | None = None
    """Words to be found in its id, key, queue, tags, unique key or error."""
    like: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    """What the errors have in common, as the overview tells it: of the newest 500 failed jobs, those of this
    kind."""
    held: bool | None = None
    order: JobOrder = "-id"
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    after: Cursor | None = None
    """``next`` of the page before."""


class JobPage(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that match, and how many there are in all."""

    jobs: list[JobRow]
    next: str | None
    """What to give as ``after`` for the next page; None: this is the last one."""
    total: int
    total_is_least: bool
    """There are more than ``total``: counting stopped there."""
    complete: bool
    """False: looking stopped before the page was full; ``next`` goes on from there."""
    command: str


class SuggestQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is being typed."""

    field: Literal["key", "queue", "tag"]
    prefix: Annotated[str, Meta(max_length=255)] = ""
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class Suggestions(msgspec.Struct, frozen=True, kw_only=True):
    """What it may become."""

    values: list[str]


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt: those that went wrong, and the present or last one."""

    attempt: int
    outcome: str
    """``retried``, ``snoozed``, ``cancelled``, ``failed``, ``crashed`` or ``lost``; of the present or last
    one, ``running`` or ``completed``."""
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None


class LogRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line that its handler logged."""

    attempt: int
    number: int
    """Which line of its run it is, from 1: only the newest are kept."""
    at: datetime
    level: str
    """``INFO``, ``WARNING`` …"""
    logger: str
    text: str


class JobLogs(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of what a job's handler logged."""

    lines: list[LogRow]
    """Oldest first."""


class GraphNode(msgspec.Struct, frozen=True, kw_only=True):
    """A job in the graph of whom it waits for and who waits for it."""

    id: int
    key: str | None
    """None: it was deleted."""
    status: JobStatus | None
    hold: str | None
    level: int
    """Below 0: it comes before the job that is shown; above 0: after it."""


class GraphEdge(msgspec.Struct, frozen=True, kw_only=True):
    """``child`` waits for ``parent``."""

    parent: int
    child: int


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """A job among those that are tied to it."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]
    more: bool
    """There are more than are told here."""


class WhyRow(msgspec.Struct, frozen=True, kw_only=True):
    """Why it is not running: a code for programs, a sentence for people."""

    code: str
    """As of ``windlass.job.Why``."""
    reason: str
    until: datetime | None


class LeaseOwner(msgspec.Struct, frozen=True, kw_only=True):
    """The dispatcher that runs it."""

    dispatcher: int
    host: str
    pid: int
    mode: str
    alive: bool


class JobDetail(JobRow, frozen=True, kw_only=True):
    """All that is known about a job."""

    payload: dict[str, Any] | None
    """What is called like a secret is shown as ``[redacted]``."""
    payload_text: str | None
    """The same as indented JSON: exact also where JavaScript's numbers are not."""
    result: Any
    result_text: str | None
    last_error: str | None
    meta: dict[str, Any]
    timeout_s: float | None
    idempotency_key: str | None
    in_line: bool
    waits_for: int | None
    """For how many jobs it still waits."""
    constraints: dict[str, Any] | None
    """What must hold while it runs, as canonical JSON has it."""
    deadline: datetime | None
    crashes: int
    why: WhyRow
    history: list[AttemptRow]
    """Oldest first."""
    lease: LeaseOwner | None
    graph: Graph | None
    """None: it is tied to no other job."""
    can: list[Literal["retry", "cancel", "delete", "copy"]]
    """What may be done to it as it stands."""
    known: bool
    """This program has its handler, so its payload can be checked before it is enqueued."""
    commands: list[Command]


class JobOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a job is enqueued; what is not given is its handler's own, or the default."""

    queue: Name | None = None
    priority: Priority | None = None
    delay: str | float | None = None
    """Such as ``10m``, or seconds."""
    run_at: datetime | None = None
    max_attempts: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    timeout: str | float | None = None
    tags: tuple[str, ...] = ()
    unique: str | None = None
    existing: Existing = "keep"
    idempotency_key: str | None = None
    deadline: str | None = None
    """A span from now, such as ``2h``, or a time in RFC 3339."""


class NewJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job to be enqueued by key."""

    key: Name
    payload: dict[str, Any] | None = None
    payload_text: str | None = None
    """The payload as JSON text, instead."""
    options: JobOptions = JobOptions()


class JobCopy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new job after the model of another; what is not given is as in that one."""

    payload: dict[str, Any] | UnsetType | None = UNSET
    payload_text: str | None = None
    """The payload as JSON text, instead. What it leaves ``[redacted]`` is taken from that job."""
    queue: Name | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    max_attempts: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET
    delay: str | float | None = None


class Enqueued(msgspec.Struct, frozen=True, kw_only=True):
    """What an enqueue did."""

    id: int
    created: bool
    disposition: Disposition
    job: JobRow


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """An action on one job, done; ``status`` is what it has now, None where it is deleted."""

    id: int
    status: JobStatus | None


class BulkFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs an action is for: ``ids``, or all that match. At least one thing must be asked."""

    ids: Annotated[tuple[JobId, ...], Meta(max_length=10_000)] | None = None
    status: tuple[JobStatus, ...] | None = None
    key: str | None = None
    queue: str | None = None
    tag: str | None = None
    unique: str | None = None
    q: Annotated[str, Meta(max_length=500)] | None = None
    like: Annotated[str, Meta(min_length=1, max_length=300)] | None = None
    held: bool | None = None
    all: bool = False
    """Every job there is: said aloud, so that an empty filter is no accident."""


class Bulk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One action on many jobs. Each request does a bounded part; repeat it with ``next`` of the answer."""

    action: JobAction
    filter: BulkFilter
    preview: bool = False
    """Only count: nothing is changed."""
    after: Cursor | None = None


class BulkDone(msgspec.Struct, frozen=True, kw_only=True):
    """How far it is."""

    action: JobAction
    matching: int
    """Of a preview: how many the action can be for. Otherwise: how many this part has looked at."""
    matching_is_least: bool
    changed: int
    """How many this part has changed."""
    next: str | None
    """What to give as ``after`` to go on; None: it is done. What is enqueued meanwhile is left alone."""
    command: str | None
    """What does the same in a terminal, where one command can."""

"""What the dashboard tells of queues and limits."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windlass.web.shapes.jobs import Command


class QueueRow(msgspec.Struct, frozen=True, kw_only=True):
    """A queue: its switches, its limits, and how much is in it."""

    queue: str
    paused: bool = False
    concurrency: int | None = None
    """How many may run at once; None: no limit."""
    rate: str | None = None
    """How many may start in which span, such as ``50/s``; None: no limit."""
    ready: int = 0
    scheduled: int = 0
    held: int = 0
    running: int = 0
    is_least: bool = False
    """It was not counted to the end: there may be more of each."""


class KeyLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit in force for the jobs of one key, in whatever queue."""

    key: str
    concurrency: int | None = None
    rate: str | None = None
    running: int = 0
    declared: bool = False
    """It is what the program declares; otherwise, what someone set."""


class QueueList(msgspec.Struct, frozen=True, kw_only=True):
    """All queues that hold jobs or are switched, and what limits their jobs."""

    queues: tuple[QueueRow, ...]
    key_limits: tuple[KeyLimit, ...]
    commands: tuple[Command, ...]


class LimitChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to limit from now on. None lifts the one, and what is not given stays."""

    concurrency: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType | None = UNSET
    """How many may run at once."""
    rate: Annotated[str, Meta(max_length=40)] | UnsetType | None = UNSET
    """How many may start in which span: ``50/s``, ``600/m``."""


class LimitLifted(msgspec.Struct, frozen=True, kw_only=True):
    """What was set is forgotten; a key is then under what the program declares."""

    kind: Literal["queue", "key"]
    name: str
    lifted: bool
    """False: nothing was set."""

"""What ``GET /api/overview`` asks and answers: how much work there is, how it went, and how long it took.

Times are ISO-8601 in UTC, points of a series are seconds since the epoch, durations are milliseconds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Range = Literal["15m", "1h", "6h", "24h"]


class OverviewQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How far back to look."""

    range: Range = "1h"


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many. Beyond a cap nobody counts on: then it is at least ``value``."""

    value: int
    is_least: bool = False


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs by status; the first three are the PENDING ones, by what they wait for."""

    ready: Count
    scheduled: Count
    """Due later: enqueued with a delay, or to be retried."""
    held: Count
    running: Count
    completed: Count
    failed: Count
    cancelled: Count


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How many attempts ended how."""

    completed: int = 0
    failed: int = 0
    """Ended for good: no attempt was left, or the error was permanent."""
    retried: int = 0
    """Failed, and runs again."""
    snoozed: int = 0
    cancelled: int = 0
    crashed: int = 0
    """Its process died."""
    other: int = 0
    """Released, quarantined, expired: nobody's fault."""


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """Of so many attempts; the rest is None where there was none. Exact to within 4 %."""

    count: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of equal length, oldest first; the last bucket is the present one, not yet full."""

    at: list[int]
    """Where each bucket begins, in seconds since the epoch."""
    completed: list[int]
    failed: list[int]
    retried: list[int]
    cancelled: list[int]
    wait_p50_ms: list[float | None]
    wait_p95_ms: list[float | None]
    wait_p99_ms: list[float | None]
    run_p50_ms: list[float | None]
    run_p95_ms: list[float | None]
    run_p99_ms: list[float | None]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One queue's or one job key's part of it."""

    name: str
    outcomes: Outcomes
    wait: Durations
    """From when it could run to its start."""
    run: Durations
    """From its start to its end."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs of one key that failed for good with errors that are alike, among the newest failures."""

    key: str
    message: str
    """The first line of the newest one's error."""
    like: str
    """What they have in common: with it, and the key, the list of jobs shows them."""
    varies: bool = False
    """The others differ from it in numbers, paths, addresses or ids."""
    count: int
    last_at: datetime
    last_job_id: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A ready job that has waited long: the oldest of its queue and key."""

    job_id: int
    key: str
    queue: str
    waiting_since: datetime
    ready: Count
    """How many of this queue and key are ready."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """All that the first page shows."""

    at: datetime
    """The minute in which it was read."""
    range: Range
    bucket_s: int
    """How long one bucket of the series is."""
    counts: Counts
    outcomes: Outcomes
    """Of the whole range, as are the three below."""
    wait: Durations
    run: Durations
    per_s: float
    """Attempts that ended in a second, over the last full minute."""
    series: Series
    by_queue: list[Group]
    """The busiest first, at most fifty; so are the keys."""
    by_key: list[Group]
    failures: list[Failure]
    """The most frequent first, at most twenty."""
    failures_looked_at: int
    """How many of the newest failures were grouped; older ones are in the list of jobs."""
    oldest: list[Waiting]
    """The longest waits first, at most ten."""
    commands: list[str]
    """What a terminal would be told to show the same."""

"""What became of the work, minute by minute, for whoever looks on. A part of the store's contract."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

SPANS_KEPT = {1: 75, 5: 7 * 60, 15: 2 * 24 * 60}
"""How long the spans are of which figures are kept, and for how many minutes."""
OTHERS = "…"
"""The queue or job key under which stands what came beyond the most that are told apart."""


class Figures(NamedTuple):
    """One minute or span of a queue and job key: how many attempts ended how, and how long they took.

    ``waits`` (from when a job was ready until a dispatcher took it) and ``runs`` are sketches: see
    ``windlass.store.sketch``.
    """

    minute: int
    """The first one, since the epoch, on the wall clock."""
    owner: int
    """The dispatcher that counted them; 0: all of them."""
    queue: str
    key: str
    completed: int
    failed: int
    """They ended for good: no attempt was left, or none could help."""
    retried: int
    snoozed: int
    cancelled: int
    crashed: int
    other: int
    """Released, or held: it was nobody's fault."""
    waits: bytes | None
    runs: bytes | None


class Total(NamedTuple):
    """All attempts of a queue and job key since the database was made."""

    queue: str
    key: str
    outcomes: tuple[int, ...]
    """How many ended how, in the order of ``OUTCOMES``."""
    waits: tuple[int, ...]
    """How many waited so long, by the buckets of ``windlass.store.sketch``."""
    runs: tuple[int, ...]


OUTCOMES = ("completed", "failed", "retried", "snoozed", "cancelled", "crashed", "other")
"""The names of the columns in which attempts are counted, in their order."""


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A job that failed for good, in short."""

    job_id: int
    key: str
    queue: str
    reason: str | None
    message: str
    """The first line of its error."""
    at: datetime | None


class LongestWait(msgspec.Struct, frozen=True, kw_only=True):
    """The job of a lane that has been ready the longest."""

    job_id: int
    key: str
    queue: str
    since: datetime | None
    ready: int
    """How many jobs of that queue and key are ready, as far as they were counted."""
    ready_is_least: bool = False


class Lease(NamedTuple):
    """A RUNNING job, and the dispatcher that has it."""

    job_id: int
    owner: int


class Activity(Protocol):
    """The verbs. All are thread-safe. Who writes figures is ``Store.seal``."""

    def activity(self, first_minute: int, last_minute: int, *, minutes: int = 1) -> Iterator[Figures]:
        """All figures of these minutes, both included, in no order.

        ``minutes``: how finely, one of ``SPANS_KEPT``, which says how far back that goes. Of a span that is
        over all rows have its first minute, and may still be several; what is newer is told by the minute.
        So ``first_minute`` begins a span, or some of it is missing.
        """
        ...

    def totals(self) -> list[Total]:
        """All figures since the beginning, added up by queue and key.

        Beyond a thousand pairs of them the key is ``…``, and in the end the queue too.
        """
        ...

    def leases(self, *, owner: int | None = None, limit: int = 100) -> list[Lease]:
        """The RUNNING jobs, of one dispatcher or of all, oldest first."""
        ...

    def failures(self, limit: int = 500) -> list[Failed]:
        """The jobs that failed last, newest first."""
        ...

    def longest_waits(self, limit: int = 10, *, count_to: int = 10_000) -> list[LongestWait]:
        """Of each queue and job key with ready jobs, the one that has been ready the longest; the longest
        waits first."""
        ...

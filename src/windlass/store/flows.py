"""Jobs that wait for other jobs: for whom, and what those gave. A part of the store's contract.

A child is held until all its parents are COMPLETED, which is seen to in the transaction that settles the
last of them. A parent that ended otherwise leaves it held, with the reason. A job is made after those it
waits for, so parents have the lower ids, and nobody can wait for himself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from windlass.job import JobStatus


class Relative(msgspec.Struct, frozen=True, kw_only=True):
    """A parent or a child of a job, as it stands."""

    id: int
    key: str | None = None
    """None: it was deleted."""
    status: JobStatus | None = None
    hold: str | None = None
    waits_for: int | None = None
    """For how many jobs it waits itself."""


class ParentResult(NamedTuple):
    """What a parent came to."""

    id: int
    key: str | None
    """None: it was deleted."""
    status: str | None
    result: str | None
    """JSON text."""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How far some jobs are: how many of them stand where."""

    total: int
    pending: int = 0
    """Ready, due later, or waiting for their parents."""
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    held: int = 0
    """Of the pending ones, those that are held."""
    stuck: bool = False
    """What is not over is held, and waits for nothing that could go on by itself."""

    @property
    def done(self) -> int:
        """How many are over, whatever they came to."""
        return self.completed + self.failed + self.cancelled


class Flows(Protocol):
    """The verbs. All are thread-safe."""

    def parents(self, job_id: int, *, incomplete: bool = False, limit: int = 1000) -> list[Relative]:
        """The jobs it was made to wait for, in their order; ``incomplete``: those that have not completed."""
        ...

    def children(self, job_id: int, *, limit: int = 1000) -> list[Relative]:
        """The jobs that were made to wait for it, oldest first."""
        ...

    def parent_results(self, job_id: int) -> list[ParentResult]:
        """What its parents came to, in their order."""
        ...

    def tally(self, job_ids: Sequence[int]) -> Tally:
        """How far these jobs are; those that were deleted meanwhile are not counted."""
        ...

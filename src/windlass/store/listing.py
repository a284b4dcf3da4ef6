"""Looking through jobs a page at a time, quick however many there are. A part of the store's contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from windlass.job import Job

if TYPE_CHECKING:
    from windlass.store.protocol import JobFilter

Field = Literal["key", "queue", "tag"]

SORTED_MOST = 20_000
"""So many jobs at most can be put in an order that no index has."""


class Page(NamedTuple):
    """Jobs that match, in order."""

    jobs: list[Job]
    next: str | None
    """Where the next page begins; None: there is none."""
    looked: int
    """How many jobs were looked at for it, where some had to be looked at that do not match."""
    complete: bool
    """False: looking stopped after a while, before the page was full; ``next`` goes on from there."""


class Ids(NamedTuple):
    """Ids of jobs that match, by rising or falling id."""

    ids: list[int]
    next: int | None
    """The id behind which to go on; None: there are no more."""


class Counted(NamedTuple):
    """How many jobs match."""

    number: int
    is_least: bool
    """Nobody counted on: there may be more."""


class Listing(Protocol):
    """The verbs. All are thread-safe, and bounded: by rows that an index gives, or by the time they look."""

    def page(
        self, where: JobFilter, *, order: str = "-id", limit: int = 50, after: str | None = None
    ) -> Page:
        """A page of jobs that match.

        ``order`` is ``id``, ``created_at`` (the same), ``finished_at`` (of ended jobs), ``priority`` or
        ``updated_at``; these two where at most 20,000 jobs are to be put in order.
        """
        ...

    def ids(self, where: JobFilter, *, rising: bool, after: int | None = None, limit: int = 1000) -> Ids:
        """The ids of at most ``limit`` jobs that match, beyond ``after``."""
        ...

    def count(self, where: JobFilter, *, most: int = 10_000, patience_s: float = 0.03) -> Counted:
        """How many match, counted up to ``most``, or for about so long where no index tells."""
        ...

    def sizes(self, *, most: int = 10_000) -> dict[str, Counted]:
        """How many jobs are ``ready``, ``scheduled``, ``held``, ``running``, ``completed``, ``failed`` and
        ``cancelled``, each counted up to ``most``."""
        ...

    def newest_id(self) -> int:
        """The highest id there is; 0 where there is no job."""
        ...

    def suggest(self, field: Field, prefix: str, *, limit: int = 20) -> list[str]:
        """Job keys, queues or tags in use that begin so, or have it in them, among those of late."""
        ...

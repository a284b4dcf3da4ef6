"""The one narrow contract between Windlass and a database.

A store keeps jobs and moves them between statuses; it decides nothing. Each verb is one transaction and
one sentence. The conformance suite (``tests/store/conformance/``) is written against this file alone,
and every store passes it.

Connections in this file are DB-API connections of the store's own driver: ``sqlite3.Connection`` here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import msgspec

from windlass.job import Disposition, Existing, JobStatus
from windlass.outcome import AnyOutcome, StopReason
from windlass.store.activity import Activity, Figures
from windlass.store.audits import Audits
from windlass.store.bell import Bell
from windlass.store.conditions import Conditioned
from windlass.store.flows import Flows
from windlass.store.hosts import Hosts
from windlass.store.limits import Limits
from windlass.store.listing import Listing
from windlass.store.logbook import LogChunk
from windlass.store.management import Management
from windlass.store.notices import Notices
from windlass.store.place import Place
from windlass.store.timetable import Timetable

if TYPE_CHECKING:
    from windlass.store.ledger import Ledger

Durability = Literal["full", "fast"]
"""``full``: on the disk before the call returns. ``fast``: within about a second; a power cut may lose it."""
_EVERYTHING: Mapping[Lane, int] = MappingProxyType({})


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A validated job, about to be a row. ``payload``, ``tags`` and ``meta`` are JSON text."""

    key: str
    payload: str | None = None
    queue: str = "default"
    priority: int = 0
    max_attempts: int = 3
    delay_us: int | None = None
    """Due this long after now, on the boot clock as well as the wall clock."""
    run_at_us: int | None = None
    """Due at this wall time. At most one of the two is given."""
    timeout_us: int | None = None
    idempotency_key: str | None = None
    unique: str | None = None
    """At most one unfinished job has it, whatever its key."""
    existing: Existing = "keep"
    """What becomes of that one where there is one."""
    debounce_us: int | None = None
    """It is due this long after the last of the enqueues that meet it before it starts …"""
    debounce_most_us: int | None = None
    """… but no later than this after the first."""
    tags: str | None = None
    meta: str | None = None
    title: str | None = None
    constraints: str | None = None
    """What must hold while it runs, as canonical JSON."""
    deadline_us: int | None = None
    """The wall time by which it must have ended …"""
    deadline_in_us: int | None = None
    """… or how long after now that is."""
    hold: str | None = None
    """Why it may not run yet."""
    waits_for: int | None = None
    """How many parents it has that have not completed."""
    unique_next: str | None = None
    """The unique key that it takes when it is released."""
    after: tuple[int, ...] = ()
    """Jobs that are to complete before it: those that are there already …"""
    follows: tuple[int, ...] = ()
    """… and, by their places, those that come before it in the same insert."""


class Inserted(NamedTuple):
    """What an insert did: ``created`` is False where it made no row, as the idempotency key had a job, or the
    unique key an unfinished one."""

    job_id: int
    created: bool
    created_at: str
    disposition: Disposition = "created"
    hold: str | None = None
    """Why it waits, where it waits for other jobs."""


class Lane(NamedTuple):
    """Ready jobs that are alike to a claim. ``alone`` lanes hold suspects."""

    alone: bool
    queue: str
    key: str
    constraints: str | None = None
    """What must hold, as it is stored; None: nothing. Foreign hands may have written anything there."""


class Claim(NamedTuple):
    """A job this dispatcher now owns. A tuple: thousands are made every second."""

    job_id: int
    key: str
    payload: str | None
    attempt: int
    max_attempts: int
    token: int
    timeout_us: int | None
    queue: str
    alone: bool
    crashes: int
    constraints: str | None = None
    start_by_us: int | None = None
    """Under a rate: when it must have started, on the boot clock, or its start is not counted right."""


class Settlement(NamedTuple):
    """What became of one attempt. Matches id, attempt and token, or changes nothing."""

    job_id: int
    attempt: int
    token: int
    outcome: AnyOutcome


class ProgressNote(NamedTuple):
    """A running attempt's progress, as JSON text."""

    job_id: int
    attempt: int
    token: int
    progress: str


class ClaimRequest(NamedTuple):
    """How much to claim, and from which lanes: at most ``limit``, at most ``caps[lane]`` of each lane.

    A lane that is not in ``caps`` is not opened. What is paused and limited is read in the transaction of the
    claim, and what runs is counted there, after its settlements: a queue paused before gives nothing.
    ``accept`` is asked for each job in order, best first, and may decline it: then it stays as it is, or goes
    back at once, unspent. It must be quick and must not touch the store: it is called before the transaction
    of the claim is over, which may still fail.
    """

    owner: int
    limit: int
    caps: Mapping[Lane, int]
    accept: Callable[[Claim], bool]
    before: Mapping[Lane, int] = _EVERYTHING
    """Of these lanes, only what was enqueued by that wall time."""
    extra_us: int = 0
    """What is under a rate gets so much longer to start, at the price of fewer starts."""
    host: str = ""
    """Where it works: nothing is given to a host that someone paused."""
    labels: Collection[str] = ()
    """Of queues that are pinned, it takes from those pinned to one of these."""


class Turn(NamedTuple):
    """What one settle-and-claim did."""

    claimed: list[Claim]
    stale: list[Settlement]
    """Settlements that no longer owned their job: discarded."""
    unsettled: list[tuple[Settlement, Exception]]
    """Settlements the database refused, one by one; the others of the batch went through."""
    more: bool
    """An opened lane may still hold work."""
    waited_us: list[int | None]
    """For each job claimed, how long it had been ready; None where its row does not tell."""
    freed: bool = False
    """Jobs may run that waited for what has ended: in lanes that may be new."""
    slot_in_us: int | None = None
    """How long until a rate lets a job of the opened lanes start; None: nothing waits for that."""


class Promotion(NamedTuple):
    """What became due, and when to look again."""

    promoted: int
    next_due_us: int | None
    """Microseconds from now until the next one is due; None where nothing is scheduled."""


class Expiry(NamedTuple):
    """What ran out of time, and when to look again."""

    failed: int
    asked: int
    """RUNNING ones that are to stop."""
    next_due_us: int | None
    """Microseconds from now until the next deadline; None where there is none."""


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """A queue's switches and how much is in it, or, where it ``is_least``, at least is."""

    queue: str
    paused: bool = False
    concurrency: int | None = None
    rate: str | None = None
    """How many may start in which span, where the manager of queues tells it."""
    pin: str | None = None
    """The label that a dispatcher must have to take from it; None: anyone may."""
    ready: int = 0
    scheduled: int = 0
    held: int = 0
    running: int = 0
    is_least: bool = False


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs: all conditions must hold, ``after_id < id <= until_id``; None asks nothing."""

    status: tuple[JobStatus, ...] | None = None
    key: str | None = None
    queue: str | None = None
    tag: str | None = None
    unique: str | None = None
    ids: tuple[int, ...] | None = None
    held: bool | None = None
    after_id: int | None = None
    until_id: int | None = None
    search: str | None = None
    """Words, each of which is in its key, queue, tags, unique key, last error or payload."""


class WalState(NamedTuple):
    """The write-ahead log after a checkpoint attempt."""

    pages: int
    """Pages still in the log."""
    blocked: bool
    """A reader keeps them there."""


class Store(
    Activity, Audits, Conditioned, Flows, Hosts, Limits, Listing, Management, Notices, Timetable, Protocol
):
    """The verbs. All are thread-safe, none waits while holding the write lock."""

    # ── producers ──────────────────────────────────────────────────────────────────────────────
    def insert(
        self, jobs: Sequence[NewJob], *, durability: Durability = "full", connection: Any = None
    ) -> list[Inserted]:
        """Inserts all or none; on the caller's ``connection``, inside the caller's transaction."""
        ...

    def transaction(self) -> AbstractContextManager[Any]:
        """A connection inside a write transaction: commits durably at the end, or rolls back."""
        ...

    # ── dispatchers ────────────────────────────────────────────────────────────────────────────
    def lanes(self) -> list[Lane]:
        """The lanes that hold ready work, found without reading the jobs in them."""
        ...

    def settle_and_claim(
        self,
        settlements: Sequence[Settlement],
        request: ClaimRequest | None = None,
        progress: Sequence[ProgressNote] = (),
        logs: Sequence[LogChunk] = (),
    ) -> Turn:
        """In one transaction: keeps progress and logs, settles finished attempts one by one, claims jobs.

        Best first: highest priority, then lowest id, over all lanes together.
        """
        ...

    def promote(self, limit: int = 1000) -> Promotion:
        """Moves at most ``limit`` due jobs to their ready lanes."""
        ...

    def reclaim(self, owner: int, limit: int = 500, *, keep: Sequence[int] = ()) -> int:
        """Takes back at most ``limit`` jobs of a dead dispatcher, not ``keep``: unspent, next alone."""
        ...

    def cancellations(self, owner: int) -> dict[int, StopReason]:
        """This dispatcher's RUNNING jobs that are to stop, and why."""
        ...

    def expire(self, limit: int = 500) -> Expiry:
        """Fails at most ``limit`` PENDING jobs whose deadline is over, and asks RUNNING ones to stop."""
        ...

    def hold_odd(self, limit: int = 100) -> int:
        """Holds, with a reason, rows that foreign hands left in a state no job can be in."""
        ...

    def prune(self, *, older_than_us: int, keep: int, limit: int = 500) -> int:
        """Deletes at most ``limit`` finished jobs: old ones, and all but the newest ``keep`` of a status."""
        ...

    def seal(self, activity: Sequence[Figures] = ()) -> None:
        """Makes all commits so far durable, and adds figures to those kept; writes nothing for nothing."""
        ...

    def checkpoint(self, *, force: bool = False) -> WalState:
        """Moves the write-ahead log into the database where that is due, or now when forced."""
        ...

    # ── around ─────────────────────────────────────────────────────────────────────────────────
    @property
    def place(self) -> Place:
        """Where the database is, and the folder of this machine that goes with it."""
        ...

    @property
    def borrowed(self) -> bool:
        """True where it works on a caller's connection: then only on the caller's thread."""
        ...

    def apart(self) -> Store:
        """The same database on connections of its own: itself, unless it works on a caller's."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Sync's half of the same database."""
        ...

    def version(self) -> int:
        """A number that moves whenever another connection has committed."""
        ...

    def bell(self, kind: Literal["work", "watch"]) -> Bell:
        """A new listener: ``work`` for dispatchers, ``watch`` for programs that look on."""
        ...

    def ring(self, kind: Literal["work", "watch"] | None = None) -> None:
        """Wakes every listener, or those of one kind: called after a commit that others may wait for."""
        ...

    def switches(self) -> dict[str, QueueState]:
        """The queues that someone paused, limited or pinned, without counting what is in them."""
        ...

    def connect(self) -> Any:
        """A new connection, configured as ours are, for a handler's own reading and writing."""
        ...

    def disconnect(self, connection: Any) -> None:
        """Closes a connection that ``connect`` gave."""
        ...

    def begin(self, connection: Any) -> None:
        """Takes the write lock on a connection that ``connect`` gave."""
        ...

    def commit(self, connection: Any) -> None:
        """Commits what ``begin`` began, durably."""
        ...

    def is_inside(self, connection: Any) -> bool:
        """A transaction is open on a connection that ``connect`` gave."""
        ...

    def heed(self, connection: Any, over: Callable[[], bool] | None) -> None:
        """From now on a statement that runs on it ends once ``over`` is true; None: no longer."""
        ...

    def stop(self, connection: Any) -> None:
        """From another thread: nothing more is written on it, and what it began is rolled back."""
        ...

    def progress_on(self, connection: Any, note: ProgressNote) -> None:
        """Keeps progress inside the caller's transaction, where the attempt still owns its job."""
        ...

    def complete_on(self, connection: Any, settlement: Settlement) -> bool:
        """Settles inside the caller's transaction; False where the attempt no longer owns its job."""
        ...

    def migrate(self) -> list[str]:
        """Brings the schema up to date; the names of the migrations applied."""
        ...

    def quick_check(self) -> None:
        """Raises ``UnsafeDatabase`` where the database is damaged."""
        ...

    def backup(self, target: str) -> None:
        """Writes a consistent copy to a new file while everything runs."""
        ...

    def close(self) -> None:
        """Closes every connection. The store reopens by itself when it is used again."""
        ...

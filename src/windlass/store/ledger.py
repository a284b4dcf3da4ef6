"""The narrow contract between sync and a database: the ledger of what is to be sent and what was received.

It decides nothing: ``sync/reconcile.py`` does, without a database. A cycle reads ``Standing``s, works out
``Effect``s while no lock is held, and has them carried out in one short transaction, which skips every key
that was edited in between (the journal says so). What was skipped is read and worked out again.

Invariants every ledger keeps:

* The journal is written by triggers in the transaction of the edit itself, whoever makes it (P1).
* ``write`` commits everything it was given or nothing, and only while the holder's fence is the newest.
* A row is written by ``write`` with the capture silenced, for that transaction alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import msgspec

from windlass.change import Change, Conflict, Edits, Effect, Key, NewRows, Row, Seals, Standing, Table, Taken


class Hold(NamedTuple):
    """The right to change one resource's ledger. Only the newest fence may."""

    resource: str
    fence: int


LOST = "rows_lost"
"""The note that holds what ``recapture`` has refused, in a sentence."""
Mark = int | str
"""A moment of the journal, as its database tells it: for comparing there, and for nothing else."""


class Look(NamedTuple):
    """What was read at one moment; ``mark`` says what of the journal was there at that moment."""

    mark: Mark
    standings: list[Standing]


class PullState(msgspec.Struct, frozen=True, kw_only=True):
    """How far the pull of a resource has come. Written with the page it speaks of (L1)."""

    cursor: str | None = None
    """Everything up to here is applied; None: nothing was ever pulled."""
    validator: str | None = None
    """The remote's validator (ETag) of the last complete pull, for a conditional request."""
    watermark: str | None = None
    """Fixed at page 1 of the pull under way: becomes the cursor after its last page."""
    watermark_validator: str | None = None
    next_page: str | None = None
    """Where the pull under way goes on; None: none is."""
    generation: int = 0
    """Counts complete enumerations; the one under way marks the shadows it saw with its number."""
    enumerating: bool = False
    """The pull under way began at page 1 of everything, so absence will mean deletion."""
    columns: tuple[str, ...] | None = None
    """Those that the pull under way tells of every row, where it began anew; None: it did not."""
    page_size: int | None = None
    """Reduced where the remote could not give larger ones."""
    received: int = 0
    """Rows of the pull under way, for its progress."""
    pulled_at_us: int | None = None
    """When the last pull came to its end."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """A resource's ledger in figures."""

    rows: int = 0
    """Shadows: rows that the remote is known to have."""
    pending: int = 0
    """Changes to be sent, those still in the journal included."""
    sealed: int = 0
    """Of these: sent, or maybe sent, and not answered."""
    oldest_us: int | None = None
    """Wall time of the oldest one's making."""
    held: int = 0
    """Of these: waiting for a parent, for a person's answer, or for a change of their row that failed."""
    failed: int = 0
    conflicts: int = 0
    quarantined: int = 0


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A remote row that cannot be a local one."""

    remote_id: str
    document: str
    """As JSON text."""
    reason: str
    seen_at_us: int = 0


class OriginState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a server, by all processes together."""

    origin: str
    state: str = "ok"
    """``ok``, ``offline``, ``throttled``, ``unauthorized`` or ``failing`` (the circuit is open)."""
    reason: str | None = None
    since_us: int = 0
    """Since when it has been in this state."""
    until_us: int | None = None
    """No request before this wall time; None: at once, or, where ``unauthorized``, when a person says so."""
    failures: int = 0
    """In a row."""
    reached_us: int | None = None
    """When it last answered anything."""


class Arrivals(NamedTuple):
    """Keys that pulls wrote, in order, up to ``seq``."""

    seq: int
    keys: list[Key]


class Ledger(Protocol):
    """The verbs. All are thread-safe; each is one transaction."""

    # ── the table and its capture ──────────────────────────────────────────────────────────────
    def describe(self, table: str) -> Table:
        """The table as it is, all its columns (but generated ones).

        Raises:
            ConfigError: there is no such table, it is a view, or it has no primary key.
        """
        ...

    def install(
        self, resource: str, table: Table, *, ids: str = "client", max_share: float = 1.0, pulls: bool = True
    ) -> bool:
        """Puts the capture in place, or brings it up to date; True where anything changed.

        The first time, every row that is there becomes an entry of the journal. ``pulls``: what the remote
        has in columns that are synced again will be told by a pull, and is not written over before. Raises
        ``ConfigError`` where the table does not fit or its key is another one, and what ``recapture`` raises:
        it is in place then.
        """
        ...

    def faults(self, resource: str) -> list[str]:
        """What is wrong with the capture, in sentences; empty where nothing is."""
        ...

    def recapture(self, resource: str, *, max_share: float = 1.0) -> int:
        """Finds rows that were changed past the triggers, and journals them; how many.

        Raises:
            SweepRefused: more than ``max_share`` of all rows (and more than a handful, or all) are
                ``absent``. Nothing was journaled, and ``faults`` says so.
        """
        ...

    def absent(self, resource: str) -> list[Key]:
        """The keys of shadows whose row is gone though no deletion of it was heard."""
        ...

    def lift(self, resource: str) -> None:
        """Removes the triggers around a change of the schema; ``install`` and ``recapture`` after it."""
        ...

    def remove(self, resource: str) -> None:
        """Forgets the resource: triggers, journal, queue, shadows; the table stays as it is."""
        ...

    def resources(self) -> list[str]:
        """The names of all that are installed."""
        ...

    def schema_version(self) -> int:
        """A number that moves whenever any table's definition, or a trigger, has changed."""
        ...

    # ── the cycle ──────────────────────────────────────────────────────────────────────────────
    def hold(self, resource: str) -> AbstractContextManager[Hold]:
        """The right to push and pull a resource, for one holder over all processes.

        Raises:
            ResourceBusy: another holder lives.
        """
        ...

    def journal(self, resource: str, limit: int = 500) -> list[Key]:
        """Keys that were edited and are not in the queue yet, oldest edit first."""
        ...

    def edits(self, resource: str, limit: int, *, after: int = 0) -> Edits | None:
        """The journal's oldest edits, as a table; None: there are none, or they are no such table.

        They are one where each row is there, as is its shadow, which tells the same columns, and neither the
        queue nor a conflict speaks of it. ``after``: those behind the entry of this number.
        """
        ...

    def has_news(self) -> list[str]:
        """Resources with edits in their journal. Cheap: asked at every ring of the doorbell."""
        ...

    def look(self, resource: str, keys: Sequence[Key] = (), *, remote_ids: Sequence[str] = ()) -> Look:
        """The standings of these keys, and of the keys that the remote's ids belong to.

        One for each key and for each remote id that has one. A key that nothing is known of has an empty one.
        """
        ...

    def due(self, resource: str, now_us: int, limit: int) -> list[Change]:
        """What may be sent now: the oldest change of each key, unless that one is failed, held or not due.

        Sealed ones first, then oldest first. Explicit operations take their turn by ``seq``.
        """
        ...

    def next_due_us(self, resource: str, after_us: int) -> int | None:
        """When, on the wall clock, the first change may be sent that only waits for its time and is not
        due at that moment; None: there is none."""
        ...

    def held(self, resource: str, *, after: int = 0, limit: int = 500) -> list[Change]:
        """Pending changes that are on hold, by ``seq``, beyond that one."""
        ...

    def unsent(self, resource: str, keys: Sequence[Key]) -> dict[Key, str]:
        """Of these keys: those that the remote does not have yet because their insert is ``pending`` or
        ``failed``."""
        ...

    def children(self, resource: str, column: str, keys: Sequence[Key]) -> list[Key]:
        """Of these parent keys: those that shadows of this resource refer to by ``column``, though their rows
        are deleted here, so that the child's delete is to be sent first."""
        ...

    def repoint(self, resource: str, column: str, was: Key, to: Key) -> int:
        """Lets every row of the resource that refers to one key by that column refer to another, and all that
        is written down of those rows; how many that were. Needs no hold: the rows count as edited."""
        ...

    def write(
        self,
        hold: Hold,
        look: Mark,
        effects: Sequence[Effect],
        *,
        state: PullState | None = None,
        quarantine: Sequence[Quarantined] = (),
        released: Sequence[str] = (),
        all_or_nothing: bool = False,
        refused: list[Key | None] | None = None,
        batch: int | None = None,
        strict: bool = False,
    ) -> list[Key]:
        """Carries the effects out; ``look`` is the mark of the look they were worked out from.

        The journal's entries of the keys up to that mark are removed. Skips the keys edited since, and gives
        them back; ``state`` goes in only where none was skipped (L1). A row that the table refuses (a
        constraint) is put in the quarantine; the others go in.
        ``released``: remote ids that leave the quarantine, before those of ``quarantine`` go in.
        ``all_or_nothing``: where a key was edited since, nothing is written: a page goes in with its cursor.
        ``refused``: the keys whose effects could not be carried out are added to it; None for a row whose key
        the database would have made.
        ``batch``: the sealed batch that the effects settle. What is in it and was not carried out, because
        there was no effect, or the key was edited since, is a sealed change of the queue afterwards.
        ``strict``: nothing is put in the quarantine; what a person asked for is done or is an error.

        Raises:
            LostHold: another holder has taken over. Nothing was written.
            SyncError: ``strict``, and the table refuses a row. Nothing was written.
        """
        ...

    def seal_batch(self, hold: Hold, look: Mark, seals: Seals) -> int | None:
        """Writes down, as one record, what is about to be sent of one look; the batch's number.

        On the disk when it returns (P2). The journal keeps the edits until ``write`` or ``settle_batch``
        settles the batch; what a push that ended early has left is in the queue when the resource is held
        again. None: one of them was edited since, or cannot be written down. Nothing was, then.

        Raises:
            LostHold: another holder has taken over. Nothing was written.
        """
        ...

    def settle_batch(self, hold: Hold, look: Mark, batch: int, taken: Taken) -> list[Key]:
        """Settles a sealed batch of ``edits``, of which the remote took these as they were sent.

        As ``write`` would with the effects of that. Gives back the keys that were edited since the look, or
        whose new shadow cannot be written: what is in the batch and was not settled is a sealed change of the
        queue afterwards.

        Raises:
            LostHold: another holder has taken over. Nothing was written.
        """
        ...

    def unseal_batch(self, hold: Hold, batch: int) -> None:
        """Takes a seal back that nobody has seen: what is in it was not sent, and is in the journal.

        Raises:
            LostHold: another holder has taken over, in whose queue it is.
        """
        ...

    def write_new(self, hold: Hold, new: NewRows, state: PullState, released: Sequence[str] = ()) -> bool:
        """Writes rows of which nothing is known here, and their shadows, with the state behind them (L1).

        As ``write`` would after a look; for a resource whose ids are the client's. False: something is known
        of one of them, or the table refuses one. Nothing was written then: look, and ``write``.

        Raises:
            LostHold: another holder has taken over. Nothing was written.
        """
        ...

    def sweep(self, hold: Hold, *, max_share: float, after: Key | None = None, limit: int = 500) -> list[Key]:
        """The keys of shadows that a complete enumeration has not seen, in order, at most ``limit``.

        ``after``: only those beyond that key; how many they are was looked at before, then.

        Raises:
            SweepRefused: they are more than ``max_share`` of all (and more than a handful).
        """
        ...

    # ── what surrounds it ──────────────────────────────────────────────────────────────────────
    def state(self, resource: str) -> PullState:
        """How far its pull has come."""
        ...

    def counts(self, resource: str) -> Counts:
        """Its ledger in figures."""
        ...

    def keys_of(self, resource: str, remote_ids: Sequence[str]) -> dict[str, Key]:
        """The local key of each remote id that is known."""
        ...

    def remote_ids_of(self, resource: str, keys: Sequence[Key]) -> dict[Key, str]:
        """The remote id of each key that the remote is known to have; the key itself where they are one."""
        ...

    def changes(
        self, resource: str | None = None, *, status: str | None = None, limit: int = 50
    ) -> list[tuple[str, Change]]:
        """What is in the queue, oldest first, with the resource of each."""
        ...

    def conflicts(self, resource: str | None = None, limit: int = 50) -> list[tuple[str, Key, Conflict]]:
        """Conflicts that wait for a person, oldest first."""
        ...

    def quarantined(self, resource: str, limit: int = 50) -> list[Quarantined]:
        """Remote rows that could not be written here."""
        ...

    def enqueue(self, *, op: str, table: str, local_id: Any, data: Row | None, connection: Any = None) -> str:
        """Writes an explicit operation; its id. On the caller's ``connection``, inside its transaction."""
        ...

    def arrivals(self, resource: str, after: int | None = None, limit: int = 100) -> Arrivals:
        """Keys that pulls have written after that ``seq``; None: from now on."""
        ...

    def origin(self, origin: str) -> OriginState:
        """What is known of a server."""
        ...

    def set_origin(self, state: OriginState) -> None:
        """Writes it down, for all processes."""
        ...

    def switch(self, resource: str, *, paused: bool) -> None:
        """Pauses a resource for all processes, or lets it go on."""
        ...

    def is_paused(self, resource: str) -> bool:
        """True where someone paused it."""
        ...

    def note(self, resource: str, name: str, value: Any) -> None:
        """Keeps a small fact about a resource (a JSON value), such as its last error."""
        ...

    def notes(self, resource: str) -> dict[str, Any]:
        """All such facts."""
        ...


__all__ = ["LOST", "Arrivals", "Counts", "Hold", "Ledger", "Look", "Mark", "OriginState", "PullState"]

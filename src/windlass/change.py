"""What sync knows of one row: as it stands here, as the remote last said it, and what is to be sent.

All of these are values: the logic of sync (``sync/reconcile.py``) is functions from them to an ``Effect``,
and the ledger of the store carries effects out. Rows are in *local form*: column name → what SQLite keeps
(``int``, ``float``, ``str``, ``bytes`` or None). What a remote speaks is made of it in ``sync/mapping.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

import msgspec

Row = Mapping[str, Any]
"""One row of a synced table, by column; its key columns included."""

Key = int | str | bytes
"""A row's primary key: the value itself, or the JSON array of several columns' values."""

Operation = Literal["insert", "update", "delete"]
Affinity = Literal["INTEGER", "REAL", "TEXT", "NUMERIC", "BLOB"]


class Keep(Enum):
    """The value of what an effect leaves as it is."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP

KEY_TAKEN = "its key"
"""How the reason begins for a row whose key is to the table the one of another row."""


class Column(msgspec.Struct, frozen=True):
    """A column of a synced table."""

    name: str
    declared: str = ""
    """The type as written in the schema, in upper case; may be empty."""
    affinity: Affinity = "BLOB"
    not_null: bool = False
    default: Any = None
    """What a new row gets that does not name it; ``KEEP`` where an expression makes it each time anew."""
    field: str | msgspec.UnsetType = msgspec.UNSET
    """What the remote calls it, where that is not its name."""


class ForeignKey(msgspec.Struct, frozen=True):
    """A reference by one column to the key of another table."""

    column: str
    table: str
    to: str


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table as sync sees it."""

    name: str
    key: tuple[str, ...]
    """The columns of the primary key, in its order."""
    columns: tuple[Column, ...]
    """Those that are synced, the key's among them."""
    foreign_keys: tuple[ForeignKey, ...] = ()
    makes_keys: bool = False
    """``INTEGER PRIMARY KEY``: the database numbers new rows itself."""


class Shadow(msgspec.Struct, frozen=True, gc=False):
    """What the remote last said of a row."""

    row: Row
    version: str | None = None
    """Its ETag, revision or timestamp, for ``If-Match``; None where the remote has none."""
    remote_id: str | None = None
    """The remote's own id, where it differs from the local key."""
    extra: Mapping[str, Any] = {}
    """Fields of the remote's document that no column takes, in remote form: a full update returns them."""


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of ``sync_queue``: one local change that waits to be sent, is being sent, or was rejected.

    It is *sealed* while ``mutation_id`` is set: it has been sent, or may have been, and is resent as it is.
    """

    seq: int = 0
    """Its place in the queue; 0: not stored yet."""
    id: str = ""
    key: Key
    op: str
    """An ``Operation``, or the type of an explicit operation."""
    data: Row = {}
    """Insert: the whole row. Update: the changed columns. Delete: nothing."""
    captured: bool = True
    """Made by comparing row and shadow; False for an explicit operation, which is sent as it was given."""
    status: Literal["pending", "failed"] = "pending"
    attempts: int = 0
    """Counted answers so far: only those of a server that was reached."""
    conflicts: int = 0
    """How often it met a newer version; beyond a limit a person is asked."""
    created_at_us: int = 0
    due_at_us: int = 0
    """Not before this wall time."""
    mutation_id: str | None = None
    base_version: str | None = None
    """The remote's version that a sealed change was made upon."""
    error: str | None = None
    problem: str | None = None
    """The server's own problem document, as JSON text, where it sent one."""
    hold: str | None = None
    """Why it is not sent, where something must happen first: ``conflict``, or the parent it waits for."""


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """Two edits of one row that nobody but its user can settle. None stands for a deleted row."""

    base: Row | None
    mine: Row | None
    theirs: Row | None
    version: str | None = None
    """The remote's version of ``theirs``."""
    raised_at_us: int = 0


class Standing(NamedTuple):
    """Everything that is known of one key, read at one moment."""

    key: Key
    row: Row | None
    """As it stands in the table; None: there is none."""
    shadow: Shadow | None
    sent: Change | None = None
    """The sealed captured change: its outcome is not known yet."""
    pending: Change | None = None
    """The unsealed captured change as it was last written down: the row may have moved on since."""
    conflict: Conflict | None = None
    explicit: tuple[Change, ...] = ()
    """Explicit operations of this key, oldest first."""


class Effect(NamedTuple):
    """What becomes of one key. Carried out with others in one transaction, or not at all.

    ``row``: the table's row is written with the capture silenced; None deletes it. ``sent`` and ``pending``
    say what the queue holds afterwards; None removes.
    """

    key: Key | None
    """None: a new row whose key the database makes (``Table.makes_keys``)."""
    row: Row | Keep | None = KEEP
    shadow: Shadow | Keep | None = KEEP
    sent: Change | Keep | None = KEEP
    pending: Change | Keep | None = KEEP
    conflict: Conflict | Keep | None = KEEP
    remote: bool = False
    """The remote's doing: the key is told to whoever follows ``resource.changes()``."""
    ended: tuple[int, ...] = ()
    """Explicit operations to remove from the queue, by ``seq``."""
    explicit: tuple[Change, ...] = ()
    """Explicit operations to write anew."""


class NewRows(NamedTuple):
    """Rows of a page that are taken to be new here, as a table: what is said of each is at its place."""

    columns: tuple[str, ...]
    """All columns of the table that are synced."""
    rows: Sequence[tuple[Any, ...]]
    """In local form, in the order of ``columns``."""
    keys: Sequence[Key]
    remote_ids: Sequence[str]
    versions: Sequence[str | None]
    others: tuple[str, ...] = ()
    """Fields that no column takes …"""
    extras: Sequence[tuple[Any, ...]] = ()
    """… and what they hold, in remote form; empty where there are none."""
    simple: bool = False
    """Texts, integers and NULL are all that the rows hold."""


Span = tuple[int, int]
"""The numbers of the first and the last of some entries of the journal: those of the resource between them
are among these."""


class Edits(NamedTuple):
    """Edited rows of which nothing is queued, as a table: what is said of each is at its place.

    Each is here and has a shadow that tells all its columns: none was inserted or deleted.
    """

    mark: int | str
    """The journal's end at the moment when they were read."""
    span: Span
    """Where they stand there."""
    columns: tuple[str, ...]
    """All columns of the table that are synced."""
    values: Sequence[Sequence[Any]]
    """What stands in each of the columns."""
    keys: Sequence[Key]
    known: Sequence[Sequence[Any]]
    """What the remote last said of each of them, and with it …"""
    versions: Sequence[str | None]
    remote_ids: Sequence[str | None]
    extras: Sequence[str | None]
    """… the fields of its document that no column takes, as JSON text."""


class Seals(NamedTuple):
    """Changes that are sealed together, as a table: what is said of each is at its place."""

    keys: Sequence[Key]
    operations: Sequence[str]
    data: Sequence[Row]
    mutation_ids: Sequence[str | None]
    base_versions: Sequence[str | None]


def seals_of(changes: Sequence[Change]) -> Seals:
    """The same changes as a table."""
    return Seals(
        [one.key for one in changes],
        [one.op for one in changes],
        [one.data for one in changes],
        [one.mutation_id for one in changes],
        [one.base_version for one in changes],
    )


class Taken(NamedTuple):
    """Updates that the remote took as they were sent, as a table."""

    keys: Sequence[Key]
    columns: Sequence[str]
    values: Sequence[Sequence[Any]]
    """What it holds now in each of the columns …"""
    versions: Sequence[str | None]
    """… in which version."""
    span: Span | None = None
    """All of the ``Edits``: where they stand. None: a part of them."""


class RemoteRow(NamedTuple):
    """One row of a page, already in local form; a tombstone where ``row`` is None."""

    remote_id: str
    row: Row | None
    version: str | None = None
    extra: Mapping[str, Any] = {}


def may_be_one(known: Shadow, told: Shadow | RemoteRow, key: Sequence[str]) -> bool:
    """True where two ids of the remote that are one key here may name one row, spelled otherwise now.

    ``known`` is what was told under the one, ``told`` under the other; ``key``: the columns of the key.

    >>> tea = Shadow({"id": "abc", "title": "tea"}, "v1")
    >>> may_be_one(tea, Shadow({"id": "ABC", "title": "tea"}, "v1"), ["id"])
    True
    >>> may_be_one(tea, Shadow({"id": "ABC", "title": "coffee"}, "v2"), ["id"])
    False
    """
    if told.row is None or (None not in (known.version, told.version) and known.version != told.version):
        return False
    return all(known.row.get(name) == value for name, value in told.row.items() if name not in key)

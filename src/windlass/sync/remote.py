"""What sync needs of a remote: three calls. ``RestRemote`` makes them of HTTP by configuration; your own
remote is one class.

A pull gives one bounded page at a time, or raises one of the errors below. A push gives one *verdict* for
each change, never one for the whole batch: it is the item that is accepted, met a newer version, or is
rejected. Documents here are in *remote form*: what JSON holds.

>>> class Shelf:
...     '''A remote that is a dictionary in this process.'''
...     origin, batch, dedupes = "shelf:", 10, True
...     def __init__(self): self.documents = {}
...     def pull(self, ask):
...         return Page([Document(one, document) for one, document in self.documents.items()], complete=True)
...     def push(self, changes):
...         for change in changes: self.documents[change.remote_id] = change.document
...         return [Accepted(change.document) for change in changes]
...     def fetch(self, remote_id):
...         return Document(remote_id, self.documents.get(remote_id))
...     def probe(self, change): return None
>>> remote: Remote = Shelf()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from windlass.change import Key
from windlass.errors import RemoteError
from windlass.sync.columns import Columns


# ── pull ───────────────────────────────────────────────────────────────────────────────────────────
class Ask(NamedTuple):
    """Which page is wanted."""

    cursor: str | None
    """Changes since this, as an earlier page's ``watermark`` said; None: everything."""
    page: str | None
    """The ``next_page`` of the page before; None: the first one."""
    validator: str | None
    """Given with a first page: nothing newer is one answer without rows."""
    limit: int
    """Rows a page at most, as far as the remote can be told."""


class Document(NamedTuple):
    """One object of the remote's; None: it was deleted there."""

    remote_id: str
    document: Mapping[str, Any] | None
    version: str | None = None


class Documents(Columns[Document]):
    """Documents as columns: most pages are read a column at a time."""

    __slots__ = ()
    columns: tuple[Sequence[str], Sequence[Mapping[str, Any] | None], Sequence[str | None]]
    make = staticmethod(Document)


class Page(NamedTuple):
    """Some of what was asked for, in the remote's own order."""

    documents: Sequence[Document]
    next_page: str | None = None
    """None: this is the last one."""
    watermark: str | None = None
    """This pull tells everything up to here: it becomes the cursor after the last page. Fixed by the first
    page; one that a later page brings replaces it (tokens of a last page, rows in the cursor's order)."""
    validator: str | None = None
    """Of a first page: what a conditional request may say the next time."""
    complete: bool = False
    """This pull tells everything there is, so that absence means deletion."""
    not_modified: bool = False
    """Nothing has changed: no rows, and no pages follow."""
    total: int | None = None
    """How many rows this pull will tell, where the remote says so."""
    max_age_s: float | None = None
    """How long the remote says that this stays fresh."""


# ── push ───────────────────────────────────────────────────────────────────────────────────────────
class Outgoing(NamedTuple):
    """One sealed change, as a remote needs it."""

    key: Key
    op: str
    """``insert``, ``update``, ``delete``, or the type of an explicit operation."""
    mutation_id: str
    """The same in every resend: for ``Idempotency-Key``."""
    remote_id: str | None
    """The remote's id; None for an insert whose id the remote makes."""
    changed: Mapping[str, Any]
    """The changed fields alone; of an insert all of them."""
    document: Mapping[str, Any]
    """The whole document as it is to be."""
    base_version: str | None
    """The version it was made upon, for ``If-Match``; None: none is known, or there is none yet."""
    resend: bool = False
    """It was sent before, and nobody knows what became of it."""


def _update(
    key: Key,
    mutation_id: str,
    remote_id: str | None,
    changed: Mapping[str, Any],
    document: Mapping[str, Any],
    base_version: str | None,
) -> Outgoing:
    return Outgoing(key, "update", mutation_id, remote_id, changed, document, base_version)


class Updates(Columns[Outgoing]):
    """Updates that go out for the first time, as columns: most batches become requests a column at a time."""

    __slots__ = ()
    columns: tuple[
        Sequence[Key],
        Sequence[str],  # mutation ids
        Sequence[str | None],  # remote ids
        Sequence[Mapping[str, Any]],  # what changed
        Sequence[Mapping[str, Any]],  # whole documents
        Sequence[str | None],  # base versions
    ]

    make = staticmethod(_update)


class Accepted(Struct, frozen=True, gc=False):
    """The remote has it. ``document`` is what it made of it, where it says so."""

    document: Mapping[str, Any] | None = None
    version: str | None = None
    remote_id: str | None = None


class Stale(Struct, frozen=True):
    """The remote holds a newer version. ``current`` is that one; None: it must be fetched."""

    current: Document | None = None


class Gone(Struct, frozen=True):
    """The remote does not have it any more: what a delete wanted, and a conflict for anything else."""


class Rejected(Struct, frozen=True):
    """No resend can help: a person must look."""

    reason: str
    problem: str | None = None
    """The remote's own problem document, as JSON text."""


class Faulty(Struct, frozen=True):
    """The remote was reached and failed: counts as an attempt. ``applied`` None: it may have been applied."""

    reason: str
    after_s: float | None = None
    applied: bool | None = None


class Undelivered(Struct, frozen=True):
    """The network, or who we are, stood in the way: the error says which. Counts no attempt."""

    error: RemoteError
    applied: bool | None = None
    """False: it cannot have been applied. None: it may have been."""


Verdict = Accepted | Stale | Gone | Rejected | Faulty | Undelivered


class Remote(Protocol):
    """The other side of a resource. Called by one thread of one process at a time; blocking is fine.

    One that says ``reads_ahead = True`` may be asked for the next page on a thread of its own. One that says
    ``wants_whole = False`` never looks at the ``document`` of an update: it may be what changed alone then.
    """

    @property
    def origin(self) -> str:
        """Scheme, host and port: what pauses, budgets and circuits go by."""
        ...

    @property
    def batch(self) -> int:
        """How many changes one ``push`` takes at most."""
        ...

    @property
    def dedupes(self) -> bool:
        """True where a resend with the same mutation id has one effect. False: it is probed first."""
        ...

    def pull(self, ask: Ask) -> Page:
        """One page.

        Raises:
            RemoteError: whichever of them says what is to be done about it.
        """
        ...

    def push(self, changes: Sequence[Outgoing]) -> Sequence[Verdict]:
        """Sends them in order, and says of each what became of it. Raises nothing that it can tell."""
        ...

    def fetch(self, remote_id: str) -> Document:
        """One object as it is now.

        Raises:
            RemoteError: as ``pull``.
        """
        ...

    def probe(self, change: Outgoing) -> Verdict | None:
        """Whether a change that was sent before has been applied; None: it was not, send it.

        Asked only where the remote does not dedupe.
        """
        ...

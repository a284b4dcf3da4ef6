"""What the ledger asks of the database that it stands on, beyond statements: in what databases differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from windlass.change import Column, Key, Row, Span, Table
from windlass.store.ledger import Mark
from windlass.store.relational.engine import Connection


class Shadows(NamedTuple):
    """Shadows of one resource as they are written, a column for each thing that is said of them."""

    resource: int
    generation: int
    keys: Sequence[Key]
    rows: Sequence[str]
    """As JSON text."""
    versions: Sequence[str | None]
    remote_ids: Sequence[str | None] | None
    """Where they are not the keys themselves; None: nowhere."""
    extras: Sequence[str | None] | None
    """The fields that no column takes, as JSON text; None: none of them has any."""


class UserTable(Protocol):
    """One synced table: what is asked of it."""

    table: Table
    columns: list[str]
    key_columns: list[Column]
    single: bool
    """Its key is one column."""

    # ── reading ────────────────────────────────────────────────────────────────────────────────
    def rows(self, connection: Connection, keys: Sequence[Key]) -> dict[Key, Row]:
        """The rows of those keys that there are. A value that nothing can send stops no other row."""
        ...

    def edited(
        self, connection: Connection, resource: int, limit: int, after: int
    ) -> list[tuple[Any, ...]] | None:
        """The journal's oldest entries behind the number ``after``, with rows and shadows (or NULL).

        Of a table whose key is one column: number, what ``shadows.sql`` reads, and the columns. None: this
        database does not read them so.
        """
        ...

    def page(
        self, connection: Connection, resource: int, after: Sequence[Any] | None, limit: int
    ) -> list[tuple[Key, Sequence[Any], Row, str | None]]:
        """Rows in their keys' order, beyond ``after``: key, its parts, the row, and its shadow's JSON."""
        ...

    def missing(
        self, connection: Connection, resource: int, after: Sequence[Any] | None, limit: int
    ) -> tuple[Sequence[Any] | None, list[Key]]:
        """Keys of shadows without a row, beyond ``after``, and where the next page begins (None: nowhere)."""
        ...

    def alike(self, connection: Connection, key: Key) -> list[Key]:
        """The keys of rows that the table takes for the one of that key, spelled otherwise."""
        ...

    def has_nameless(self, connection: Connection) -> bool:
        """True where a row has no key by which it could be named."""
        ...

    # ── writing ────────────────────────────────────────────────────────────────────────────────
    def remove(self, connection: Connection, keys: Iterable[Key]) -> None:
        """Deletes the rows of those keys."""
        ...

    def put(self, connection: Connection, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        """Writes rows of those columns, the key's among them, over what is there.

        Raises:
            Ground.refusals: among others, where the table would write one over a row that is ``alike``.
        """
        ...

    def put_new(
        self, connection: Connection, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Inserts rows, and overwrites none: one that is there refuses them all."""
        ...

    def repoint(self, connection: Connection, column: str, was: Key, to: Key) -> list[Key]:
        """Gives that column the one value where it has the other; the keys of the rows."""
        ...

    def add(self, connection: Connection, row: Row, taken: int | None = None) -> int:
        """Inserts a row whose key the database makes, beyond ``taken``; the key."""
        ...


class Ground(Protocol):
    """A database as the ledger knows it."""

    @property
    def name(self) -> str:
        """The database, for people."""
        ...

    @property
    def refusals(self) -> tuple[type[Exception], ...]:
        """What a row can be refused with: a constraint, or a value that cannot be held."""
        ...

    # ── transactions ───────────────────────────────────────────────────────────────────────────
    def glance(self) -> AbstractContextManager[Connection]:
        """A connection for one question."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """One moment of the database: what is read in here belongs together."""
        ...

    def writing(self, *, full: bool) -> AbstractContextManager[Connection]:
        """A transaction: commits at its end, or rolls back. ``full``: it is on the disk by then."""
        ...

    def joined(self, connection: Any) -> AbstractContextManager[Connection]:
        """Inside a caller's own transaction, on the connection it gave.

        Raises:
            InvalidJob: it is no connection to this database.
        """
        ...

    def after_write(self) -> None:
        """Whatever is due after a page was written."""
        ...

    def holding(self, resource: str) -> AbstractContextManager[None]:
        """One holder over all processes, for as long as it lives.

        Raises:
            ResourceBusy: another one lives.
        """
        ...

    # ── the table and its capture ──────────────────────────────────────────────────────────────
    def describe(self, connection: Connection, table: str) -> Table:
        """See ``Ledger.describe``."""
        ...

    def schema_version(self, connection: Connection) -> int:
        """See ``Ledger.schema_version``."""
        ...

    def user_table(self, definition: str, known_columns: str) -> UserTable:
        """The table of a resource as it is stored."""
        ...

    def wanted(self, resource: int, table: UserTable, every_column: tuple[str, ...]) -> Mapping[str, str]:
        """What captures the edits of a table, as statements by name."""
        ...

    def found(self, connection: Connection, resource: int) -> Mapping[str, str]:
        """What there is of it, told in the same way."""
        ...

    def make(self, connection: Connection, wanted: Mapping[str, str]) -> None:
        """Puts it in place."""
        ...

    def drop(self, connection: Connection, resource: int) -> None:
        """Removes it."""
        ...

    # ── the journal beside a look ──────────────────────────────────────────────────────────────
    def edited_since(self, connection: Connection, resource: int, mark: Mark) -> set[Key]:
        """The keys whose edits the look of that mark did not see."""
        ...

    def clear_journal(
        self,
        connection: Connection,
        resource: int,
        keys: Sequence[Key],
        mark: Mark,
        span: Span | None = None,
    ) -> None:
        """Removes the entries of those keys that the look of that mark saw.

        ``span``: where all of them stand that ``edited`` read, and no others of the resource.
        """
        ...

    def keep_highest(self, connection: Connection) -> None:
        """Makes sure that no number of the journal is given again after its entries are removed."""
        ...

    # ── a write under way ──────────────────────────────────────────────────────────────────────
    def is_overtaken(self, connection: Connection, resource: int, keys: Sequence[Key], mark: Mark) -> bool:
        """True where one of the rows just written was edited by somebody else in the meantime."""
        ...

    def settle(self, connection: Connection) -> None:
        """Checks now what the database would check at the commit.

        Raises:
            refusals: a constraint does not hold.
        """
        ...

    def write_shadows(self, connection: Connection, shadows: Shadows, *, new: bool) -> None:
        """Writes shadows over what is there; ``new``: one that is there refuses them all."""
        ...

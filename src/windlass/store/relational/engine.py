"""What the roles of a store ask of their database: statements, transactions, and the bells.

The roles are written once, for every database that speaks SQL. Their statements are spelled as SQLite spells
them; an engine of another kind respells them. Inside ``write`` nobody else writes: what a role reads there
stays true until it commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from windlass.store.protocol import WalState

Kind = Literal["work", "watch"]
"""Who is woken: dispatchers, or programs that look on."""
Values = Sequence[Any] | Mapping[str, Any]


class Cursor(Protocol):
    """What a statement gave."""

    @property
    def description(self) -> Sequence[Any] | None:
        """One sequence for each column, which begins with its name."""
        ...

    @property
    def rowcount(self) -> int:
        """How many rows it wrote."""
        ...

    @property
    def lastrowid(self) -> int | None:
        """The id of the row that it inserted."""
        ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection of the store's driver, as far as the roles know it."""

    def execute(self, sql: str, parameters: Values = ..., /) -> Cursor: ...

    def executemany(self, sql: str, parameters: Iterable[Values], /) -> Cursor: ...


class Bells(Protocol):
    """The ringing side of the doorbell."""

    def ring(self, kind: Kind | None = None) -> None:
        """Wakes every listener, or those of one kind. Never fails."""
        ...


class Engine(Protocol):
    """A database, and this process's connections to it."""

    @property
    def bells(self) -> Bells: ...

    @property
    def refusals(self) -> tuple[type[Exception], ...]:
        """What is raised for a value that the driver or the database refuses."""
        ...

    @property
    def is_unsealed(self) -> bool:
        """The last commit of this process may not be on the disk yet."""
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """A connection for reading."""
        ...

    def show(self) -> AbstractContextManager[Connection]:
        """As ``read``, for showing: a text that cannot be decoded is shown by its bytes."""
        ...

    def snapshot(self) -> AbstractContextManager[Connection]:
        """As ``read``, and everything that is read is of one moment."""
        ...

    def write(self, *, full: bool) -> AbstractContextManager[Connection]:
        """A transaction in which nobody else writes: commits at its end, or rolls back. ``full``: durably."""
        ...

    def seal(self) -> None:
        """Makes all commits so far durable."""
        ...

    def checkpoint(self, *, force: bool) -> WalState:
        """Moves the write-ahead log into the database, where there is one to move."""
        ...

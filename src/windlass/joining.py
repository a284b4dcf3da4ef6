"""Joining a caller's own transaction, whichever library it was begun with.

A library is known by the module that the classes of its objects come from. It is never imported ahead: its
bridge, in ``contrib/`` or in a store, is loaded when the first of its objects comes, and by then the library
is there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from windlass.bridge import Spawn
from windlass.errors import InvalidJob

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

R = TypeVar("R")

_BRIDGES = {
    "django": "windlass.contrib.django",
    "sqlalchemy": "windlass.contrib.sqlalchemy",
    # Its other classes need none.
    "psycopg.AsyncConnection": "windlass.store.postgres.asynchronous",
}


class Joined(Protocol):
    """A caller's transaction, as its library has it."""

    def run(self, work: Callable[[Any], R]) -> R:
        """Calls ``work`` with the driver's own connection, inside the transaction.

        Raises:
            InvalidJob: there is no transaction that could hold what is written.
        """
        ...

    def after_commit(self, call: Callable[[], None]) -> None:
        """Has ``call`` called when what was written is committed, where the library can tell."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Begins it, or goes on with what has begun; commits at the end of the block, or rolls back."""
        ...


class _Bridge(Protocol):
    """What such a module has for its library's objects."""

    def join(self, given: Any) -> Joined:
        """The transaction of an object of the library."""
        ...

    def spawn_of(self, given: Any) -> Spawn | None:
        """How to reach it from a coroutine; None where plain calls will do."""
        ...


class Plain:
    """A connection of a driver, which knows nothing but its statements."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, work: Callable[[Any], R]) -> R:
        return work(self._connection)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Nobody is told of its commits: the database's own bell and the slow poll find them."""
        del call

    @contextmanager
    def transaction(self) -> Generator[None]:
        raise InvalidJob(
            "expected a session or connection of SQLAlchemy or Django, got "
            f"{type(self._connection).__name__}: ctx.transaction() alone gives a connection of the driver"
        )
        yield


def join(connection: Any) -> Joined:
    """The transaction of a caller's connection, session, or whatever its library calls it."""
    bridge = _bridge_of(type(connection))  # pyright: ignore[reportUnknownArgumentType]
    return Plain(connection) if bridge is None else bridge.join(connection)


def here(connection: Any) -> bool | Spawn:
    """Where an asynchronous call with that connection runs: on a thread of its own (False), on the caller's
    (True), or there, and able to wait for what is asynchronous in it.
    """
    if connection is None:
        return False
    bridge = _bridge_of(type(connection))  # pyright: ignore[reportUnknownArgumentType]
    spawn = None if bridge is None else bridge.spawn_of(connection)
    return True if spawn is None else spawn


@asynccontextmanager
async def entered(connection: Any, around: AbstractContextManager[R]) -> AsyncGenerator[R]:
    """A ``with`` block on the connection, for coroutines."""
    spawn = here(connection)
    if spawn is True or spawn is False:
        with around as value:
            yield value
        return
    value = await spawn(around.__enter__)
    try:
        yield value
    except BaseException as error:
        if not await spawn(around.__exit__, type(error), error, error.__traceback__):
            raise
    else:
        await spawn(around.__exit__, None, None, None)


@lru_cache(maxsize=64)
def _bridge_of(kind: type) -> _Bridge | None:
    # By all its classes: programs derive their own, and so do libraries on top of these.
    for base in kind.__mro__:
        library = base.__module__.partition(".")[0]
        name = _BRIDGES.get(library) or _BRIDGES.get(f"{library}.{base.__qualname__}")
        if name is not None:
            bridge: Any = importlib.import_module(name)
            return bridge
    return None

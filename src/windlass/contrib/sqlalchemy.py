"""Jobs in the transactions of SQLAlchemy: ``job.using(connection=session).enqueue(...)``.

A ``Session`` or ``Connection`` is taken as it is, and so is a ``scoped_session``; an ``AsyncSession`` or
``AsyncConnection`` by ``aenqueue``. The job is inserted on the connection that the session has, so it exists
if and only if the session's transaction commits, and goes with a savepoint that is rolled back. Nothing has
to be set up, and nothing is imported before the first session comes.

SQLite needs one thing more where there are savepoints. Python's driver begins a transaction only before the
first write, so a savepoint that comes earlier is part of none. ``begin_explicitly(engine)`` has each
transaction begun where SQLAlchemy begins it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import MissingGreenlet, UnboundExecutionError
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import await_only, greenlet_spawn

from windlass.errors import InvalidJob
from windlass.joining import Joined, Spawn
from windlass.joining import join as join_plainly

R = TypeVar("R")
_CALLS = "windlass_calls"


def begin_explicitly(engine: Any, mode: Literal["DEFERRED", "IMMEDIATE"] = "DEFERRED") -> None:
    """Begins the transactions of an SQLite engine where SQLAlchemy begins them; call it where it is made.

    ``"DEFERRED"`` leaves other writers alone for as long as a transaction only reads, and fails where it
    writes after all and somebody else has done so since; ``"IMMEDIATE"`` takes the write lock at once. An
    ``AsyncEngine`` will do, too. Engines of other databases are left as they are.

    >>> from sqlalchemy import create_engine
    >>> engine = create_engine("sqlite:///shop.db")
    >>> begin_explicitly(engine)
    """
    target: Engine = getattr(engine, "sync_engine", engine)
    if target.dialect.name != "sqlite":
        return

    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {mode}")

    event.listen(target, "connect", connected)
    event.listen(target, "begin", begun)


def join(given: Any) -> Joined:
    """The transaction of a session or connection: see ``windlass.joining``."""
    given = getattr(given, "sync_session", given)
    given = getattr(given, "sync_connection", given)
    if isinstance(given, PoolProxiedConnection):
        return join_plainly(given.driver_connection)
    if not isinstance(given, (Session, Connection)):
        registry: Any = getattr(given, "registry", None)
        if callable(registry):
            return join(registry())
        raise InvalidJob(
            "expected connection to be a Session or Connection of SQLAlchemy, got "
            f"{'an AsyncConnection that is not open' if given is None else type(given).__name__}"
        )
    return _Joined(given)


def spawn_of(given: Any) -> Spawn | None:
    """How to reach it from a coroutine: see ``windlass.joining``."""
    is_async = any(base.__module__.startswith("sqlalchemy.ext.asyncio") for base in type(given).__mro__)
    return greenlet_spawn if is_async else None


class _Joined:
    """The transaction of a session or connection; one that has not begun begins."""

    def __init__(self, given: Session | Connection) -> None:
        self._given = given

    def run(self, work: Callable[[Any], R]) -> R:
        connection = self._connection()
        driver: Any = connection.connection.driver_connection
        if not connection.dialect.is_async:
            return work(_checked(driver, connection))
        half = _plain_half_of(driver)
        try:
            return await_only(half.run(lambda raw: work(_checked(raw, connection))))
        except MissingGreenlet as error:
            raise _asynchronous() from error

    def after_commit(self, call: Callable[[], None]) -> None:
        """Calls when the connection goes back to its pool, which is at the end of a session's commit.

        The event of a commit comes before it. After a roll-back this calls for nothing, which does no harm.
        """
        connection = self._connection()
        calls: list[Callable[[], None]] = connection.info.setdefault(_CALLS, [])
        if call not in calls:
            calls.append(call)
        pool = connection.engine.pool
        if not event.contains(pool, "checkin", _came_back):
            event.listen(pool, "checkin", _came_back)

    @contextmanager
    def transaction(self) -> Generator[None]:
        given = self._given
        connection = self._connection()
        if given.in_nested_transaction():
            raise RuntimeError("a savepoint is open: ctx.transaction() ends a whole transaction")
        try:
            yield
            given.commit()
        except BaseException:
            given.rollback()
            raise
        if isinstance(given, Session) and not connection.closed and connection.in_transaction():
            raise RuntimeError(
                "the session's commit left the transaction of its connection open: give ctx.transaction() "
                "that connection"
            )

    def _connection(self) -> Connection:
        given = self._given
        try:
            if isinstance(given, Session):
                return given.connection()
            if not given.in_transaction():
                # Else its own commit would find nothing to commit.
                given.begin()
        except MissingGreenlet as error:
            raise _asynchronous() from error
        except UnboundExecutionError as error:
            raise InvalidJob(
                "the session has several databases: give the connection to that of the jobs, such as "
                "session.connection(bind_arguments={'bind': engine})"
            ) from error
        return given


def _asynchronous() -> InvalidJob:
    return InvalidJob("the session is asynchronous: await job.using(connection=session).aenqueue(...)")


def _checked(driver: Any, connection: Connection) -> Any:
    """The driver's connection, where it is in a transaction that SQLAlchemy will end."""
    if connection.dialect.name == "sqlite":
        begins = _begins_by_itself(driver)
        if connection.in_nested_transaction() and begins:
            raise InvalidJob(
                "Python's SQLite driver begins no transaction before a savepoint, so it may be part of none: "
                "windlass.contrib.sqlalchemy.begin_explicitly(engine) sets that right"
            )
        safe = begins or driver.in_transaction
    else:
        # An asynchronous driver's transactions are begun by its own half.
        safe = not getattr(connection.connection.driver_connection, "autocommit", False)
    if not safe:
        raise InvalidJob(
            "the connection commits each statement by itself (isolation level AUTOCOMMIT): leave connection= "
            "out, or use a connection with transactions"
        )
    return driver


def _begins_by_itself(driver: Any) -> bool:
    """Whether Python's SQLite driver begins a transaction before a write, and not before a savepoint."""
    return getattr(driver, "autocommit", -1) == -1 and driver.isolation_level is not None


def _came_back(_: Any, record: Any) -> None:
    """A connection has come back to its pool."""
    for call in record.info.pop(_CALLS, ()):
        call()


class _PlainHalf(Protocol):
    """The connection below an asynchronous one, as the driver's synchronous half has it."""

    async def run(self, work: Callable[[Any], R]) -> R:
        """Calls ``work`` with it, on a thread on which it may be used."""
        ...


class _Aiosqlite:
    """A connection of aiosqlite: the driver's own belongs to a thread, which runs what it is given."""

    def __init__(self, driver: Any) -> None:
        self._connection = driver._conn
        self._execute = driver._execute

    async def run(self, work: Callable[[Any], R]) -> R:
        return await self._execute(lambda: work(self._connection))


class _Psycopg:
    """An asynchronous connection of psycopg, and a synchronous one that shares its session of libpq."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    async def run(self, work: Callable[[Any], R]) -> R:
        if self._driver.info.transaction_status.name == "IDLE":
            # Begun by a statement of its own: what the session has set for its transactions holds.
            await self._driver.execute("SELECT 1")
        # Who is cancelled leaves the session to nobody before the thread has done with it.
        return await asyncio.shield(asyncio.ensure_future(self._alone(work)))

    async def _alone(self, work: Callable[[Any], R]) -> R:
        from windlass.store.postgres.joining import plain_half_of

        async with self._driver.lock:
            return await asyncio.to_thread(work, plain_half_of(self._driver))


def _plain_half_of(driver: Any) -> _PlainHalf:
    library = type(driver).__module__.partition(".")[0]
    if library == "aiosqlite":
        return _Aiosqlite(driver)
    if library == "psycopg":
        return _Psycopg(driver)
    raise InvalidJob(
        f"expected an asynchronous connection of aiosqlite or psycopg, got one of {type(driver).__module__}: "
        "enqueue on a synchronous session"
    )

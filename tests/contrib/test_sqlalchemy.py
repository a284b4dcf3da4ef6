"""Jobs in the transactions of SQLAlchemy: its real sessions and connections, on a real file."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Integer, create_engine, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

from tests.attempting import Workshop
from windlass import Context, InvalidJob, Job, JobStatus, StaleAttempt, Windlass, chain
from windlass.contrib.sqlalchemy import begin_explicitly
from windlass.outcome import Failed
from windlass.testing import drain

COMPLETED, FAILED, PENDING = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.PENDING


class Base(DeclarativeBase): ...


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)


class Shop:
    """An app, its job, and an engine on the same database."""

    def __init__(self, database: str, engine: Engine) -> None:
        self.app = app = Windlass(database)
        self.engine = engine
        self.database = database

        @app.job
        def mail(order: int) -> None: ...

        self.mail = mail
        self.app.store.version()
        Base.metadata.create_all(engine)

    def kept(self) -> tuple[int, int]:
        """Orders and jobs, as others see them."""
        with closing(sqlite3.connect(self.database)) as connection:
            [orders] = connection.execute("SELECT count(*) FROM orders").fetchone()
        return orders, len(self.app.jobs.list())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@pytest.fixture
def shop(path: Path) -> Iterator[Shop]:
    engine = create_engine(f"sqlite:///{path}")
    begin_explicitly(engine)
    made = Shop(str(path), engine)
    yield made
    engine.dispose()
    made.app.close()


@pytest.fixture
def plain(shop: Shop, path: Path) -> Iterator[Engine]:
    """An engine as SQLAlchemy makes it, with the driver's own transactions."""
    engine = create_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


def asynchronous(shop: Shop, use: Callable[[Any], Awaitable[Any]]) -> Any:
    """Runs ``use(engine)`` with an asynchronous engine on the shop's file."""

    async def run() -> Any:
        engine = create_async_engine(f"sqlite+aiosqlite:///{shop.database}")
        begin_explicitly(engine)
        try:
            return await use(engine)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def test_a_session_is_known_without_importing_its_library():
    told = subprocess.run(
        [sys.executable, "-c", "import sys, windlass; print({'sqlalchemy', 'django'} & set(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "set()\n"


# ── J3 ─────────────────────────────────────────────────────────────────────────────────────────────
def test_a_job_exists_if_and_only_if_the_session_commits(shop: Shop):
    with Session(shop.engine) as session:
        session.add(Order(id=1))
        job = shop.mail.using(connection=session).enqueue(order=1)
        assert isinstance(job, Job)
        assert shop.kept() == (0, 0)
        session.rollback()
        assert shop.kept() == (0, 0)
        session.add(Order(id=1))
        shop.mail.using(connection=session).enqueue(order=1)
        session.commit()
    assert shop.kept() == (1, 1)


def test_it_is_so_too_where_the_driver_begins_transactions_by_itself(shop: Shop, plain: Engine):
    with Session(plain) as session:
        shop.mail.using(connection=session).enqueue(order=1)
        session.rollback()
        shop.mail.using(connection=session).enqueue_many([{"order": 2}, {"order": 3}])
        session.rollback()
        assert shop.kept() == (0, 0)
        shop.mail.using(connection=session).enqueue_many([{"order": 2}, {"order": 3}])
        session.commit()
    assert shop.kept() == (0, 2)


def test_an_enqueue_begins_the_transaction_of_a_connection(shop: Shop, plain: Engine):
    """SQLAlchemy would not know of it else: its commit would do nothing, and the pool would roll back."""
    for engine in (shop.engine, plain):
        with engine.connect() as connection:
            shop.mail.using(connection=connection).enqueue(order=1)
            connection.commit()
        with engine.connect() as connection:
            shop.mail.using(connection=connection).enqueue(order=1)
        with engine.begin() as connection:
            shop.app.enqueue("mail", {"order": 2}, connection=connection)
    assert shop.kept() == (0, 4)


def test_a_savepoint_that_is_rolled_back_takes_its_job_along(shop: Shop):
    with Session(shop.engine) as session:
        savepoint = session.begin_nested()
        shop.mail.using(connection=session).enqueue(order=1)
        savepoint.rollback()
        with session.begin_nested():
            kept = shop.mail.using(connection=session).enqueue(order=2)
        assert shop.kept() == (0, 0)
        session.commit()
    assert [job.id for job in shop.app.jobs.list()] == [kept.id]


def test_a_transaction_that_is_rolled_back_takes_the_jobs_of_its_savepoints_along(shop: Shop):
    with Session(shop.engine) as session:
        with session.begin_nested():
            shop.mail.using(connection=session).enqueue(order=1)
        session.rollback()
    assert shop.kept() == (0, 0)


def test_a_chain_goes_into_the_session_whole(shop: Shop):
    work = chain(shop.mail.step(order=1), shop.mail.step(order=2))
    with Session(shop.engine) as session:
        work.enqueue(connection=session)
        session.rollback()
        flow = work.enqueue(connection=session)
        session.commit()
    assert [job.id for job in shop.app.jobs.list(order="id")] == list(flow.ids)


def test_a_scoped_session_and_the_pools_own_connection_are_taken(shop: Shop, plain: Engine):
    sessions = scoped_session(sessionmaker(shop.engine))
    shop.mail.using(connection=sessions).enqueue(order=1)
    sessions.commit()
    sessions.remove()
    raw = plain.raw_connection()
    shop.mail.using(connection=raw).enqueue(order=2)
    raw.commit()
    shop.mail.using(connection=raw).enqueue(order=3)
    raw.close()
    assert shop.kept() == (0, 2)


def test_a_unique_job_that_exists_is_found_on_the_session(shop: Shop):
    with Session(shop.engine) as session:
        first = shop.mail.using(connection=session, unique="m").enqueue(order=1)
        again = shop.mail.using(connection=session, unique="m").enqueue(order=2)
        session.commit()
    assert (again.id, again.created, again.payload) == (first.id, False, {"order": 1})


# ── who waits is woken ─────────────────────────────────────────────────────────────────────────────
def test_the_bell_rings_after_the_commit_and_not_before(shop: Shop):
    bell = shop.app.store.bell("work")
    try:
        with Session(shop.engine) as session:
            shop.mail.using(connection=session).enqueue(order=1)
            session.flush()
            assert not bell.drain()
            session.commit()
            assert bell.drain()
            shop.mail.using(connection=session).enqueue(order=2)
            session.commit()
            assert bell.drain()
            session.add(Order(id=1))
            session.commit()
            assert not bell.drain()
        with shop.engine.begin() as connection:
            shop.mail.using(connection=connection).enqueue(order=2)
            assert not bell.drain()
        assert bell.drain()
    finally:
        bell.close()


def test_the_bell_rings_for_an_engine_without_a_pool(shop: Shop):
    engine = create_engine(f"sqlite:///{shop.database}", poolclass=NullPool)
    bell = shop.app.store.bell("work")
    try:
        with Session(engine) as session:
            shop.mail.using(connection=session).enqueue(order=1)
            session.commit()
        assert bell.drain()
    finally:
        bell.close()


def test_a_dispatcher_runs_the_job_of_a_session_once_it_commits(shop: Shop):
    ran = threading.Event()

    @shop.app.job
    def work() -> None:
        ran.set()

    with shop.app.running(threads=1), Session(shop.engine) as session:
        job = work.using(connection=session).enqueue()
        session.flush()
        assert not ran.is_set()
        session.commit()
        assert shop.app.jobs.wait(job.id, 30).status is COMPLETED


# ── refused ────────────────────────────────────────────────────────────────────────────────────────
def test_a_connection_that_commits_each_statement_is_refused(shop: Shop, plain: Engine):
    automatic = plain.execution_options(isolation_level="AUTOCOMMIT")
    with Session(automatic) as session, pytest.raises(InvalidJob, match="commits each statement by itself"):
        shop.mail.using(connection=session).enqueue(order=1)
    with automatic.connect() as connection, pytest.raises(InvalidJob, match="AUTOCOMMIT"):
        shop.mail.using(connection=connection).enqueue(order=1)
    assert shop.kept() == (0, 0)


def test_a_savepoint_that_may_be_part_of_no_transaction_is_refused(shop: Shop, plain: Engine):
    """What it holds would be committed with the savepoint, whatever becomes of the session."""
    with (
        Session(plain) as session,
        session.begin_nested(),
        pytest.raises(InvalidJob, match=r"begin_explicitly\(engine\) sets that right"),
    ):
        shop.mail.using(connection=session).enqueue(order=1)
    assert shop.kept() == (0, 0)


def test_a_session_of_another_database_is_refused(shop: Shop, tmp_path: Path):
    for url in ("sqlite://", f"sqlite:///{tmp_path / 'other.db'}"):
        engine = create_engine(url)
        with Session(engine) as session, pytest.raises(InvalidJob, match="a transaction of its own database"):
            shop.mail.using(connection=session).enqueue(order=1)
        engine.dispose()


def test_what_is_neither_session_nor_connection_is_refused(shop: Shop):
    for given in (shop.engine, sessionmaker(shop.engine), text("SELECT 1")):
        with pytest.raises(
            InvalidJob, match="expected connection to be a Session or Connection of SQLAlchemy"
        ):
            shop.mail.using(connection=given).enqueue(order=1)


def test_a_session_of_several_databases_is_asked_which_one(shop: Shop):
    with Session(binds={Order: shop.engine}) as session:
        with pytest.raises(InvalidJob, match="has several databases"):
            shop.mail.using(connection=session).enqueue(order=1)
        given = session.connection(bind_arguments={"bind": shop.engine})
        shop.mail.using(connection=given).enqueue(order=1)
        session.commit()
    assert shop.kept() == (0, 1)


def test_other_databases_begin_as_they_do():
    engine = create_engine("postgresql+psycopg://nobody@localhost/nothing")
    begin_explicitly(engine)
    assert not engine.dispatch.begin


# ── asynchronous ───────────────────────────────────────────────────────────────────────────────────
def test_an_asynchronous_session_is_joined_by_aenqueue(shop: Shop):
    async def use(engine: Any) -> None:
        async with AsyncSession(engine) as session:
            session.add(Order(id=1))
            await shop.mail.using(connection=session).aenqueue(order=1)
            await session.rollback()
            assert shop.kept() == (0, 0)
            session.add(Order(id=2))
            await shop.mail.using(connection=session).aenqueue(order=2)
            again = [
                await shop.app.aenqueue("mail", {"order": 3}, connection=session, unique="m") for _ in "12"
            ]
            assert [job.created for job in again] == [True, False]
            await chain(shop.mail.step(order=1), shop.mail.step(order=2)).aenqueue(connection=session)
            await session.commit()
        async with engine.connect() as connection:
            await shop.mail.using(connection=connection).aenqueue(order=4)
        async with engine.begin() as connection:
            await shop.mail.using(connection=connection).aenqueue(order=5)
            savepoint = await connection.begin_nested()
            await shop.mail.using(connection=connection).aenqueue(order=6)
            await savepoint.rollback()
        sessions = async_scoped_session(async_sessionmaker(engine), asyncio.current_task)
        await shop.mail.using(connection=sessions).aenqueue(order=7)
        await sessions.commit()
        await sessions.remove()

    asynchronous(shop, use)
    assert shop.kept() == (1, 6)


def test_the_bell_rings_after_an_asynchronous_commit(shop: Shop):
    bell = shop.app.store.bell("work")

    async def use(engine: Any) -> None:
        async with AsyncSession(engine) as session:
            await shop.mail.using(connection=session).aenqueue(order=2)
            assert not bell.drain()
            await session.commit()
            assert bell.drain()

    try:
        asynchronous(shop, use)
    finally:
        bell.close()


def test_a_synchronous_enqueue_on_an_asynchronous_session_says_what_to_write(shop: Shop):
    async def use(engine: Any) -> None:
        async with AsyncSession(engine) as session:
            with pytest.raises(InvalidJob, match=r"await job\.using\(connection=session\)\.aenqueue"):
                shop.mail.using(connection=session).enqueue(order=1)
            await session.execute(text("SELECT 1"))
            with pytest.raises(InvalidJob, match=r"await job\.using\(connection=session\)\.aenqueue"):
                shop.mail.using(connection=session).enqueue(order=1)
            await session.run_sync(lambda sync: shop.mail.using(connection=sync).enqueue(order=2))
            await session.commit()
        with pytest.raises(InvalidJob, match="an AsyncConnection that is not open"):
            await shop.mail.using(connection=engine.connect()).aenqueue(order=3)

    asynchronous(shop, use)
    assert shop.kept() == (0, 1)


# ── completion ─────────────────────────────────────────────────────────────────────────────────────
def test_a_job_is_completed_in_the_transaction_of_its_session(shop: Shop):
    """J4: the session's writes, what is enqueued, the result and the completion are one commit."""

    @shop.app.job(max_attempts=2, backoff=None)
    def close_day(ctx: Context) -> None:
        with Session(shop.engine) as session, ctx.transaction(session) as given:
            assert given is session
            session.add(Order(id=ctx.attempt))
            session.flush()
            shop.mail.enqueue(order=1)
            ctx.set_result({"attempt": ctx.attempt})
            if ctx.attempt == 1:
                raise ZeroDivisionError

    job = close_day.enqueue()
    drain(shop.app)
    assert shop.kept() == (0, 1)
    shop.app.jobs.retry(job.id)
    drain(shop.app)
    found = shop.app.jobs.get(job.id)
    assert found is not None
    assert (found.status, found.result) == (COMPLETED, {"attempt": found.attempts})
    with Session(shop.engine) as session:
        assert list(session.scalars(select(Order.id))) == [found.attempts]
    assert len(shop.app.jobs.list(key="mail")) == 1


def test_an_attempt_that_lost_its_job_writes_nothing(shop: Shop, tmp_path: Path):
    """J5: the session's writes go with the completion that is refused."""
    workshop = Workshop(tmp_path)
    claim = workshop.claim("close_day")
    workshop.settle(claim, Failed("someone else's verdict"))
    ctx = Context(claim, workshop)
    with Session(shop.engine) as session:
        with pytest.raises(StaleAttempt, match="no longer owns it"), ctx.transaction(session):
            session.add(Order(id=1))
        assert not session.in_transaction()
    assert not ctx.committed
    workshop.close()
    assert shop.kept()[0] == 0


def test_a_connection_completes_as_well_and_only_a_whole_transaction(shop: Shop):
    told: list[str] = []

    @shop.app.job
    def close_day(ctx: Context) -> None:
        with shop.engine.connect() as connection:
            nested = connection.begin_nested()
            with pytest.raises(RuntimeError, match="a savepoint is open"), ctx.transaction(connection):
                raise AssertionError("it must not open")
            nested.rollback()
            connection.rollback()
            with ctx.transaction(connection):
                connection.execute(text("INSERT INTO orders VALUES (1)"))
                with pytest.raises(RuntimeError, match="is already open"), ctx.transaction(connection):
                    raise AssertionError("it must not open")
        told.append("through")

    job = close_day.enqueue()
    drain(shop.app)
    assert told == ["through"]
    assert (shop.kept()[0], shop.app.jobs.wait(job.id, 1).status) == (1, COMPLETED)


def test_a_session_whose_commit_does_not_end_the_transaction_completes_nothing(shop: Shop):
    @shop.app.job(max_attempts=1)
    def close_day(ctx: Context) -> None:
        with shop.engine.connect() as connection:
            connection.begin()
            with Session(connection) as session, ctx.transaction(session):
                session.add(Order(id=1))

    job = close_day.enqueue()
    drain(shop.app)
    found = shop.app.jobs.wait(job.id, 1)
    assert found.status is FAILED
    assert "left the transaction of its connection open" in (found.last_error or "")
    assert shop.kept()[0] == 0


def test_a_connection_of_the_driver_has_no_transaction_to_complete_in(shop: Shop):
    @shop.app.job(max_attempts=1)
    def close_day(ctx: Context) -> None:
        with ctx.transaction(ctx.db):
            raise AssertionError("it must not open")

    job = close_day.enqueue()
    drain(shop.app)
    assert "ctx.transaction() alone gives a connection" in (shop.app.jobs.wait(job.id, 1).last_error or "")


def test_a_job_is_completed_in_the_transaction_of_its_asynchronous_session(shop: Shop):
    @shop.app.job(max_attempts=1)
    async def close_day(ctx: Context, fail: bool) -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{shop.database}")
        begin_explicitly(engine)
        try:
            async with AsyncSession(engine) as session, ctx.atransaction(session):
                session.add(Order(id=1))
                await shop.mail.using(connection=session).aenqueue(order=1)
                if fail:
                    raise ZeroDivisionError
        finally:
            await engine.dispose()

    failing = close_day.enqueue(fail=True)
    drain(shop.app)
    assert shop.app.jobs.wait(failing.id, 1).status is FAILED
    assert shop.kept() == (0, 1)
    done = close_day.enqueue(fail=False)
    drain(shop.app)
    assert shop.app.jobs.wait(done.id, 1).status is COMPLETED
    assert shop.kept() == (1, 3)

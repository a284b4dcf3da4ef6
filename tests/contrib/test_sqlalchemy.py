"""Jobs in the transactions of SQLAlchemy: its real sessions and connections, on a real file."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

from tests.contrib.shop import Order, Shop, asynchronous
from windlass import InvalidJob, Job, JobStatus, chain
from windlass.contrib.sqlalchemy import begin_explicitly

COMPLETED, FAILED, PENDING = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.PENDING


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

"""The transactions of SQLAlchemy and Django on a real PostgreSQL, by psycopg: the same code as on SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import django
import psycopg
import pytest
from django import conf, db
from django.db import transaction
from django.db.utils import ConnectionHandler
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from windlass import Context, InvalidJob, JobStatus, Windlass, chain
from windlass.contrib.django import database_of, make_app
from windlass.contrib.sqlalchemy import begin_explicitly
from windlass.testing import drain

COMPLETED, FAILED = JobStatus.COMPLETED, JobStatus.FAILED


class Shop:
    """An app and its job on a PostgreSQL, with a table beside its own."""

    connection: Any
    """Django's, where there is one."""

    def __init__(self, url: str, app: Windlass | None = None) -> None:
        self.url = url
        self.app = app = app or Windlass(url)

        @app.job
        def mail(order: int) -> None: ...

        self.mail = mail
        self.app.store.version()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE orders (id integer PRIMARY KEY)")

    def kept(self) -> tuple[int, int]:
        """Orders and jobs, as others see them."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM background_service_jobs)"
            ).fetchone()
        assert row is not None
        return row[0], row[1]


@pytest.fixture
def shop(postgres_url: str) -> Iterator[Shop]:
    made = Shop(postgres_url)
    yield made
    made.app.close()


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://", 1))
    begin_explicitly(engine)
    yield engine
    engine.dispose()


WAITS = text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'background_service_jobs'::regclass"
)
ORDER = text("INSERT INTO orders VALUES (1)")


# ── SQLAlchemy ─────────────────────────────────────────────────────────────────────────────────────
def test_a_job_exists_if_and_only_if_the_session_commits(shop: Shop, engine: Engine):
    with Session(engine) as session:
        session.execute(ORDER)
        shop.mail.using(connection=session).enqueue(order=1)
        assert shop.kept() == (0, 0)
        session.rollback()
        assert shop.kept() == (0, 0)
        shop.mail.using(connection=session).enqueue_many([{"order": 1}, {"order": 2}])
        session.execute(ORDER)
        session.commit()
    assert shop.kept() == (1, 2)
    with engine.connect() as connection:
        shop.mail.using(connection=connection).enqueue(order=1)
        connection.commit()
        shop.mail.using(connection=connection).enqueue(order=1)
    assert shop.kept() == (1, 3)


def test_a_savepoint_that_is_rolled_back_takes_its_job_along(shop: Shop, engine: Engine):
    with Session(engine) as session:
        savepoint = session.begin_nested()
        shop.mail.using(connection=session).enqueue(order=1)
        savepoint.rollback()
        with session.begin_nested():
            kept = shop.mail.using(connection=session, unique="m").enqueue(order=2)
        again = shop.mail.using(connection=session, unique="m").enqueue(order=3)
        session.commit()
    assert (again.id, again.created) == (kept.id, False)
    assert [job.id for job in shop.app.jobs.list()] == [kept.id]


def test_a_dispatcher_hears_of_the_commit(shop: Shop, engine: Engine):
    with shop.app.running(threads=1), Session(engine) as session:
        job = shop.mail.using(connection=session).enqueue(order=1)
        session.commit()
        assert shop.app.jobs.wait(job.id, 30).status is COMPLETED


def test_what_commits_each_statement_or_goes_elsewhere_is_refused(
    shop: Shop, engine: Engine, postgres_server: Any
):
    automatic = engine.execution_options(isolation_level="AUTOCOMMIT")
    with Session(automatic) as session, pytest.raises(InvalidJob, match="commits each statement by itself"):
        shop.mail.using(connection=session).enqueue(order=1)
    with postgres_server.database() as name:
        url = postgres_server.url(name).replace("postgresql://", "postgresql+psycopg://", 1)
        other = create_engine(url)
        with Session(other) as session, pytest.raises(InvalidJob):
            shop.mail.using(connection=session).enqueue(order=1)
        other.dispose()
    assert shop.kept() == (0, 0)


# ── asynchronous ───────────────────────────────────────────────────────────────────────────────────
@asynccontextmanager
async def asynchronous(postgres_url: str, **settings: Any) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(
        postgres_url.replace("postgresql://", "postgresql+psycopg://", 1), **settings
    )
    try:
        yield engine
    finally:
        await engine.dispose()


def test_an_asynchronous_session_is_joined_by_aenqueue(shop: Shop, postgres_url: str):
    async def use() -> None:
        async with asynchronous(postgres_url) as engine:
            async with AsyncSession(engine) as session:
                await session.execute(ORDER)
                await shop.mail.using(connection=session).aenqueue(order=1)
                await session.rollback()
                assert shop.kept() == (0, 0)
                # Nothing was said in this transaction yet.
                await shop.mail.using(connection=session).aenqueue(order=2)
                await session.execute(ORDER)
                again = [
                    await shop.app.aenqueue("mail", {"order": 3}, connection=session, unique="m")
                    for _ in "12"
                ]
                assert [job.created for job in again] == [True, False]
                await chain(shop.mail.step(order=1), shop.mail.step(order=2)).aenqueue(connection=session)
                assert shop.kept() == (0, 0)
                await session.commit()
            async with engine.connect() as connection:
                await shop.mail.using(connection=connection).aenqueue(order=4)
            async with engine.begin() as connection:
                await shop.mail.using(connection=connection).aenqueue(order=5)
                savepoint = await connection.begin_nested()
                await shop.mail.using(connection=connection).aenqueue(order=6)
                await savepoint.rollback()

    asyncio.run(use())
    assert shop.kept() == (1, 5)


def test_what_an_asynchronous_session_has_set_for_its_transactions_holds(shop: Shop, postgres_url: str):
    async def use() -> None:
        async with (
            asynchronous(postgres_url, isolation_level="REPEATABLE READ") as engine,
            AsyncSession(engine) as session,
        ):
            for order in range(8):
                # Prepared by the one half, and not by the other.
                await shop.mail.using(connection=session).aenqueue(order=order)
                level = await session.scalar(text("SHOW transaction_isolation"))
                assert level == "repeatable read"
                if order % 2:
                    await session.commit()

    asyncio.run(use())
    assert shop.kept() == (0, 8)


def test_an_asynchronous_session_goes_on_after_one_that_was_refused(shop: Shop, postgres_url: str):
    async def use() -> None:
        async with asynchronous(postgres_url) as engine, AsyncSession(engine) as session:
            await session.execute(ORDER)
            with pytest.raises(InvalidJob):
                await shop.mail.using(connection=session).aenqueue(order="not a number")
            await shop.mail.using(connection=session).aenqueue(order=1)
            await session.commit()

    asyncio.run(use())
    assert shop.kept() == (1, 1)


def test_who_is_cancelled_while_it_enqueues_leaves_the_session_to_be_rolled_back(
    shop: Shop, postgres_url: str
):
    async def use() -> None:
        async with asynchronous(postgres_url) as engine:
            async with engine.connect() as waiting, AsyncSession(engine) as session:
                await waiting.execute(text("LOCK TABLE background_service_jobs IN EXCLUSIVE MODE"))
                task = asyncio.ensure_future(shop.mail.using(connection=session).aenqueue(order=1))
                while not (task.done() or await waiting.scalar(WAITS)):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                assert not task.done()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asyncio.wait_for(task, 30)
                await waiting.rollback()
            async with AsyncSession(engine) as session:
                await shop.mail.using(connection=session).aenqueue(order=2)
                await session.commit()

    asyncio.run(use())
    assert shop.kept() == (0, 1)


def test_what_commits_each_statement_asynchronously_is_refused(shop: Shop, postgres_url: str):
    async def use() -> None:
        async with (
            asynchronous(postgres_url, isolation_level="AUTOCOMMIT") as engine,
            AsyncSession(engine) as session,
        ):
            with pytest.raises(InvalidJob, match="commits each statement by itself"):
                await shop.mail.using(connection=session).aenqueue(order=1)

    asyncio.run(use())
    assert shop.kept() == (0, 0)


def test_a_job_is_completed_in_the_transaction_of_its_asynchronous_session(shop: Shop, postgres_url: str):
    @shop.app.job(max_attempts=1)
    async def close_day(ctx: Context, fail: bool) -> None:
        async with (
            asynchronous(postgres_url) as engine,
            AsyncSession(engine) as session,
            ctx.atransaction(session),
        ):
            await session.execute(ORDER)
            await shop.mail.using(connection=session).aenqueue(order=1)
            if fail:
                raise ZeroDivisionError

    failing = close_day.enqueue(fail=True)
    drain(shop.app)
    assert shop.app.jobs.wait(failing.id, 1).status is FAILED
    assert shop.kept() == (0, 1)
    done = close_day.enqueue(fail=False)
    drain(shop.app)
    assert shop.app.jobs.wait(done.id, 1).status is COMPLETED
    assert shop.kept() == (1, 3)


def test_a_job_is_completed_in_the_transaction_of_its_session(shop: Shop, engine: Engine):
    @shop.app.job(max_attempts=1)
    def close_day(ctx: Context, fail: bool) -> None:
        with Session(engine) as session, ctx.transaction(session):
            session.execute(ORDER)
            shop.mail.enqueue(order=1)
            ctx.set_result("closed")
            if fail:
                raise ZeroDivisionError

    failing = close_day.enqueue(fail=True)
    drain(shop.app)
    assert shop.app.jobs.wait(failing.id, 1).status is FAILED
    assert shop.kept() == (0, 1)
    job = close_day.enqueue(fail=False)
    drain(shop.app)
    done = shop.app.jobs.wait(job.id, 1)
    assert (done.status, done.result) == (COMPLETED, "closed")
    assert shop.kept() == (1, 3)


# ── Django ─────────────────────────────────────────────────────────────────────────────────────────
def described(url: str) -> dict[str, Any]:
    """An entry of ``DATABASES`` for a URL."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.removeprefix("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", None) or parts.hostname or "",
        "PORT": options.pop("port", None) or parts.port or "",
        "OPTIONS": options,
    }


@pytest.fixture
def project(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    if not conf.settings.configured:
        nowhere = {"ENGINE": "django.db.backends.sqlite3", "NAME": ""}
        conf.settings.configure(DATABASES={"default": nowhere, "other": dict(nowhere)}, USE_TZ=True)
        django.setup()
    # A handler of connections of this test's own: the process has one set of settings for all tests.
    databases = {"default": described(postgres_url)}
    monkeypatch.setattr(conf.settings, "DATABASES", databases)
    handler = ConnectionHandler(databases)
    monkeypatch.setattr(db, "connections", handler)
    monkeypatch.setattr(transaction, "get_connection", lambda using=None: handler[using or "default"])
    made = Shop(postgres_url, make_app())
    made.connection = handler["default"]
    yield made
    handler.close_all()
    made.app.close()


def test_django_describes_the_same_database(postgres_url: str, project: Shop):
    with psycopg.connect(database_of(described(postgres_url))) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)
    assert project.app.settings.database == database_of(described(postgres_url))


def test_a_job_exists_if_and_only_if_the_atomic_block_commits(project: Shop):
    with transaction.atomic():
        savepoint = transaction.savepoint()
        project.mail.using(connection=project.connection).enqueue(order=1)
        transaction.savepoint_rollback(savepoint)
        with project.connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders VALUES (1)")
        project.mail.using(connection=project.connection).enqueue(order=2)
        assert project.kept() == (0, 0)
    assert project.kept() == (1, 1)
    with transaction.atomic():
        project.mail.using(connection=project.connection).enqueue(order=3)
        transaction.set_rollback(True)
    assert project.kept() == (1, 1)
    with pytest.raises(InvalidJob, match=r"enqueue inside transaction\.atomic\(\)"):
        project.mail.using(connection=project.connection).enqueue(order=4)


def test_a_job_is_completed_in_a_transaction_of_django(project: Shop):
    @project.app.job(max_attempts=1)
    def close_day(ctx: Context) -> None:
        with ctx.transaction(project.connection):
            with project.connection.cursor() as cursor:
                cursor.execute("INSERT INTO orders VALUES (1)")
            project.mail.enqueue(order=1)

    job = close_day.enqueue()
    drain(project.app)
    assert project.app.jobs.wait(job.id, 1).status is COMPLETED
    assert project.kept() == (1, 2)

"""Jobs that are completed in the transactions of SQLAlchemy, together with what their handlers write."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tests.attempting import Workshop
from tests.contrib.shop import Order, Shop
from windlass import Backoff, Context, JobStatus, StaleAttempt
from windlass.contrib.sqlalchemy import begin_explicitly
from windlass.outcome import Failed
from windlass.testing import drain

COMPLETED, FAILED, PENDING = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.PENDING


def test_a_job_is_completed_in_the_transaction_of_its_session(shop: Shop):
    """J4: the session's writes, what is enqueued, the result and the completion are one commit."""

    @shop.app.job(max_attempts=2, backoff=Backoff.linear("1h", jitter="none"))
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
    workshop = Workshop(str(tmp_path / "app.db"))
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

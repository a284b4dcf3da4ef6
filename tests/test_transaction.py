from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests import outsider
from tests.attempting import Workshop
from windlass.context import Context
from windlass.errors import StaleAttempt, TransactionTooLong
from windlass.job import JobStatus
from windlass.outcome import Committed, Failed, Retried
from windlass.store import open_store
from windlass.store.protocol import NewJob


@pytest.fixture
def shop(database_url: str) -> Iterator[Workshop]:
    made = Workshop(database_url)
    made.make_reports_table()
    yield made
    made.close()


@pytest.fixture
def short_transactions(shop: Workshop) -> None:
    shop.transaction_limit_s = 0.05


def context(shop: Workshop, **fields: Any) -> Context:
    return Context(shop.claim("job", **fields), shop)


def test_writes_and_completion_are_one_commit(shop: Workshop) -> None:
    """J4: what is written there happens exactly once."""

    @shop.job
    def job(ctx: Context) -> str:
        with ctx.transaction() as db:
            db.execute("INSERT INTO reports VALUES ('monday')")
            ctx.set_result({"rows": 1})
            assert ctx.open_connection is db
            assert ctx.open_connection_to(shop.store) is db
            assert ctx.open_connection_to(open_store("other.db")) is None
            assert shop.status(ctx.job_id) is JobStatus.RUNNING
        assert ctx.open_connection is None
        return "too late"

    claim = shop.claim("job")
    assert shop.performer.perform(claim) == Committed()
    completed = shop.store.get(claim.job_id)
    assert completed is not None
    assert completed.status is JobStatus.COMPLETED
    assert completed.result == {"rows": 1}
    assert shop.reports() == ["monday"]


def test_a_failure_after_the_transaction_changes_nothing(
    shop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    @shop.job
    def job(ctx: Context) -> None:
        with ctx.transaction() as db:
            db.execute("INSERT INTO reports VALUES ('monday')")
        raise ValueError("too late")

    claim = shop.claim("job")
    with caplog.at_level(logging.ERROR, "windlass.job"):
        assert shop.performer.perform(claim) == Committed()
    assert shop.status(claim.job_id) is JobStatus.COMPLETED
    assert "failed after its transaction had completed the job: ValueError: too late" in caplog.text


def test_a_failure_inside_the_transaction_leaves_neither_writes_nor_completion(shop: Workshop) -> None:
    @shop.job
    def job(ctx: Context) -> None:
        with ctx.transaction() as db:
            db.execute("INSERT INTO reports VALUES ('monday')")
            raise ValueError("no")

    claim = shop.claim("job")
    outcome = shop.performer.perform(claim)
    assert isinstance(outcome, Retried)
    assert outcome.error.startswith("ValueError: no")
    assert shop.reports() == []
    assert shop.status(claim.job_id) is JobStatus.RUNNING
    assert shop.settle(claim, outcome)


def test_after_a_failed_transaction_the_handler_may_try_once_more(shop: Workshop) -> None:
    @shop.job
    def job(ctx: Context) -> None:
        with contextlib.suppress(ValueError), ctx.transaction() as db:
            db.execute("INSERT INTO reports VALUES ('first')")
            raise ValueError("no")
        with ctx.transaction() as db:
            db.execute("INSERT INTO reports VALUES ('second')")

    assert shop.perform("job") == Committed()
    assert shop.reports() == ["second"]


def test_a_stale_attempt_cannot_commit_its_transaction(shop: Workshop) -> None:
    """J5, and Oban #532: a late attempt must not bring back a job that has moved on."""
    claim = shop.claim("job")
    ctx = Context(claim, shop)
    assert shop.settle(claim, Failed("someone else's verdict"))
    with pytest.raises(StaleAttempt, match="no longer owns it"), ctx.transaction() as db:
        db.execute("INSERT INTO reports VALUES ('stale')")
    ctx.close()
    assert shop.reports() == []
    assert shop.status(claim.job_id) is JobStatus.FAILED


def test_a_transaction_completes_the_job_once(shop: Workshop) -> None:
    ctx = context(shop)
    with ctx.transaction(), pytest.raises(RuntimeError, match="is already open"), ctx.transaction():
        raise AssertionError("it must not open")
    with pytest.raises(RuntimeError, match="already completed this job"), ctx.transaction():
        pass
    ctx.close()


def test_a_transaction_of_the_handlers_own_must_end_first(shop: Workshop) -> None:
    ctx = context(shop)
    ctx.db.execute("INSERT INTO reports VALUES ('own')")
    with pytest.raises(RuntimeError, match=r"already open on ctx\.db"), ctx.transaction():
        pass
    ctx.db.rollback()
    ctx.close()


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_a_handler_that_ends_the_transaction_itself_does_not_complete_the_job(
    shop: Workshop, ending: str
) -> None:
    claim = shop.claim("job")
    ctx = Context(claim, shop)
    with pytest.raises(RuntimeError, match=r"ended ctx\.transaction"), ctx.transaction() as db:
        getattr(db, ending)()
    ctx.close()
    assert shop.status(claim.job_id) is JobStatus.RUNNING


def test_a_job_enqueued_in_the_transaction_exists_if_it_commits(shop: Workshop) -> None:
    """J3."""
    ctx = context(shop)
    with contextlib.suppress(ValueError), ctx.transaction() as db:
        shop.store.insert([NewJob(key="next")], connection=db)
        raise ValueError("no")
    with ctx.transaction() as db:
        [inserted] = shop.store.insert([NewJob(key="next")], connection=db)
    ctx.close()
    assert shop.status(inserted.job_id) is JobStatus.PENDING
    assert shop.store.counts()[JobStatus.PENDING] == 1


@pytest.mark.sqlite
@pytest.mark.usefixtures("short_transactions")
def test_a_transaction_that_waits_too_long_is_rolled_back_while_it_waits(shop: Workshop) -> None:
    ctx = context(shop)
    freed = threading.Event()
    seen: list[Any] = []

    def write_as_soon_as_possible() -> None:
        outsider.run(shop.database, "INSERT INTO reports VALUES ('other')")
        freed.set()

    def wait_in_the_transaction() -> None:
        with ctx.transaction() as db:
            db.execute("INSERT INTO reports VALUES ('lost')")
            other.start()
            seen.append(freed.wait(10))
            try:
                db.execute("INSERT INTO reports VALUES ('alone')")
            except sqlite3.OperationalError as error:
                seen.append(str(error))

    other = threading.Thread(target=write_as_soon_as_possible)
    with pytest.raises(TransactionTooLong, match=r"more than 0\.05 s and was rolled back"):
        wait_in_the_transaction()
    other.join()
    # The lock came free while the handler was still in its block, and what it wrote afterwards, outside any
    # transaction now, did not commit by itself.
    assert seen == [True, "attempt to write a readonly database"]
    assert shop.reports() == ["other"]
    ctx.db.execute("INSERT INTO reports VALUES ('afterwards')")
    ctx.db.commit()
    ctx.close()
    assert shop.reports() == ["afterwards", "other"]


@pytest.mark.usefixtures("short_transactions")
def test_a_statement_that_runs_too_long_is_interrupted(shop: Workshop) -> None:
    ctx = context(shop)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

    def compute() -> None:
        with ctx.transaction() as db:
            db.execute("INSERT INTO reports VALUES ('lost'), ('lost, too')")
            half_read = db.execute("SELECT * FROM reports")
            half_read.fetchone()
            db.execute(endless).fetchone()

    with pytest.raises(TransactionTooLong):
        compute()
    ctx.close()
    assert shop.reports() == []


@pytest.mark.usefixtures("short_transactions")
def test_a_transaction_that_overran_counts_as_a_failed_attempt(shop: Workshop) -> None:
    @shop.job
    def job(ctx: Context) -> None:
        with ctx.transaction():
            threading.Event().wait(0.2)

    outcome = shop.perform("job")
    assert isinstance(outcome, Retried)
    assert outcome.error.startswith("TransactionTooLong")


def test_a_handler_that_closes_its_connection_gets_the_error(shop: Workshop) -> None:
    ctx = context(shop)
    with pytest.raises((sqlite3.ProgrammingError, RuntimeError)), ctx.transaction() as db:
        db.close()
    assert ctx.db.execute("SELECT 1").fetchone() == (1,)
    ctx.close()


def test_a_result_that_cannot_be_stored_is_refused_where_it_is_set(shop: Workshop) -> None:
    with pytest.raises(ValueError, match="result is NaN"):
        context(shop).set_result(float("nan"))

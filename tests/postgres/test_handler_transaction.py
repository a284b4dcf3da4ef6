"""``ctx.transaction()`` on PostgreSQL: one commit for effects and completion, and a watch that ends it."""

from __future__ import annotations

import psycopg
import pytest

from tests.service.waiting import until
from windlass import Context, JobStatus, Windlass

FINAL = (JobStatus.COMPLETED, JobStatus.FAILED)


def ran(app: Windlass, url: str, how: str) -> tuple[str, str]:
    """How a job ended that writes one row and then does as told, and its last error."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE effects (how text)")

    @app.job("writes", max_attempts=1)
    def writes(ctx: Context) -> None:
        with ctx.transaction() as db:
            db.execute("INSERT INTO effects VALUES (%s)", (how,))
            if how == "busy":
                db.execute("SELECT pg_sleep(60)")
            elif how == "idle":
                ctx.wait_cancelled(4)
            elif how == "fails":
                raise ValueError("as planned")
            elif how == "ends it":
                db.rollback()

    job = writes.enqueue()
    with app.running(threads=1):
        until(lambda: app.jobs.get(job.id).status in FINAL, patience_s=60)
    row = app.jobs.get(job.id)
    return row.status, row.last_error or ""


def effects(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM effects").fetchone()
        assert row is not None
        return int(row[0])


def test_effects_and_completion_are_committed_together(postgres_url: str) -> None:
    assert ran(Windlass(postgres_url), postgres_url, "commits") == (JobStatus.COMPLETED, "")
    assert effects(postgres_url) == 1


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("busy", "TransactionTooLong"),
        ("idle", "TransactionTooLong"),
        ("fails", "as planned"),
        ("ends it", "ended ctx.transaction() itself"),
    ],
)
def test_what_does_not_complete_leaves_no_effect(postgres_url: str, how: str, error: str) -> None:
    status, last_error = ran(Windlass(postgres_url), postgres_url, how)
    assert status == JobStatus.FAILED
    assert error in last_error
    assert effects(postgres_url) == 0


def test_a_transaction_left_open_on_ctx_db_is_rolled_back(postgres_url: str) -> None:
    app = Windlass(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE effects (how text)")

    @app.job("forgets")
    def forgets(ctx: Context) -> None:
        ctx.db.execute("INSERT INTO effects VALUES ('forgotten')")

    job = forgets.enqueue()
    with app.running(threads=1):
        until(lambda: app.jobs.get(job.id).status in FINAL)
    assert effects(postgres_url) == 0

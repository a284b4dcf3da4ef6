"""Whatever isolation a server's transactions have by default, ours read what is committed by then."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from threading import Lock, Thread

import psycopg
import pytest

from tests.postgres.bouncer import Bouncer
from tests.postgres.server import Server
from tests.service.waiting import until
from tests.store.conformance.steps import accept_any, the
from windlass import Context, Windlass
from windlass.job import JobStatus
from windlass.store.postgres.locks import CLASS
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import ClaimRequest, Lane, NewJob, Turn

JOBS = 300


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_each_job_runs_once_beside_another_dispatcher(
    postgres_server: Server,
    postgres_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    level: str,
) -> None:
    """In a serializable one a claim is refused at its very end, when its jobs are with the pool already."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    said = f"ALTER DATABASE {postgres_database} SET default_transaction_isolation = '{level}'"
    postgres_server.execute(said)
    runs: Counter[int] = Counter()
    lock = Lock()
    app = Windlass(postgres_server.url(postgres_database))

    @app.job("count")
    def count(number: int) -> None:
        with lock:
            runs[number] += 1

    caplog.set_level(logging.WARNING, logger="windlass")
    with app.running(threads=4), app.running(threads=4):
        for number in range(JOBS):
            count.enqueue(number)
        until(lambda: app.jobs.counts()[JobStatus.COMPLETED] == JOBS)
    assert set(runs.values()) == {1}
    assert [record.getMessage() for record in caplog.records] == []
    app.close()


def test_a_job_that_waits_for_one_is_freed_by_it_also_where_it_came_meanwhile(
    postgres_server: Server, postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a handler's own transaction looked at first is not all that there is when it ends."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    postgres_server.execute(
        f"ALTER DATABASE {postgres_database} SET default_transaction_isolation = 'repeatable read'"
    )
    app = Windlass(postgres_server.url(postgres_database))

    @app.job("child")
    def child() -> None:
        pass

    @app.job("parent", max_attempts=1)
    def parent(ctx: Context) -> None:
        with ctx.transaction() as db:
            assert db.execute("SHOW transaction_isolation").fetchone() == ("read committed",)
            other = Windlass(postgres_server.url(postgres_database))
            other.enqueue("child", {}, after=[ctx.job_id])
            other.close()

    parent.enqueue()
    with app.running(threads=2):
        until(lambda: app.jobs.counts()[JobStatus.COMPLETED] == 2)
    app.close()


def test_a_claim_behind_a_pooler_sees_what_was_paused_while_it_waited(
    postgres_server: Server, postgres_database: str, bouncer: Bouncer
) -> None:
    """There nothing holds for a session, and what is no transaction of its own goes by the default."""
    postgres_server.execute(
        f"ALTER DATABASE {postgres_database} SET default_transaction_isolation = 'repeatable read'"
    )
    store = PostgresStore(bouncer.url(postgres_database))
    store.migrate()
    [made] = store.insert([NewJob(key="work")])
    turns: list[Turn] = []
    request = ClaimRequest(1, 1, {Lane(alone=False, queue="default", key="work"): 1}, accept_any)
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with psycopg.connect(postgres_server.url(postgres_database)) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s, hashtext(current_schema()))", (CLASS,))
        claiming = Thread(target=lambda: turns.append(store.settle_and_claim([], request)))
        claiming.start()
        with psycopg.connect(postgres_server.url(postgres_database), autocommit=True) as looking:
            until(lambda: looking.execute(waits).fetchone() == (1,))
        other.execute("INSERT INTO windlass_queues (queue, paused) VALUES ('default', 1)")
    claiming.join()
    assert [turn.claimed for turn in turns] == [[]]
    assert the(store, made.job_id).status is JobStatus.PENDING
    store.close()

"""Whatever isolation a server's transactions have by default, ours read what is committed by then."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from threading import Lock

import pytest

from tests.postgres.server import Server
from tests.service.waiting import until
from windlass import Windlass
from windlass.job import JobStatus

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

"""A job that failed for good is told once per key, until one of it completes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from windlass import JobFailed, PermanentError, SyncFailed, Windlass
from windlass.testing import ManualClock, drain
from windlass.worker.executor import Performer


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(database_url: str, clock: ManualClock) -> Iterator[Windlass]:
    made = Windlass(database_url, clock=clock)

    @made.job(max_attempts=2)
    def work(ok: bool = True) -> None:
        if not ok:
            raise ValueError("no luck")

    @made.job
    async def refuse() -> None:
        raise PermanentError("never")

    yield made
    made.close()


def test_a_job_is_told_when_its_last_attempt_failed_and_not_before(app: Windlass, clock: ManualClock) -> None:
    heard: list[JobFailed] = []
    app.on_event(JobFailed)(heard.append)
    job = app.enqueue("work", {"ok": False})
    drain(app)
    assert heard == []
    clock.advance("1h")
    drain(app)
    (event,) = heard
    assert (event.job_id, event.key) == (job.id, "work")
    assert "no luck" in event.error


def test_a_key_is_told_once_until_a_job_of_it_completes(app: Windlass) -> None:
    heard: list[JobFailed] = []
    app.on_event(JobFailed)(heard.append)
    for _ in range(3):
        app.enqueue("work", {"ok": False}, max_attempts=1)
        app.enqueue("refuse")
        drain(app)
    assert sorted(event.key for event in heard) == ["refuse", "work"]
    app.enqueue("work")
    drain(app)
    app.enqueue("work", {"ok": False}, max_attempts=1)
    app.enqueue("refuse")
    drain(app)
    assert sorted(event.key for event in heard) == ["refuse", "work", "work"]


def test_a_job_that_is_run_embedded_is_told_too(app: Windlass) -> None:
    heard: list[JobFailed] = []
    app.on_event(JobFailed)(heard.append)
    with app.running(threads=1):
        job = app.jobs.wait(app.enqueue("refuse").id, "20s")
    assert [event.job_id for event in heard] == [job.id]


def test_nobody_pays_where_nobody_listens(app: Windlass) -> None:
    app.on_event(SyncFailed)(print)
    assert type(app.make_performer(None, print)) is Performer

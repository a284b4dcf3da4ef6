"""The job manager: look, cancel, retry, delete, wait, and the sentence that says why."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from windlass.app import Windlass
from windlass.errors import ConfigError, InvalidJob
from windlass.job import JobStatus
from windlass.jobs import JobManager, QueueManager
from windlass.living import live_dispatchers
from windlass.outcome import PermanentError, Retry, Snooze
from windlass.store.protocol import ClaimRequest
from windlass.testing import ManualClock, drain
from windlass.worker.lease import Lease


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(database_url: str, clock: ManualClock) -> Iterator[Windlass]:
    app = Windlass(database_url, clock=clock)

    @app.job
    def work(n: int = 0) -> int:
        return n

    @app.job(max_attempts=2)
    def fail() -> None:
        raise Retry("no luck", after="10s")

    @app.job
    def refuse() -> None:
        raise PermanentError("never\nmind")

    @app.job
    def snooze() -> None:
        raise Snooze("1h")

    yield app
    app.close()


@contextmanager
def dispatcher(app: Windlass, *keys: str) -> Iterator[int]:
    """One that is alive and knows these keys, though it runs nothing."""
    lease = Lease(app.state_dir / "dispatchers", app.clock)
    lease.take()
    owner = app.store.register(
        host="here",
        pid=os.getpid(),
        lock_file=str(lease.path),
        version="1",
        mode="service",
        job_keys=keys or None,
    )  # fmt: skip
    try:
        yield owner
    finally:
        lease.give_up()
        app.store.unregister(owner)


# ── look ───────────────────────────────────────────────────────────────────────────────────────────
def test_a_job_that_is_not_there_is_none(app: Windlass) -> None:
    assert app.jobs.get(1) is None
    assert app.jobs.get(-5) is None
    assert app.jobs.attempts(1) == []
    assert app.jobs.cancel(1) == {}
    assert app.jobs.retry([1, 2]) == []
    assert app.jobs.delete(1) == []


def test_jobs_are_listed_by_what_is_asked(app: Windlass) -> None:
    first = app.enqueue("work", {"n": 1}, queue="a", tags=["x"], priority=1)
    second = app.enqueue("work", {"n": 2}, queue="b", tags=["x", "y"], priority=5)
    third = app.enqueue("fail")
    drain(app)
    jobs = app.jobs
    assert [job.id for job in jobs.list()] == [third.id, second.id, first.id]
    assert [job.id for job in jobs.list(order="id", limit=1, offset=1)] == [second.id]
    assert [job.id for job in jobs.list(status="completed")] == [second.id, first.id]
    assert [job.id for job in jobs.list(status=["PENDING", JobStatus.FAILED])] == [third.id]
    assert [job.id for job in jobs.list(key="fail")] == [third.id]
    assert [job.id for job in jobs.list(queue="a")] == [first.id]
    assert [job.id for job in jobs.list(tag="y")] == [second.id]
    assert [job.id for job in jobs.list(held=True)] == []
    assert [job.id for job in jobs.list(order="-priority", limit=2)] == [second.id, first.id]
    assert jobs.list(limit=0) == []
    assert jobs.counts()[JobStatus.COMPLETED] == 2


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda jobs: jobs.list(status="done"), "expected status to be one of PENDING, RUNNING"),
        (lambda jobs: jobs.list(status=["PENDING", "x"]), "expected status to be one of"),
        (lambda jobs: jobs.list(status=7), "expected status to be one of"),
        (
            lambda jobs: jobs.list(order="id; DROP TABLE background_service_jobs"),
            "expected order to be one of",
        ),
        (lambda jobs: jobs.list(limit=-1), "expected limit to be 0 or a positive integer, got -1"),
        (lambda jobs: jobs.list(limit="all"), "expected limit to be"),
        (lambda jobs: jobs.list(offset=None), "expected offset to be"),
        (lambda jobs: jobs.get(2**63), "expected a job id to be an integer of 64 bits"),
        (lambda jobs: jobs.get("1"), "expected a job id to be"),
        (lambda jobs: jobs.cancel("12"), "expected a job id to be"),
        (lambda jobs: jobs.retry(["x"]), "expected a job id to be"),
        (lambda jobs: jobs.delete([1, None]), "expected a job id to be"),
        (lambda jobs: jobs.attempts(1.5), "expected a job id to be"),
        (lambda jobs: jobs.watch("1"), "expected a job id to be"),
        (lambda jobs: jobs.why(99), "there is no job 99"),
        (lambda jobs: jobs.wait(99), "there is no job 99"),
    ],
    ids=range(16),
)
def test_what_cannot_be_asked_is_refused_in_words(app: Windlass, ask: Any, told: str) -> None:
    with pytest.raises(InvalidJob, match=told):
        ask(app.jobs)


# ── do ─────────────────────────────────────────────────────────────────────────────────────────────
def test_ids_may_be_one_or_many(app: Windlass) -> None:
    ids = [app.enqueue("work").id for _ in range(4)]
    assert app.jobs.cancel(ids[0]) == {ids[0]: JobStatus.CANCELLED}
    assert set(app.jobs.cancel(iter(ids[:2]))) == set(ids[:2])
    assert app.jobs.retry({ids[1]}) == [ids[1]]
    assert app.jobs.delete(tuple(ids[2:])) == ids[2:]


def test_a_failed_job_that_is_retried_has_an_attempt_more(app: Windlass, clock: ManualClock) -> None:
    job = app.enqueue("fail")
    for _ in range(2):
        drain(app)
        clock.advance("10s")
    failed = app.jobs.get(job.id)
    assert failed is not None
    assert (failed.status, failed.attempts, failed.reason) == (JobStatus.FAILED, 2, "exhausted")
    assert [attempt.outcome for attempt in app.jobs.attempts(job.id)] == ["retried", "failed"]
    app.jobs.retry(job.id)
    assert len(drain(app)) == 1
    again = app.jobs.get(job.id)
    assert again is not None
    assert (again.attempts, again.max_attempts) == (3, 3)


# ── wait ───────────────────────────────────────────────────────────────────────────────────────────
def test_waiting_ends_with_the_job(app: Windlass) -> None:
    job = app.enqueue("work", {"n": 5})
    runner = threading.Thread(target=drain, args=(app,))
    runner.start()
    assert app.jobs.wait(job.id, "30s").result == 5
    runner.join()
    assert app.jobs.wait(job.id, 0).result == 5


def test_waiting_in_vain_says_why(app: Windlass) -> None:
    job = app.enqueue("work")
    with pytest.raises(TimeoutError, match=r"job 1 is not final after 0\.01s: no service is running"):
        app.jobs.wait(job.id, "0.01s")


def test_waiting_for_a_job_that_is_deleted_meanwhile_ends(app: Windlass) -> None:
    job = app.enqueue("work")
    deleter = threading.Timer(0.02, app.jobs.delete, (job.id,))
    deleter.start()
    with pytest.raises(InvalidJob, match="there is no job 1"):
        app.jobs.wait(job.id, "30s")
    deleter.join()


# ── why ────────────────────────────────────────────────────────────────────────────────────────────
def test_every_state_has_its_sentence(app: Windlass, clock: ManualClock) -> None:
    jobs = app.jobs

    def why(job_id: int) -> tuple[str, str]:
        told = jobs.why(job_id)
        return told.code, told.reason

    ready = app.enqueue("work", priority=9)
    assert why(ready.id) == ("no_service", "no service is running on this database: windlass start")
    with dispatcher(app, "other"):
        assert why(ready.id)[0] == "unknown_key"
        assert "no running service knows the job key 'work'" in why(ready.id)[1]
    with dispatcher(app, "work") as owner:
        assert why(ready.id) == ("ready", "it is ready and starts as soon as a worker is free")
        app.queues.pause("default")
        assert why(ready.id)[0] == "paused"
        app.queues.resume("default")
        app.queues.limit("default", 1)
        other = app.enqueue("work")
        claim_one(app, owner)
        assert why(ready.id) == ("running", "it is running, attempt 1 of 3")
        assert why(other.id) == ("limit", "its queue 'default' runs 1 of 1 jobs at once")
        jobs.cancel(ready.id)
        assert why(ready.id)[1] == "it is running, attempt 1 of 3, and was asked to stop"
        app.store.reclaim(owner)
        app.queues.limit("default", None)
    later = app.enqueue("work", delay="1h")
    assert why(later.id) == ("scheduled", "it is due 2026-01-01 01:00:00 UTC")
    assert jobs.why(later.id).until == later.run_at
    failing, refusing, snoozing = app.enqueue("fail"), app.enqueue("refuse"), app.enqueue("snooze")
    drain(app)
    code, reason = why(failing.id)
    assert (code, "attempt 1 of 2 failed (no luck" in reason) == ("retrying", True), reason
    assert why(refusing.id) == ("final", "it is FAILED (permanent): PermanentError: never")
    assert why(snoozing.id)[0] == "scheduled"
    assert why(ready.id) == ("final", "it is CANCELLED (cancelled)")
    assert why(other.id) == ("final", "it is COMPLETED (done)")
    with app.transaction() as tx:
        tx.execute("INSERT INTO background_service_jobs (job_key, payload) VALUES ('work', 'no json')")
    drain(app)
    held = jobs.list(held=True)[0]
    code, reason = why(held.id)
    assert code == "held"
    assert reason.startswith("it is held: the payload is not JSON")
    assert reason.endswith("; mend it, then retry it")
    assert jobs.why(held.id).until is None


def test_a_job_that_is_not_retried_because_of_its_unique_key_says_which_one_has_it(app: Windlass) -> None:
    old = app.enqueue("work", unique="order-7")
    app.jobs.cancel(old.id)
    new = app.enqueue("work", unique="order-7")
    assert app.jobs.retry(old.id) == []
    assert app.jobs.why(old.id).reason == (
        f"it is CANCELLED (cancelled); it cannot be retried before job {new.id}, which has its unique key "
        "'order-7' now, is over"
    )
    app.jobs.delete(new.id)
    assert app.jobs.why(old.id).reason == "it is CANCELLED (cancelled)"
    assert app.jobs.retry(old.id) == [old.id]


def claim_one(app: Windlass, owner: int) -> None:
    store = app.store
    request = ClaimRequest(owner, 1, dict.fromkeys(store.lanes(), 1), lambda _: True)
    assert len(store.settle_and_claim([], request).claimed) == 1


@pytest.mark.sqlite
def test_only_dispatchers_whose_lock_is_held_are_live(app: Windlass) -> None:
    with dispatcher(app) as owner:
        assert [row.id for row in live_dispatchers(app.store)] == [owner]
    app.store.register(host="x", pid=1, lock_file="/nowhere", version="1", mode="service", job_keys=None)
    assert live_dispatchers(app.store) == []


# ── queues ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("most", [0, -1, True, "2", 1.5])
def test_a_limit_is_a_positive_number_or_none(app: Windlass, most: Any) -> None:
    with pytest.raises(InvalidJob, match="expected concurrency to be a positive integer"):
        app.queues.limit("default", most)


@pytest.mark.parametrize("name", ['x"; DROP TABLE jobs; --', "", "a b", None])
def test_a_queue_that_is_no_name_is_refused(app: Windlass, name: Any) -> None:
    """pgmq #295: identifier injection."""
    for use in (app.queues.pause, app.queues.resume, lambda queue: app.queues.limit(queue, 1)):
        with pytest.raises(InvalidJob, match="expected queue to be 1 to 128 letters"):
            use(name)
    assert app.queues.list() == []


def test_queues_tell_their_switches_and_their_jobs(app: Windlass) -> None:
    app.enqueue("work", queue="mail")
    app.queues.pause("mail")
    app.queues.limit("mail", 3)
    (mail,) = app.queues.list()
    assert (mail.queue, mail.paused, mail.concurrency, mail.ready) == ("mail", True, 3, 1)


# ── on the UI's own connection ─────────────────────────────────────────────────────────────────────
@pytest.mark.sqlite
def test_a_manager_on_a_programs_own_connection_sees_and_joins_its_transaction(app: Windlass) -> None:
    kept = app.enqueue("work")
    with closing(sqlite3.connect(app.settings.database)) as own:
        own.row_factory = sqlite3.Row
        jobs, queues = JobManager(own), QueueManager(own)
        own.execute("BEGIN IMMEDIATE")
        mine = app.enqueue("work", connection=own)
        assert [job.id for job in jobs.list(order="id")] == [kept.id, mine.id]
        assert jobs.cancel([kept.id, mine.id])[kept.id] is JobStatus.CANCELLED
        queues.pause("default")
        assert queues.list()[0].paused
        own.rollback()
        assert [job.status for job in jobs.list()] == [JobStatus.PENDING]
        assert not queues.list()[0].paused
        assert jobs.get(mine.id) is None
        assert jobs.why(kept.id).code == "no_service"
        assert jobs.cancel(kept.id) == {kept.id: JobStatus.CANCELLED}
        assert jobs.wait(kept.id, "10s").status is JobStatus.CANCELLED
    assert app.jobs.list()[0].status is JobStatus.CANCELLED


@pytest.mark.sqlite
def test_its_async_twins_stay_on_the_connections_thread(app: Windlass) -> None:
    job = app.enqueue("work")

    async def use(jobs: JobManager) -> None:
        assert await jobs.aget(job.id) == job
        assert await jobs.alist() == [job]
        assert (await jobs.acounts())[JobStatus.PENDING] == 1
        assert await jobs.aattempts(job.id) == []
        assert (await jobs.awhy(job.id)).code == "no_service"
        assert await jobs.acancel(job.id) == {job.id: JobStatus.CANCELLED}
        assert (await jobs.await_(job.id, "10s")).status is JobStatus.CANCELLED
        assert await jobs.aretry(job.id) == [job.id]
        assert await jobs.adelete(job.id) == [job.id]

    with closing(sqlite3.connect(app.settings.database)) as own:
        asyncio.run(use(JobManager(own)))
    asyncio.run(use_elsewhere(app))


async def use_elsewhere(app: Windlass) -> None:
    job = await app.aenqueue("work")
    assert await app.jobs.aget(job.id) == job
    with pytest.raises(TimeoutError):
        await app.jobs.await_(job.id, "1ms")


@pytest.mark.sqlite
def test_a_manager_takes_a_file_a_store_or_a_function(app: Windlass) -> None:
    job = app.enqueue("work")
    for source in (app.settings.database, Path(app.settings.database), app.store, lambda: app.store):
        assert JobManager(source).get(job.id) == job
    with pytest.raises(ConfigError, match="would not survive"):
        JobManager(":memory:")

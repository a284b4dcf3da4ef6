"""Watching: every latest state arrives, by a ring rather than a poll, and nothing is held for ever."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from tests import outsider
from tests.service.waiting import until
from tests.store.conformance.steps import add, claim, settle
from windlass import watch
from windlass.clock import monotonic
from windlass.job import Job, JobStatus
from windlass.jobs import JobManager
from windlass.outcome import Completed, Failed, Retried
from windlass.store import open_store
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import NewJob, ProgressNote
from windlass.store.sqlite.store import SqliteStore
from windlass.watch import Watch

AnyStore = SqliteStore | PostgresStore
PENDING, RUNNING, COMPLETED = JobStatus.PENDING, JobStatus.RUNNING, JobStatus.COMPLETED
SLOW_POLL_S = 60.0
"""So slow that what arrives has come by a ring."""


@pytest.fixture
def store(database_url: str) -> Iterator[AnyStore]:
    store = open_store(database_url)
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def jobs(store: AnyStore) -> JobManager:
    return JobManager(store, poll_s=SLOW_POLL_S)


def after(do: Callable[[], object]) -> threading.Thread:
    """Does it on another thread, once the watcher has begun to wait."""
    thread = threading.Timer(0.02, do)
    thread.start()
    return thread


def bells(store: AnyStore) -> list[Any]:
    """Who listens still."""
    if isinstance(store, PostgresStore):
        return store.database.bells._bells
    return list(Path(f"{store.path}-windlass/bells").iterdir())


def soon() -> float:
    return monotonic() + 30.0


def nothing_more(changes: Watch) -> bool:
    return changes.next(monotonic() + 0.02) is None


def test_one_job_is_told_as_it_stands_then_at_each_change_until_its_end(
    store: AnyStore, jobs: JobManager
) -> None:
    job_id = add(store)
    told: list[JobStatus] = []
    steps: Iterator[Callable[[], object]] = iter(
        [lambda: claim(store), lambda: store.cancel([job_id]), lambda: store.reclaim(1)]
    )
    for job in jobs.watch(job_id):
        told.append(job.status)
        if step := next(steps, None):
            step()
            store.ring()
    assert told == [PENDING, RUNNING, RUNNING, JobStatus.CANCELLED]


def test_a_job_that_has_ended_is_told_once(store: AnyStore, jobs: JobManager) -> None:
    job_id = add(store)
    store.cancel([job_id])
    assert [job.status for job in jobs.watch(job_id)] == [JobStatus.CANCELLED]


def test_a_job_that_is_not_there_ends_the_watch(jobs: JobManager) -> None:
    assert list(jobs.watch(99)) == []


def test_one_job_is_followed_to_the_status_that_is_asked(store: AnyStore, jobs: JobManager) -> None:
    job_id = add(store)

    def finish() -> None:
        settle(store, claim(store)[0], Completed())
        store.ring()

    thread = after(finish)
    assert [job.status for job in jobs.watch(job_id, status="COMPLETED")] == [COMPLETED]
    thread.join()


def test_a_change_from_another_process_wakes_without_a_poll(
    store: AnyStore, jobs: JobManager, database_url: str
) -> None:
    """Through another store of the same file, as every other program has one."""
    other = open_store(database_url)
    job_id = add(store)
    with jobs.watch(job_id) as changes:
        first = changes.next(soon())
        thread = after(lambda: other.cancel([job_id]))
        second = changes.next(soon())
        thread.join()
    assert first is not None
    assert second is not None
    assert second.status is JobStatus.CANCELLED
    other.close()


def test_a_program_that_knows_nothing_of_windlass_is_heard(
    store: AnyStore, jobs: JobManager, database_url: str
) -> None:
    """Where the system tells of a file's changes; elsewhere, a poll finds it."""
    insert = "INSERT INTO background_service_jobs (job_key) VALUES ('x')"
    with JobManager(store, poll_s=0.05).watch() as changes:
        assert nothing_more(changes)
        thread = after(lambda: outsider.run(database_url, insert))
        told = changes.next(soon())
        thread.join()
    assert told is not None
    assert told.key == "x"


def test_of_many_the_unfinished_come_first_and_then_each_change(store: AnyStore, jobs: JobManager) -> None:
    over = add(store, "over")
    store.cancel([over])
    old = add(store, "old")
    with jobs.watch() as changes:
        assert [job.id for job in take(changes)] == [old]
        new = add(store, "new")
        assert [(job.id, job.status) for job in take(changes)] == [(new, PENDING)]
        both = claim(store)
        store.ring()
        assert {(job.id, job.status) for job in take(changes)} == {(old, RUNNING), (new, RUNNING)}
        settle(store, both[0], Completed())
        settle(store, both[1], Retried("again", 0))
        store.ring()
        assert {(job.status, job.last_error) for job in take(changes)} == {
            (COMPLETED, None),
            (PENDING, "again"),
        }
        assert take(changes) == []


def take(changes: Watch) -> list[Job]:
    """All that is told before it falls silent."""
    told: list[Job] = []
    first = changes.next(monotonic() + 0.25)
    while first is not None:
        told.append(first)
        first = changes.next(monotonic() + 0.03)
    return told


def test_what_ends_between_the_making_of_a_watch_and_its_first_look_is_told(
    store: AnyStore, jobs: JobManager
) -> None:
    before = add(store)
    store.cancel([before])
    with jobs.watch() as changes:
        job_id = add(store)
        settle(store, claim(store)[0], Completed())
        assert [(job.id, job.status) for job in take(changes)] == [(job_id, COMPLETED)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"key": "a"}, {("a", PENDING), ("a", COMPLETED)}),
        ({"queue": "mail"}, {("b", PENDING), ("b", COMPLETED)}),
        ({"tag": "x"}, {("b", PENDING), ("b", COMPLETED)}),
        ({"status": "COMPLETED"}, {("a", COMPLETED), ("b", COMPLETED)}),
        ({"status": "COMPLETED", "key": "b"}, {("b", COMPLETED)}),
        ({"status": "FAILED"}, set()),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_filter_tells_what_matches_and_nothing_else(
    store: AnyStore, jobs: JobManager, asked: dict[str, str], expected: set[tuple[str, JobStatus]]
) -> None:
    with jobs.watch(**asked) as changes:
        told = {(job.key, job.status) for job in take(changes)}
        add(store, "a")
        add(store, "b", queue="mail", tags='["x"]')
        told |= {(job.key, job.status) for job in take(changes)}
        for one in claim(store):
            settle(store, one, Completed())
        store.ring()
        told |= {(job.key, job.status) for job in take(changes)}
    assert told == expected


def test_progress_is_a_change(store: AnyStore, jobs: JobManager) -> None:
    job_id = add(store)
    (one,) = claim(store)
    with jobs.watch(job_id) as changes:
        take(changes)
        store.settle_and_claim([], None, [ProgressNote(job_id, one.attempt, one.token, '[3,10,"EUR"]')])
        store.ring("watch")
        (told,) = take(changes)
    assert told.progress is not None
    assert (told.progress.done, told.progress.total, told.progress.message) == (3, 10, "EUR")
    assert told.progress.fraction == 0.3


def test_a_retry_of_what_had_ended_is_told(store: AnyStore, jobs: JobManager) -> None:
    """An ended job changes only by hand: it is looked at more slowly, but it is."""
    job_id = add(store)
    with jobs.watch() as changes:
        settle(store, claim(store)[0], Failed("no"))
        store.ring()
        assert take(changes)[-1].status is JobStatus.FAILED
        store.retry([job_id])
        job: Job | None = None
        while job is None:
            store.ring()
            job = changes.next(monotonic() + 0.2)
    assert job.status is PENDING


def test_a_deleted_job_is_forgotten(store: AnyStore, jobs: JobManager) -> None:
    ids = [add(store) for _ in range(3)]
    with jobs.watch() as changes:
        take(changes)
        store.delete(ids[:2])
        assert take(changes) == []
        assert list(changes._told) == [ids[2]]


def test_a_watch_of_many_follows_the_newest_so_many(
    store: AnyStore, jobs: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait: its memory is bounded, and new ones are still told."""
    monkeypatch.setattr(watch, "_TRACKED_MOST", 1000)
    store.insert([NewJob(key="work")] * 1200)
    with jobs.watch() as changes:
        first = changes.next(soon())
        assert first is not None
        assert len(changes._told) == 1000
        assert min(changes._told) == 201
        changes._queue.clear()
        new = add(store)
        assert [job.id for job in take(changes)] == [new]
        assert len(changes._told) == 1000


# ── its ends ───────────────────────────────────────────────────────────────────────────────────────
def test_a_closed_watch_leaves_no_bell_and_no_descriptor(store: AnyStore, jobs: JobManager) -> None:
    job_id = add(store)
    store.ring()
    with jobs.watch(job_id) as changes:  # from now on a connection of the pool is open
        changes.next()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with jobs.watch(job_id) as changes:
            changes.next()
        changes.close()
        for _job in jobs.watch(job_id):
            break
    store.ring()
    until(lambda: bells(store) == [])
    until(lambda: len(os.listdir("/proc/self/fd")) <= before + 1)


def test_closing_from_another_thread_ends_the_wait(store: AnyStore) -> None:
    jobs = JobManager(store, poll_s=0.05)
    add(store)
    changes = jobs.watch()
    take(changes)
    thread = after(changes.close)
    assert changes.next() is None
    thread.join()


def test_async_iteration_tells_the_same_and_ends_with_the_job(store: AnyStore, jobs: JobManager) -> None:
    job_id = add(store)

    async def follow() -> list[JobStatus]:
        told: list[JobStatus] = []
        async for job in jobs.watch(job_id):
            told.append(job.status)
            if job.status is PENDING:
                claim(store)
            else:
                store.cancel([job_id])
                store.reclaim(1)
            store.ring()
        return told

    told = asyncio.run(asyncio.wait_for(follow(), 30))
    assert (told[0], told[1], told[-1]) == (PENDING, RUNNING, JobStatus.CANCELLED)


def test_an_async_watch_that_is_cancelled_closes_its_bell(store: AnyStore, jobs: JobManager) -> None:
    add(store)

    async def follow(seen: asyncio.Event) -> None:
        async with aclosing(aiter(jobs.watch())) as changes:  # type: ignore[type-var]
            async for _ in changes:
                seen.set()

    async def cancel_it() -> None:
        seen = asyncio.Event()
        task = asyncio.create_task(follow(seen))
        await asyncio.wait_for(seen.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_it())
    assert bells(store) == []


def test_many_async_watches_share_a_loop(store: AnyStore, jobs: JobManager) -> None:
    ids = [add(store) for _ in range(10)]

    async def follow(job_id: int) -> JobStatus:
        last = PENDING
        async for job in jobs.watch(job_id):
            last = job.status
        return last

    async def follow_all() -> list[JobStatus]:
        watching = [asyncio.create_task(follow(job_id)) for job_id in ids]
        await asyncio.to_thread(store.cancel, ids)
        return await asyncio.wait_for(asyncio.gather(*watching), 30)

    assert asyncio.run(follow_all()) == [JobStatus.CANCELLED] * 10

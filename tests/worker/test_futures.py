"""Any ``concurrent.futures.Executor`` runs jobs: threads, processes, and what becomes of a broken pool."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.service.waiting import until
from tests.worker.rig import ROOT
from windlass import Context, JobStatus, StartFailed, Windlass
from windlass.outcome import Completed, Failed
from windlass.store.protocol import Settlement

COMPLETED, FAILED, PENDING = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.PENDING
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def faulty(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Windlass]:
    """The helper app with every fault, as this process and the executor's have it."""
    monkeypatch.setenv("WINDLASS_DATABASE", database_url)
    monkeypatch.setenv("RIG_FOLDER", str(tmp_path))
    from windlass.target import load_app

    app: Any = load_app(f"{ROOT}/tests.worker.apps.faults:app")
    app.__dict__.pop("settings", None)
    yield app
    app.close()
    app.__dict__.pop("settings", None)


@pytest.fixture
def app(database_url: str) -> Iterator[Windlass]:
    made = Windlass(database_url, grace=5.0)
    yield made
    made.close()


def ended(app: Windlass, *job_ids: int) -> list[Any]:
    return [app.jobs.wait(job_id, 30) for job_id in job_ids]


# ── threads ────────────────────────────────────────────────────────────────────────────────────────
def test_a_thread_pool_runs_sync_and_async_jobs(app: Windlass):
    @app.job
    def sync() -> str:
        return threading.current_thread().name

    @app.job
    async def asynchronous() -> str:
        return threading.current_thread().name

    with ThreadPoolExecutor(2, thread_name_prefix="theirs") as executor, app.running(executor=executor):
        jobs = ended(app, *[one.enqueue().id for one in (sync, asynchronous) * 10])
    assert all(job.result.startswith("theirs") for job in jobs)


def test_timeouts_and_cancellations_reach_the_threads_of_an_executor(app: Windlass):
    entered = threading.Event()

    @app.job
    def listener(ctx: Context) -> None:
        entered.set()
        assert ctx.wait_cancelled(20)
        ctx.raise_if_cancelled()

    with ThreadPoolExecutor(1) as executor, app.running(executor=executor):
        [late] = ended(app, listener.using(timeout="50ms", max_attempts=1).enqueue().id)
        entered.clear()
        job = listener.enqueue()
        assert entered.wait(20)
        app.jobs.cancel(job.id)
        [cancelled] = ended(app, job.id)
    assert (late.status, late.reason) == (FAILED, "timeout")
    assert cancelled.status == JobStatus.CANCELLED


def test_an_executor_that_was_shut_down_ends_the_block_and_loses_nothing(app: Windlass):
    @app.job
    def work() -> None: ...

    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    job = work.enqueue()
    with (
        pytest.raises(StartFailed, match="the executor broke and cannot be replaced"),
        app.running(executor=executor),
    ):
        until(lambda: not [one for one in threading.enumerate() if one.name == "windlass-dispatcher"])
    found = app.jobs.get(job.id)
    assert found is not None
    assert (found.status, found.attempts) == (PENDING, 0)


class Cluster(Executor):
    """It says nothing of its size, finishes on threads of its own, and loses every second job it is given."""

    def __init__(self) -> None:
        self.given = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self.given += 1
        lost = self.given % 2

        def run() -> None:
            if lost:
                future.set_exception(ConnectionError("the node is gone"))
            else:
                future.set_result(fn(*args, **kwargs))

        threading.Thread(target=run).start()
        return future


def test_any_executor_will_do_and_a_job_that_it_loses_runs_again_alone(faulty: Windlass):
    cluster = Cluster()
    with faulty.running(executor=cluster):
        jobs = ended(faulty, *[faulty.enqueue("innocent", {}).id for _ in range(5)])
    assert {(job.status, job.attempts) for job in jobs} == {(COMPLETED, 1)}
    assert cluster.given >= 10


def test_a_program_that_no_other_process_could_find_fails_where_the_block_begins(app: Windlass):
    @app.job
    def work() -> None: ...

    job = work.enqueue()
    with pytest.raises(StartFailed, match="could not find this app"), app.running(executor=Cluster()):
        raise AssertionError("never reached")
    found = app.jobs.get(job.id)
    assert found is not None
    assert (found.status, found.attempts) == (PENDING, 0)


# ── processes ──────────────────────────────────────────────────────────────────────────────────────
def test_a_process_pool_runs_jobs_by_reference(faulty: Windlass):
    with ProcessPoolExecutor(2, mp_context=SPAWN) as executor, faulty.running(executor=executor):
        jobs = ended(faulty, *[faulty.enqueue("innocent", {}).id for _ in range(20)])
        [unpicklable, ungiven] = ended(
            faulty,
            *[
                faulty.enqueue("raising", {"what": f"an unpicklable {what}"}, max_attempts=1).id
                for what in ("exception", "result")
            ],
        )
    assert os.getpid() not in {job.result for job in jobs}
    assert (unpicklable.status, ungiven.status) == (FAILED, FAILED)
    assert "Unpicklable" in unpicklable.last_error
    assert "the handler's result cannot be kept" in ungiven.last_error


def test_a_broken_process_pool_is_replaced_and_its_breaker_found(faulty: Windlass):
    """APScheduler #362 (after one crash nothing runs any more)."""
    guilty = faulty.enqueue("dying", {"how": "os._exit"}, max_attempts=10)
    innocent = [faulty.enqueue("innocent", {}) for _ in range(10)]
    with ProcessPoolExecutor(2, mp_context=SPAWN) as executor, faulty.running(executor=executor):
        [found] = ended(faulty, guilty.id)
        jobs = ended(faulty, *[job.id for job in innocent])
    assert (found.status, found.reason, found.crashes) == (FAILED, "crashed", 3)
    assert {(job.status, job.attempts) for job in jobs} == {(COMPLETED, 1)}


# ── settling ───────────────────────────────────────────────────────────────────────────────────────
def test_settling_twice_changes_nothing_the_second_time(app: Windlass):
    """A cluster that delivers a result twice, or a retry of a turn whose outcome was unknown."""
    from tests.attempting import Workshop

    shop = Workshop(app.settings.database)
    claim = shop.claim("work")
    settlement = Settlement(claim.job_id, claim.attempt, claim.token, Completed("1"))
    assert not shop.store.settle_and_claim([settlement]).stale
    again = settlement._replace(outcome=Failed("late"))
    assert shop.store.settle_and_claim([settlement, again]).stale == [settlement, again]
    job = shop.store.get(claim.job_id)
    assert job is not None
    assert (job.status, job.result, job.last_error) == (COMPLETED, 1, None)
    shop.close()


# ── short jobs travel together ─────────────────────────────────────────────────────────────────────
class Counting(ThreadPoolExecutor):
    """It knows how many pieces of work it was given."""

    given = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given += 1
        return super().submit(fn, *args, **kwargs)


def test_jobs_that_were_measured_to_be_short_travel_together(app: Windlass):
    @app.job
    def short(n: int) -> int:
        return n

    jobs = short.enqueue_many([{"n": n} for n in range(500)])
    with Counting(2) as executor, app.running(executor=executor):
        done = ended(app, *[job.id for job in jobs])
    assert [job.result for job in done] == list(range(500))
    assert executor.given < 250


def test_jobs_of_unknown_length_wait_for_a_worker_of_their_own(app: Windlass):
    go, begun = threading.Event(), []

    @app.job
    def work() -> None:
        begun.append(1)
        assert go.wait(20)

    for _ in range(6):
        work.enqueue()
    with Counting(2) as executor, app.running(executor=executor):
        until(lambda: len(begun) == 2)
        assert executor.given == 2
        assert app.jobs.counts()[PENDING] == 4
        go.set()
        until(lambda: app.jobs.counts()[COMPLETED] == 6)


def test_what_waits_behind_a_job_that_takes_long_after_all_is_taken_back(app: Windlass):
    go, long = threading.Event(), threading.Event()

    @app.job
    def mostly_short(n: int) -> None:
        if n == 400:
            long.set()
            assert go.wait(20)

    jobs = mostly_short.enqueue_many([{"n": n} for n in range(1000)])
    with ThreadPoolExecutor(1) as executor, app.running(executor=executor):
        assert long.wait(20)
        # One piece of work runs; what waited behind it is PENDING again, though nobody waits for it.
        until(lambda: app.jobs.counts()[JobStatus.RUNNING] <= 64)
        go.set()
        assert {job.status for job in ended(app, *[job.id for job in jobs])} == {COMPLETED}


def test_a_timeout_counts_for_the_job_that_runs_and_not_for_those_behind_it(app: Windlass):
    @app.job(timeout="300ms", max_attempts=1)
    def mostly_short(ctx: Context, n: int) -> None:
        if n == 300:
            assert ctx.wait_cancelled(20)
            ctx.raise_if_cancelled()

    jobs = mostly_short.enqueue_many([{"n": n} for n in range(500)])
    with ThreadPoolExecutor(1) as executor, app.running(executor=executor):
        done = ended(app, *[job.id for job in jobs])
    assert [(job.payload["n"], job.reason) for job in done if job.status is not COMPLETED] == [
        (300, "timeout")
    ]


class Cancelling(Executor):
    """Whatever it is given first it cancels, as a cluster does whose scheduler is gone."""

    def __init__(self) -> None:
        self.inner = ThreadPoolExecutor(1)
        self.cancelled = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.cancelled < 2:
            self.cancelled += 1
            future: Future[Any] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future
        return self.inner.submit(fn, *args, **kwargs)


def test_what_an_executor_cancels_by_itself_runs_again(faulty: Windlass):
    """Nobody asked for it: a job is no cancelled one because a cluster was shut down."""
    executor = Cancelling()
    with executor.inner, faulty.running(executor=executor):
        [job] = ended(faulty, faulty.enqueue("innocent", {}).id)
    assert (job.status, job.attempts, executor.cancelled) == (COMPLETED, 1, 2)

"""The embedded mode: jobs in threads and one event loop of this process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests import outsider
from tests.service.waiting import until
from windlass import Context, JobStatus, StartFailed, Windlass
from windlass.worker.dispatcher import Dispatcher
from windlass.worker.threads import ThreadPool

COMPLETED, PENDING, RUNNING = JobStatus.COMPLETED, JobStatus.PENDING, JobStatus.RUNNING
ONCE: dict[str, Any] = {"max_attempts": 1}


@pytest.fixture
def app(database_url: str) -> Iterator[Windlass]:
    made = Windlass(database_url, grace=5.0)
    yield made
    made.close()


class Gate:
    """Handlers come in and wait until it opens."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self) -> None:
        self.entered.release()
        assert self.open.wait(20)

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.entered.acquire(timeout=20)


def ended(app: Windlass, *job_ids: int) -> list[Any]:
    return [app.jobs.wait(job_id, 20) for job_id in job_ids]


# ── the block ──────────────────────────────────────────────────────────────────────────────────────
def test_jobs_run_in_this_process_while_the_block_lasts(app: Windlass):
    @app.job
    def sync() -> list[Any]:
        return [os.getpid(), threading.current_thread().name]

    @app.job
    async def asynchronous() -> list[Any]:
        await asyncio.sleep(0)
        return [os.getpid(), threading.current_thread().name]

    with app.running():
        one, two = ended(app, sync.enqueue().id, asynchronous.enqueue().id)
    after = sync.enqueue()
    assert one.result[0] == two.result[0] == os.getpid()
    assert one.result[1].startswith("windlass-")
    assert two.result[1] == "windlass-async"
    assert app.store.get(after.id).status == PENDING  # type: ignore[union-attr]
    assert not [thread for thread in threading.enumerate() if thread.name == "windlass-dispatcher"]


def test_an_exception_inside_the_block_passes_and_running_jobs_finish(app: Windlass):
    gate = Gate()

    @app.job
    def slow() -> str:
        gate()
        return "done"

    def fail() -> None:
        gate.wait_for(1)
        gate.open.set()
        raise LookupError("inside")

    job = slow.enqueue()
    with pytest.raises(LookupError, match="inside"), app.running():
        fail()
    found = app.jobs.get(job.id)
    assert found is not None
    assert (found.status, found.result) == (COMPLETED, "done")


def test_blocks_nest_and_what_the_inner_one_leaves_the_outer_one_takes(app: Windlass):
    stopped: list[str | None] = []
    again = threading.Event()

    @app.job
    def patient(ctx: Context) -> int:
        if not stopped:
            ctx.wait_cancelled(20)
            stopped.append(ctx.stop_reason)
            ctx.raise_if_cancelled()
        again.set()
        return len(stopped)

    with app.running(threads=1):
        with app.running(threads=1):
            first = patient.enqueue()
            until(lambda: app.jobs.counts()[RUNNING] == 1)
            owner = rows(app, "SELECT lease_owner FROM background_service_jobs")[0][0]
        if owner == 1:  # the outer one has it: end it there, too
            app.jobs.retry(first.id)
            app.jobs.cancel(first.id)
        else:
            assert again.wait(20)
        final = app.jobs.wait(first.id, 20)
    assert final.status in (COMPLETED, JobStatus.CANCELLED)
    assert rows(app, "SELECT count(*) FROM windlass_dispatchers") == [(0,)]


def rows(app: Windlass, statement: str) -> list[Any]:
    return outsider.run(app.settings.database, statement)


def test_two_apps_run_at_once_each_on_its_own_file(tmp_path: Path):
    apps = [Windlass(tmp_path / f"{name}.db") for name in "ab"]
    for number, one in enumerate(apps):
        one.job("who")(lambda number=number: number)
    with apps[0].running(), apps[1].running():
        results = [one.jobs.wait(one.enqueue("who").id, 20).result for one in apps]
    assert results == [0, 1]
    for one in apps:
        one.close()


def test_two_apps_on_one_database_run_what_each_of_them_knows(database_url: str):
    """J8 between programs that share a database."""
    apps = [Windlass(database_url) for _ in range(2)]
    apps[0].job("left")(lambda: "left")
    apps[1].job("right")(lambda: "right")
    ids = [apps[0].enqueue(key).id for key in ("left", "right") * 20]
    with apps[0].running(), apps[1].running():
        assert [apps[0].jobs.wait(job_id, 20).result for job_id in ids] == ["left", "right"] * 20
    for one in apps:
        one.close()


def test_a_start_up_callback_that_fails_is_told_where_the_block_begins(app: Windlass):
    @app.on_start
    def begin(service: Any, db: Any) -> None:
        raise ValueError("no licence found")

    with pytest.raises(StartFailed, match="no licence found"), app.running():
        raise AssertionError("never reached")


@pytest.mark.parametrize("fails", [False, True])
def test_the_connection_of_start_up_callbacks_is_closed_after_them(app: Windlass, fails: bool):
    given: list[Any] = []

    @app.on_start
    def begin(service: Any, db: Any) -> None:
        given.append(db)
        if fails:
            raise ValueError("no licence found")

    with pytest.raises(StartFailed) if fails else nullcontext(), app.running():
        pass
    with pytest.raises(Exception, match="closed"):
        given[0].execute("SELECT 1")


def test_closing_the_app_inside_its_block_harms_nobody(app: Windlass):
    @app.job
    def work(n: int) -> int:
        return n

    with app.running():
        for n in range(30):
            job = work.enqueue(n=n)
            app.close()
            assert ended(app, job.id)[0].result == n


# ── threads ────────────────────────────────────────────────────────────────────────────────────────
def test_as_many_sync_jobs_run_at_once_as_there_are_threads(app: Windlass):
    gate = Gate()

    @app.job
    def wait() -> None:
        gate()

    with app.running(threads=3):
        jobs = [wait.enqueue() for _ in range(8)]
        gate.wait_for(3)
        assert app.jobs.counts()[RUNNING] == 3
        gate.open.set()
        ended(app, *[job.id for job in jobs])


def test_what_waits_behind_slow_threads_is_recalled_and_not_handed_out_again(app: Windlass):
    gate = Gate()

    @app.job
    def usually_quick(slow: bool = False) -> None:
        if slow:
            gate()

    with app.running(threads=2):
        ended(app, *[job.id for job in app.enqueue_many("usually_quick", [{}] * 200)])
        app.enqueue_many("usually_quick", [{"slow": True}] * 2 + [{}] * 50)
        gate.wait_for(2)
        until(lambda: app.jobs.counts()[RUNNING] == 2)
        waiting = app.enqueue_many("usually_quick", [{}] * 20)
        assert app.jobs.counts()[RUNNING] == 2
        assert app.jobs.counts()[PENDING] == 70
        gate.open.set()
        ended(app, *[job.id for job in waiting])
    assert rows(app, "SELECT DISTINCT attempts FROM background_service_jobs") == [(1,)]


def test_nothing_is_handed_out_behind_threads_whose_jobs_are_of_unknown_length(app: Windlass):
    gate = Gate()

    @app.job
    def quick() -> None: ...

    @app.job
    def unknown() -> None:
        gate()

    with app.running(threads=2):
        ended(app, *[quick.enqueue().id for _ in range(100)])
        app.enqueue_many("unknown", [None] * 2)
        gate.wait_for(2)
        job = quick.enqueue()
        assert app.jobs.counts()[RUNNING] == 2
        gate.open.set()
        ended(app, job.id)


def test_an_event_loop_left_by_a_stray_exit_goes_on(app: Windlass):
    @app.job
    async def ending_the_loop() -> None:
        async def stray() -> None:
            raise SystemExit(3)

        task = asyncio.create_task(stray())
        await asyncio.sleep(0.02)
        assert isinstance(task.exception(), SystemExit)

    with app.running():
        for _ in range(2):
            assert ended(app, ending_the_loop.enqueue().id)[0].status == COMPLETED


# ── stopping: asked, never killed ──────────────────────────────────────────────────────────────────
def test_a_timeout_asks_and_a_listener_fails_with_it(app: Windlass):
    @app.job(timeout="50ms", max_attempts=1)
    def listener(ctx: Context) -> None:
        assert ctx.wait_cancelled(20)
        ctx.raise_if_cancelled()

    @app.job(timeout="50ms", max_attempts=1)
    async def asynchronous() -> None:
        await asyncio.sleep(60)

    with app.running():
        for job in ended(app, listener.enqueue().id, asynchronous.enqueue().id):
            assert (job.status, job.reason) == (JobStatus.FAILED, "timeout")


def test_a_handler_that_ignores_its_timeout_completes(app: Windlass):
    reasons: list[str | None] = []

    @app.job(timeout="10ms", max_attempts=1)
    def ignorant(ctx: Context) -> str:
        assert ctx.wait_cancelled(20)
        reasons.append(ctx.stop_reason)
        return "done all the same"

    with app.running():
        [job] = ended(app, ignorant.enqueue().id)
    assert (job.status, job.result, reasons) == (COMPLETED, "done all the same", ["timeout"])


def test_running_jobs_are_cancelled_by_asking(app: Windlass):
    entered = threading.Semaphore(0)

    @app.job
    def listener(ctx: Context) -> None:
        entered.release()
        assert ctx.wait_cancelled(20)
        ctx.raise_if_cancelled()

    @app.job
    async def asynchronous() -> None:
        entered.release()
        await asyncio.sleep(60)

    with app.running():
        jobs = [listener.enqueue(), asynchronous.enqueue()]
        for _ in jobs:
            assert entered.acquire(timeout=20)
        app.jobs.cancel([job.id for job in jobs])
        assert {job.status for job in ended(app, *[job.id for job in jobs])} == {JobStatus.CANCELLED}


def test_a_job_of_threads_that_does_not_end_is_released_and_its_late_result_is_dropped(
    database_url: str, caplog: pytest.LogCaptureFixture
):
    app = Windlass(database_url, grace=0.2)
    gate = Gate()
    others = set(threading.enumerate())  # such as an error hook that hangs, of another test

    @app.job
    def deaf() -> str:
        gate()
        return "late"

    @app.job
    async def slow_to_leave(ctx: Context) -> None:
        gate.entered.release()
        await asyncio.sleep(60)

    with app.running():
        jobs = [deaf.enqueue(), slow_to_leave.enqueue()]
        gate.wait_for(2)
    for job in jobs:
        found = app.jobs.get(job.id)
        assert found is not None
        assert (found.status, found.attempts, found.result) == (PENDING, 0, None)
    gate.open.set()
    until(lambda: not {t for t in threading.enumerate() if t.name.startswith("windlass-")} - others)
    found = app.jobs.get(jobs[0].id)
    assert found is not None
    assert (found.status, found.result) == (PENDING, None)
    assert "came too late" not in caplog.text
    app.close()


# ── suspects ───────────────────────────────────────────────────────────────────────────────────────
def test_a_suspect_runs_with_nothing_beside_it(app: Windlass):
    """J6: what a dead dispatcher had started runs alone once."""
    running: list[str] = []
    seen: dict[str, list[str]] = {}

    @app.job
    def work(name: str) -> None:
        running.append(name)
        seen[name] = list(running)
        running.remove(name)

    jobs = [work.enqueue(name=f"{n}") for n in range(60)]
    suspects = [job.id for job in jobs[10:50:5]]
    rows(app, f"UPDATE background_service_jobs SET alone = 1 WHERE id IN ({', '.join(map(str, suspects))})")
    with app.running(threads=4):
        ended(app, *[job.id for job in jobs])
    for number in range(10, 50, 5):
        assert seen[f"{number}"] == [f"{number}"]


# ── robustness of the loop ─────────────────────────────────────────────────────────────────────────
def test_a_dispatcher_whose_pool_cannot_start_gives_its_lease_back(app: Windlass):
    def refuse(service: Any) -> None:
        raise OSError("too many open files")

    pool = ThreadPool(app.make_performer, lambda key: None, on_start=refuse)
    dispatcher = Dispatcher(app.store, pool, state_dir=app.state_dir, job_keys=(), version="test")
    with pytest.raises(OSError, match="too many open files"):
        dispatcher.run()
    assert list((app.state_dir / "dispatchers").glob("*.lock")) == []


def test_jobs_isolated_by_their_own_wish_run_in_another_process_beside_the_threads(
    database_url: str, tmp_path: Path
):
    script = tmp_path / "program.py"
    script.write_text(
        "import os\n"
        "from windlass import Windlass\n"
        f"app = Windlass({database_url!r}, isolates=1)\n"
        "@app.job(isolation='process')\n"
        "def apart() -> int:\n    return os.getpid()\n"
        "@app.job\n"
        "def here() -> int:\n    return os.getpid()\n"
    )
    from windlass.target import load_app

    app: Any = load_app(str(script))
    with app.running():
        apart, here = ended(app, app.enqueue("apart").id, app.enqueue("here").id)
    assert here.result == os.getpid()
    assert apart.result != os.getpid()
    app.close()

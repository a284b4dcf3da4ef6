"""The kit that users test with: virtual time, jobs in the test's own thread, claims about what waits."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from windlass.app import Windlass
from windlass.context import Context
from windlass.job import JobStatus
from windlass.outcome import Cancel, PermanentError, Retry, Snooze
from windlass.testing import (
    ManualClock,
    assert_enqueued,
    drain,
    enqueued,
    inline,
    refute_enqueued,
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(database_url: str, clock: ManualClock) -> Iterator[Windlass]:
    app = Windlass(database_url, clock=clock)
    yield app
    app.close()


def test_drain_runs_what_is_due_and_gives_the_jobs_as_they_then_stand(app: Windlass) -> None:
    @app.job
    def add(a: int, b: int) -> int:
        return a + b

    @app.job
    async def add_slowly(a: int, b: int) -> int:
        return a + b

    add.enqueue(1, 2)
    add_slowly.enqueue(3, 4)
    assert [(job.key, job.status, job.result) for job in drain(app)] == [
        ("add", JobStatus.COMPLETED, 3),
        ("add_slowly", JobStatus.COMPLETED, 7),
    ]
    assert drain(app) == []


def test_drain_runs_the_highest_priority_first_and_what_jobs_enqueue_themselves(app: Windlass) -> None:
    ran: list[int] = []

    @app.job
    def step(n: int) -> None:
        ran.append(n)
        if n < 3:
            step.using(priority=9).enqueue(n + 1)

    step.enqueue(100)
    step.using(priority=5).enqueue(1)
    assert len(drain(app)) == 4
    assert ran == [1, 2, 3, 100]


def test_time_stands_still_until_the_test_moves_it(app: Windlass, clock: ManualClock) -> None:
    @app.job(max_attempts=3)
    def flaky(ctx: Context) -> int:
        if ctx.attempt < 3:
            raise Retry(after="1h")
        return ctx.attempt

    flaky.using(delay="1d").enqueue()
    assert drain(app) == []
    clock.advance("1d")
    assert [(job.status, job.attempts) for job in drain(app)] == [(JobStatus.PENDING, 1)]
    assert drain(app) == []
    clock.advance("1h")
    drain(app)
    clock.advance("1h")
    assert [job.result for job in drain(app)] == [3]


def test_every_outcome_is_as_it_is_in_the_service(app: Windlass, clock: ManualClock) -> None:
    @app.job
    def end(how: str) -> None:
        raise {"permanent": PermanentError("no"), "cancel": Cancel("no"), "snooze": Snooze("1h")}[how]

    jobs = {how: end.enqueue(how) for how in ("permanent", "cancel", "snooze")}
    drain(app)
    status = {how: app.jobs.why(job.id).status for how, job in jobs.items()}
    assert status == {
        "permanent": JobStatus.FAILED,
        "cancel": JobStatus.CANCELLED,
        "snooze": JobStatus.PENDING,
    }
    assert app.jobs.attempts(jobs["snooze"].id)[0].outcome == "snoozed"


@pytest.mark.sqlite
def test_progress_and_transactions_work_in_a_drain(app: Windlass) -> None:
    with app.transaction() as tx:
        tx.execute("CREATE TABLE reports (day TEXT)")

    @app.job
    def report(ctx: Context, day: str) -> None:
        ctx.progress(1, 2, "half")
        with ctx.transaction() as db:
            db.execute("INSERT INTO reports VALUES (?)", (day,))

    report.enqueue("monday")
    (job,) = drain(app)
    assert job.status is JobStatus.COMPLETED
    assert job.progress is not None
    assert (job.progress.done, job.progress.message) == (1, "half")
    with closing(sqlite3.connect(app.settings.database)) as connection:
        assert connection.execute("SELECT day FROM reports").fetchall() == [("monday",)]


def test_a_drain_leaves_paused_queues_and_unknown_keys_alone(app: Windlass) -> None:
    @app.job(queue="mail")
    def send() -> None: ...

    send.enqueue()
    app.enqueue("unknown")
    app.queues.pause("mail")
    assert drain(app) == []
    app.queues.resume("mail")
    assert [job.key for job in drain(app)] == ["send"]


def test_a_drain_leaves_no_dispatcher_and_no_running_job_behind(app: Windlass) -> None:
    @app.job
    def work() -> None: ...

    work.enqueue()
    drain(app)
    assert app.store.dispatchers() == []
    assert app.jobs.counts()[JobStatus.RUNNING] == 0
    assert list((app.state_dir / "dispatchers").iterdir()) == []


def test_a_job_that_enqueues_itself_for_ever_is_told(app: Windlass) -> None:
    @app.job
    def again() -> None:
        again.enqueue()

    again.enqueue()
    with pytest.raises(RuntimeError, match="drain ran 25 jobs and there are more"):
        drain(app, limit=25)
    assert app.jobs.counts()[JobStatus.RUNNING] == 0


def test_claims_about_what_was_enqueued(app: Windlass) -> None:
    app.enqueue("mail", {"to": "a", "n": 1})
    app.enqueue("mail", {"to": "b", "n": 1})
    app.enqueue("bare")
    assert assert_enqueued(app, "mail", to="a").payload == {"to": "a", "n": 1}
    assert assert_enqueued(app, "mail", n=1, count=2).payload == {"to": "b", "n": 1}
    assert_enqueued(app, "bare")
    refute_enqueued(app, "mail", to="c")
    refute_enqueued(app, "other")
    assert [job.key for job in enqueued(app)] == ["mail", "mail", "bare"]
    with pytest.raises(AssertionError, match=r"a job 'mail' with \{'to': 'c'\}.*found 0; waiting are: mail"):
        assert_enqueued(app, "mail", to="c")
    with pytest.raises(AssertionError, match=r"expected 3 'mail' with .*found 2"):
        assert_enqueued(app, "mail", count=3)
    with pytest.raises(AssertionError, match=r"expected no 'mail' with .*found 2"):
        refute_enqueued(app, "mail")


def test_claims_about_nothing_say_that_there_is_nothing(app: Windlass) -> None:
    with pytest.raises(AssertionError, match="waiting are: nothing"):
        assert_enqueued(app, "mail")


# ── inline ─────────────────────────────────────────────────────────────────────────────────────────
def test_inline_runs_each_job_inside_its_enqueue(app: Windlass) -> None:
    ran: list[str] = []

    @app.job
    def child(n: int) -> None:
        ran.append(f"child {n}")

    @app.job
    def parent(n: int) -> None:
        child.enqueue(n)
        ran.append(f"parent {n}")

    with inline(app):
        parent.enqueue(1)
        assert ran == ["parent 1", "child 1"]
        child.using(delay="1h").enqueue(2)
        assert len(ran) == 2
    child.enqueue(3)
    assert len(ran) == 2


def test_inline_async_handlers_may_enqueue_and_await(app: Windlass) -> None:
    ran: list[int] = []

    @app.job
    async def child(n: int) -> None:
        ran.append(n)

    @app.job
    async def parent() -> None:
        await child.aenqueue(1)
        await child.aenqueue(2)

    with inline(app):
        parent.enqueue()
    assert ran == [1, 2]


def test_inline_enqueues_of_several_threads_all_run(app: Windlass) -> None:
    ran: list[int] = []

    @app.job
    def work(n: int) -> None:
        ran.append(n)

    with inline(app):
        threads = [threading.Thread(target=work.enqueue, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(ran) == list(range(12))


def test_inline_leaves_a_job_in_a_transaction_to_what_commits(app: Windlass) -> None:
    ran: list[int] = []

    @app.job
    def work(n: int) -> None:
        ran.append(n)

    with inline(app):
        with app.transaction() as tx:
            work.using(connection=tx).enqueue(1)
            assert ran == []
        work.enqueue(2)
    assert ran == [1, 2]

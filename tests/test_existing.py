"""Enqueue beside a job that is there, deadlines, and cancelling by everything: what a program sees."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args

import pytest

from tests import outsider
from windlass import Context, Job, JobStatus, PermanentError, Windlass
from windlass.errors import InvalidJob
from windlass.job import Disposition, Existing
from windlass.testing import ManualClock, drain

PENDING, CANCELLED = JobStatus.PENDING, JobStatus.CANCELLED


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ran() -> list[Any]:
    return []


@pytest.fixture
def app(database_url: str, clock: ManualClock, ran: list[Any]) -> Iterator[Windlass]:
    app = Windlass(database_url, clock=clock)

    @app.job
    def work(n: int = 0) -> None:
        ran.append(n)

    @app.job
    def refuse() -> None:
        raise PermanentError("no")

    yield app
    app.close()


def put(app: Windlass, n: int = 0, **options: Any) -> Job:
    return app.enqueue("work", {"n": n}, **{"unique": "u", **options})


# ── what an enqueue says ───────────────────────────────────────────────────────────────────────────
def test_the_job_that_comes_back_says_what_became_of_the_call(app: Windlass) -> None:
    told = [put(app, n, existing=existing) for n, existing in enumerate(["keep", *get_args(Existing)])]
    assert [(job.disposition, job.created, job.payload) for job in told] == [
        ("created", True, {"n": 0}),
        ("kept", False, {"n": 0}),
        ("replaced", True, {"n": 2}),
        ("updated", False, {"n": 3}),
        ("appended", True, {"n": 4}),
        ("appended", True, {"n": 5}),
    ]
    assert put(app, unique="d", debounce="2s").disposition == "created"
    assert put(app, unique="d", debounce="2s").disposition == "debounced"
    assert {job.disposition for job in told} | {"debounced"} == set(get_args(Disposition))


def test_what_was_appended_says_that_it_is_in_line(app: Windlass) -> None:
    first, second = put(app, existing="append"), put(app, existing="append")
    assert (first.in_line, second.in_line, second.unique) == (False, True, "u")
    assert (first.awaits_others, second.awaits_others) == (False, True)
    assert app.jobs.get(second.id) == Job(**{**_fields(second), "disposition": "created"})
    why = app.jobs.why(second.id)
    assert why.code == "in_line"
    assert why.reason.endswith(f"job {first.id} has its unique key 'u' now")


def test_a_line_runs_in_its_order(app: Windlass, ran: list[int]) -> None:
    app.enqueue_many("work", [{"n": n} for n in range(5)], unique="u", existing="append")
    drain(app)
    assert ran == [0, 1, 2, 3, 4]


def test_a_line_behind_a_failure_is_held_and_says_what_to_do(app: Windlass, ran: list[int]) -> None:
    refused = app.enqueue("refuse", unique="u")
    behind = put(app, 1, existing="append")
    drain(app)
    why = app.jobs.why(behind.id)
    assert why.code == "held"
    assert not app.jobs.list(unique="u", held=True)[0].awaits_others
    assert why.reason == (
        f"it is held: job {refused.id}, after which it was to run, is FAILED: "
        "retry that one, or this one to run it anyway"
    )
    assert ran == []
    app.jobs.retry(behind.id)
    drain(app)
    assert ran == [1]


def test_a_running_job_may_update_its_own_next_run(app: Windlass, clock: ManualClock, ran: list[Any]) -> None:
    @app.job(max_attempts=2)
    def again(n: int, ctx: Context) -> None:
        ran.append((ctx.attempt, n))
        if ctx.attempt == 1:
            job = app.enqueue("again", {"n": n + 1}, unique="v", existing="update")
            assert (job.id, job.disposition, job.status) == (ctx.job_id, "updated", JobStatus.RUNNING)
            raise OSError("once more")

    again.using(unique="v").enqueue(n=1)
    drain(app)
    clock.advance(3600)
    drain(app)
    assert ran == [(1, 1), (2, 2)]


def test_a_handler_may_append_to_itself(app: Windlass, ran: list[Any]) -> None:
    @app.job
    def chew(n: int) -> None:
        ran.append(n)
        if n:
            chew.using(unique="chew", existing="append").enqueue(n=n - 1)

    chew.using(unique="chew").enqueue(n=3)
    drain(app)
    assert ran == [3, 2, 1, 0]


def test_a_handler_that_completes_in_its_own_transaction_passes_on_its_name(
    app: Windlass, ran: list[int]
) -> None:
    @app.job
    def own(ctx: Context) -> None:
        with ctx.transaction():
            put(app, 9, existing="append")

    own.using(unique="u").enqueue()
    drain(app)
    assert ran == [9]


# ── in a transaction of the caller's ───────────────────────────────────────────────────────────────
def test_on_a_callers_connection_it_goes_with_the_callers_transaction(app: Windlass) -> None:
    """J3."""
    old = put(app, 1)
    with outsider.connected(app.settings.database) as connection:
        for commit in (False, True):
            new = put(app, 2, existing="replace", connection=connection)
            behind = put(app, 3, existing="append", connection=connection)
            assert (new.disposition, behind.disposition, behind.in_line) == ("replaced", "appended", True)
            (connection.commit if commit else connection.rollback)()
            assert app.store.holder_of("u") == (new.id if commit else old.id)
            assert (app.jobs.get(behind.id) is not None) is commit


def test_a_refused_update_leaves_the_callers_transaction_as_it_was(app: Windlass) -> None:
    put(app, 1)
    with outsider.connected(app.settings.database) as connection:
        connection.execute("CREATE TABLE mine (n INTEGER)")
        connection.execute("INSERT INTO mine VALUES (1)")
        with pytest.raises(InvalidJob, match="expected the job key 'work' of job"):
            app.enqueue("refuse", unique="u", existing="update", connection=connection)
        connection.commit()
        assert connection.execute("SELECT n FROM mine").fetchall() == [(1,)]


def test_calls_that_share_a_commit_are_each_told_their_own(app: Windlass) -> None:
    """And one that is refused takes nobody with it."""
    put(app)
    told: list[str] = []
    gate = threading.Barrier(8)

    def produce(number: int) -> None:
        gate.wait()
        for _ in range(10):
            try:
                job = app.enqueue("work" if number else "refuse", unique="u", existing="update")
                told.append(job.disposition)
            except InvalidJob:
                told.append("refused")

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["refused"] * 10 + ["updated"] * 70


# ── what cannot be right ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"existing": "drop"}, "expected existing to be one of keep, replace, update, append"),
        ({"existing": "replace", "unique": None}, 'expected unique beside existing="replace"'),
        ({"debounce": "2s", "unique": None}, "expected unique beside debounce"),
        ({"debounce_most": "2s"}, "expected debounce beside debounce_most"),
        ({"debounce": "2s", "existing": "append"}, "expected existing or debounce, got both"),
        ({"debounce": "2s", "delay": "1s"}, "expected debounce, or delay or run_at, got both"),
        ({"debounce": "0s"}, "expected debounce to be longer than nothing, got 0"),
        ({"debounce": "5s", "debounce_most": "2s"}, "expected debounce_most to be no shorter than debounce"),
        ({"deadline": "soon"}, "deadline"),
        ({"deadline": 7.5j}, "deadline"),
    ],
    ids=str,
)
def test_what_cannot_be_right_is_refused_with_the_way_out(
    app: Windlass, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidJob, match=message):
        put(app, **options)
    assert sum(app.jobs.counts().values()) == 0


# ── deadlines ──────────────────────────────────────────────────────────────────────────────────────
def test_a_deadline_is_a_span_or_a_time(app: Windlass, clock: ManualClock) -> None:
    span = app.enqueue("work", deadline="1h")
    assert span.deadline is not None
    assert span.deadline - span.created_at == timedelta(hours=1)
    time = app.enqueue("work", deadline=clock.now + timedelta(days=2))
    assert time.deadline == clock.now + timedelta(days=2)
    for job in (span, time):
        assert app.jobs.get(job.id) == job


def test_why_names_a_deadline_before_and_after(app: Windlass, clock: ManualClock) -> None:
    job = app.enqueue("work", delay="2h", deadline="1h")
    assert app.jobs.why(job.id).reason.endswith(f"; its deadline is {job.deadline:%Y-%m-%d %H:%M:%S} UTC")
    clock.advance(3600)
    app.store.expire()
    assert app.jobs.why(job.id).reason == (
        "it is FAILED (deadline): DeadlineMissed: it had not completed by its deadline"
    )


# ── cancel by everything ───────────────────────────────────────────────────────────────────────────
def test_jobs_are_cancelled_by_whatever_they_have_in_common(app: Windlass) -> None:
    jobs = {
        "key": app.enqueue("refuse").id,
        "queue": app.enqueue("work", queue="mail").id,
        "tag": app.enqueue("work", tags=["vip"]).id,
        "unique": put(app).id,
        "in line": put(app, existing="append").id,
        "other": app.enqueue("work").id,
    }
    assert app.jobs.cancel(key="refuse") == {jobs["key"]: CANCELLED}
    assert app.jobs.cancel(queue="mail") == {jobs["queue"]: CANCELLED}
    assert app.jobs.cancel(tag="vip") == {jobs["tag"]: CANCELLED}
    assert app.jobs.cancel(unique="u") == {jobs["unique"]: CANCELLED, jobs["in line"]: CANCELLED}
    assert app.jobs.cancel(tag="vip", status="FAILED") == {}
    assert app.jobs.cancel_all() == {jobs["other"]: CANCELLED}
    assert app.jobs.cancel_all() == {}


@pytest.mark.parametrize("call", [{}, {"job_ids": 1, "tag": "vip"}], ids=str)
def test_it_takes_either_ids_or_what_to_match(app: Windlass, call: dict[str, Any]) -> None:
    put(app)
    with pytest.raises(InvalidJob, match="expected either ids or what to match"):
        app.jobs.cancel(**call)
    assert app.jobs.counts()[PENDING] == 1


def test_many_are_cancelled_in_bounded_steps_and_what_comes_meanwhile_is_left(
    app: Windlass, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.enqueue_many("work", [{}] * 1201)
    steps: list[int] = []
    store, cancel = app.store, app.store.cancel

    def counted(job_ids: Any) -> dict[int, JobStatus]:
        steps.append(len(job_ids))
        app.enqueue_many("work", [{}] * 300)
        return cancel(job_ids)

    monkeypatch.setattr(store, "cancel", counted)
    assert len(app.jobs.cancel_all()) == 1201
    assert max(steps) <= 500
    assert app.jobs.counts()[PENDING] == 300 * len(steps)


def test_a_job_that_missed_its_deadline_is_not_run_by_a_test(
    app: Windlass, clock: ManualClock, ran: list[int]
) -> None:
    late = app.enqueue("work", {"n": 1}, delay="2h", deadline="1h")
    clock.advance("3h")
    drain(app)
    assert ran == []
    found = app.jobs.get(late.id)
    assert found is not None
    assert found.reason == "deadline"


def _fields(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in job.__struct_fields__}

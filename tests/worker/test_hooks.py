"""Error hooks: called once for every failed attempt, where it failed, and no job ever waits for one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.attempting import Workshop
from windlass import Cancel, FailedAttempt, PermanentError, RegistrationError, Retry, Snooze, Windlass
from windlass.testing import ManualClock, drain
from windlass.worker.hooks import Hooks

PATIENCE_S = 30.0


class Ear:
    """A hook that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[FailedAttempt] = []
        self._news = threading.Condition()

    def __call__(self, failed: FailedAttempt) -> None:
        with self._news:
            self.heard.append(failed)
            self._news.notify_all()

    def wait_for(self, count: int) -> list[FailedAttempt]:
        with self._news:
            assert self._news.wait_for(lambda: len(self.heard) >= count, PATIENCE_S), self.heard
            return self.heard


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(database_url: str, clock: ManualClock) -> Iterator[Windlass]:
    made = Windlass(database_url, clock=clock)

    @made.job(max_attempts=2)
    def work(how: str) -> None:
        match how:
            case "wrong":
                raise ValueError("no luck")
            case "never":
                raise PermanentError("not like this")
            case "again":
                raise Retry("later")
            case "snooze":
                raise Snooze("1h")
            case "cancel":
                raise Cancel("no need")
            case _:
                return

    @made.job(max_attempts=1)
    async def work_async(how: str) -> object:
        if how == "returned":
            return Retry("once more")
        if how == "unkeepable":
            return threading.Lock()
        raise ValueError("no luck either")

    yield made
    made.close()


def test_a_failed_attempt_is_heard_of_with_its_exception_and_its_job(app: Windlass) -> None:
    ear = app.on_error(Ear())
    job = app.enqueue("work", {"how": "wrong"}, queue="mail")
    drain(app)
    (failed,) = ear.wait_for(1)
    assert (failed.job_id, failed.key, failed.queue) == (job.id, "work", "mail")
    assert (failed.attempt, failed.max_attempts, failed.is_final) == (1, 2, False)
    assert isinstance(failed.exception, ValueError)
    assert failed.exception.__traceback__ is not None
    found = failed.job
    assert found is not None
    assert found.payload == {"how": "wrong"}


def test_every_failed_attempt_is_heard_of_once(app: Windlass, clock: ManualClock) -> None:
    ear = app.on_error(Ear())
    app.enqueue("work", {"how": "wrong"})
    drain(app)
    clock.advance("1h")
    drain(app)
    app.enqueue("work_async", {"how": "wrong"})
    drain(app)
    app.enqueue("work", {"how": "never"})
    drain(app)
    told = [(failed.key, failed.attempt, failed.is_final) for failed in ear.wait_for(4)]
    assert told == [("work", 1, False), ("work", 2, True), ("work_async", 1, True), ("work", 1, True)]


@pytest.mark.parametrize("how", ["well", "snooze", "cancel"])
def test_what_is_no_failure_is_no_error(app: Windlass, how: str) -> None:
    ear = app.on_error(Ear())
    app.enqueue("work", {"how": how})
    drain(app)
    app.enqueue("work", {"how": "never"})
    drain(app)
    assert [type(failed.exception) for failed in ear.wait_for(1)] == [PermanentError]


def test_a_retry_that_is_asked_for_is_a_failed_attempt(app: Windlass) -> None:
    ear = app.on_error(Ear())
    app.enqueue("work", {"how": "again"})
    app.enqueue("work_async", {"how": "returned"})
    drain(app)
    assert [str(failed.exception) for failed in ear.wait_for(2)] == ["later", "once more"]


def test_a_result_that_cannot_be_kept_and_arguments_that_do_not_fit_are_errors(app: Windlass) -> None:
    ear = app.on_error(Ear())
    app.enqueue("work_async", {"how": "unkeepable"})
    drain(app)
    with app.transaction() as connection:
        connection.execute(
            "INSERT INTO background_service_jobs (job_key, payload, status) "
            """VALUES ('work', '{"how": 7}', 'PENDING')"""
        )
    drain(app)
    first, second = ear.wait_for(2)
    assert "cannot be kept" in str(first.exception)
    assert "how" in str(second.exception)
    assert first.is_final
    assert second.is_final


def test_a_timeout_is_told_as_such(database_url: str) -> None:
    app = Windlass(database_url)
    ear = app.on_error(Ear())

    @app.job(timeout="50ms", max_attempts=1)
    async def wait_long() -> None:
        import asyncio

        await asyncio.sleep(60)

    with app.running(threads=1):
        wait_long.enqueue()
        (failed,) = ear.wait_for(1)
    assert isinstance(failed.exception, TimeoutError)
    app.close()


def test_a_hook_that_raises_harms_neither_the_job_nor_the_others(
    app: Windlass, caplog: pytest.LogCaptureFixture
) -> None:
    @app.on_error
    def bad(failed: FailedAttempt) -> None:
        raise SystemExit(failed.attempt)

    ear = app.on_error(Ear())
    first, second = (app.enqueue("work", {"how": "never"}) for _ in range(2))
    drain(app)
    assert [failed.job_id for failed in ear.wait_for(2)] == [first.id, second.id]
    assert [job.status for job in app.jobs.list()] == ["FAILED", "FAILED"]


def test_a_hook_that_hangs_keeps_nobody_waiting(
    app: Windlass, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    go_on = threading.Event()

    @app.on_error
    def hang(failed: FailedAttempt) -> None:
        go_on.wait(PATIENCE_S)

    ear = app.on_error(Ear())
    app.enqueue_many("work", [{"how": "never"}] * 150)
    assert len(drain(app)) == 150
    assert len({failed.job_id for failed in ear.wait_for(150)}) == 150
    assert "has not answered for 100 failed attempts" in caplog.text
    go_on.set()


def test_who_leaves_waits_for_the_hooks_but_not_for_ever(database_url: str) -> None:
    workshop = Workshop(database_url)
    go_on, heard = threading.Event(), threading.Event()

    def slow(failed: FailedAttempt) -> None:
        go_on.wait(PATIENCE_S)
        heard.set()

    def fail() -> None:
        raise PermanentError("never")

    workshop.registry.on_error(slow)
    workshop.registry.add("fail", fail)
    hooks = Hooks(workshop.registry.error_hooks, lambda: workshop.store)
    workshop.performer = type(workshop.performer)(workshop.registry, workshop, None, hooks)
    workshop.perform("fail")
    workshop.performer.close(0.01)
    assert not heard.is_set()
    go_on.set()
    assert heard.wait(PATIENCE_S)
    heard.clear()
    workshop.perform("fail")
    workshop.performer.close(PATIENCE_S)
    assert heard.is_set()
    workshop.close()


def test_a_program_that_stops_running_jobs_leaves_no_thread_of_its_hooks(database_url: str) -> None:
    others = set(threading.enumerate())
    app = Windlass(database_url)

    @app.job(max_attempts=1)
    def fail() -> None:
        raise PermanentError("no")

    ear = app.on_error(Ear())
    for turn in (1, 2):
        with app.running(threads=1):
            fail.enqueue()
            ear.wait_for(turn)
    app.close()
    deadline = monotonic() + PATIENCE_S
    while left := {one for one in threading.enumerate() if one.name == "windlass-error-hook"} - others:
        assert monotonic() < deadline
        left.pop().join(0.1)


def test_only_plain_functions_can_be_hooks(app: Windlass) -> None:
    async def wrong(failed: FailedAttempt) -> None: ...

    with pytest.raises(RegistrationError, match="plain function"):
        app.on_error(wrong)


PACKAGE = """
import json, os
def report(failed):
    with open(os.environ["REPORTS"], "a") as file:
        file.write(json.dumps([failed.job_id, failed.attempt, str(failed.exception), os.getpid()]) + "\\n")
"""
PROGRAM = """
import os
from windlass import PermanentError, Windlass
app = Windlass("app.db", isolates=1)
@app.job
def fail(number: int) -> None:
    raise PermanentError(f"{number} cannot be")
@app.job
def where() -> int:
    return os.getpid()
"""
RUN = """
import time
from program import app, fail, where
app.service.start("program.py", wait="30s")
jobs = [fail.enqueue(number=number) for number in range(20)]
for job in jobs:
    assert app.jobs.wait(job.id, "30s").status == "FAILED"
print(app.jobs.wait(where.enqueue().id, "30s").result)
app.service.stop()
"""


@pytest.mark.slow
@pytest.mark.alone
def test_an_installed_package_hears_of_every_failure_in_a_service_even_of_the_last_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    info = site / "error_reporter-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "error_reporter.py").write_text(PACKAGE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: error-reporter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[windlass.error_hooks]\nreporter = error_reporter:report\nbroken = error_reporter:missing\n"
    )
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", f"{site}:{tmp_path}")
    monkeypatch.setenv("REPORTS", str(tmp_path / "reports"))
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in (tmp_path / "reports").read_text().splitlines()]
    assert sorted(row[2] for row in told) == sorted(f"{number} cannot be" for number in range(20))
    assert {row[3] for row in told} == {int(done.stdout)}
    log = (tmp_path / "app.db-windlass" / "service.log").read_text()
    assert log.count("error_reporter:missing cannot be loaded") == 1

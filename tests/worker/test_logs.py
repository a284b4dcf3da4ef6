"""What handlers log is kept with the attempt that logged it, whatever runs it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.service.waiting import until
from tests.worker.rig import ROOT, Rig
from windlass import Context, Windlass
from windlass.store.logbook import BYTES_MOST, LINES_MOST
from windlass.testing import drain


def texts(app: Windlass, job_id: int, attempt: int | None = None) -> list[str]:
    return [line.text for line in app.jobs.logs(job_id, attempt=attempt)]


@pytest.fixture
def talking(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Windlass]:
    """The app that logs, as this process and an executor's have it."""
    monkeypatch.setenv("WINDLASS_DATABASE", database_url)
    monkeypatch.setenv("RIG_FOLDER", str(tmp_path))
    from windlass.target import load_app

    app: Any = load_app(f"{ROOT}/tests.worker.apps.talking:app")
    app._settings = None
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.INFO)
    yield app
    logging.getLogger().setLevel(level)
    app.close()
    app._settings = None


# ── isolates ───────────────────────────────────────────────────────────────────────────────────────
def test_an_isolates_handlers_are_heard_each_with_its_own(rig: Rig):
    rig.crew("talking", isolates=2)
    ids = [rig.enqueue("talk", lines=3, name=f"job {n}") for n in range(20)]
    rig.ended(*ids)
    for n, job_id in enumerate(ids):
        lines = rig.jobs.logs(job_id)
        assert [line.text for line in lines] == [f"line {k} of job {n}" for k in (1, 2, 3)]
        assert {(line.attempt, line.level, line.logger) for line in lines} == {(1, "INFO", "shop.orders")}


def test_async_jobs_beside_each_other_keep_theirs_apart(rig: Rig):
    rig.crew("talking")
    ids = {name: rig.enqueue("atalk", name=name) for name in ("ann", "ben", "cyd")}
    for name in ids:
        rig.begun(name)
        rig.open(name)
    rig.ended(*ids.values())
    for name, job_id in ids.items():
        assert texts(rig.app, job_id) == [f"{name} begins", f"{name} ends"]


def test_what_a_job_logs_is_there_while_it_runs(rig: Rig):
    rig.crew("talking")
    job_id = rig.enqueue("waits", name="slow")
    rig.begun("slow")
    until(lambda: texts(rig.app, job_id) == ["before the gate"])
    assert rig.status(job_id) == "RUNNING"
    rig.open("slow")
    rig.ended(job_id)
    assert texts(rig.app, job_id) == ["before the gate", "behind the gate"]
    assert [line.number for line in rig.jobs.logs(job_id)] == [1, 2]


@pytest.mark.parametrize("end", ["killed", "exits"])
def test_what_an_isolate_said_before_its_death_is_kept(rig: Rig, end: str):
    rig.crew("talking")
    job_id = rig.enqueue("dies", name="doomed", options={"max_attempts": 1})
    pid = rig.begun("doomed")
    until(lambda: texts(rig.app, job_id))
    if end == "killed":
        os.kill(pid, signal.SIGKILL)
    else:
        rig.open("doomed")
    assert rig.ended(job_id)[0].reason == "crashed"
    assert texts(rig.app, job_id) == ["last words"]


def test_each_attempt_has_its_own(rig: Rig):
    rig.crew("talking")
    job_id = rig.enqueue("fails", options={"max_attempts": 2})
    rig.ended(job_id)
    assert texts(rig.app, job_id, 1) == ["attempt 1"]
    assert texts(rig.app, job_id, 2) == ["attempt 2"]
    assert texts(rig.app, job_id) == ["attempt 1", "attempt 2"]


def test_of_a_flood_the_newest_lines_are_kept_and_numbered(rig: Rig):
    rig.crew("talking")
    job_id = rig.enqueue("talk", lines=1000, name="flood")
    rig.ended(job_id)
    numbers = [line.number for line in rig.jobs.logs(job_id)]
    assert numbers == list(range(1001 - LINES_MOST, 1001))
    assert texts(rig.app, job_id)[-1] == "line 1000 of flood"


def test_secrets_long_lines_and_what_cannot_be_stored(rig: Rig):
    rig.crew("talking")
    job_id = rig.enqueue("careless")
    assert rig.ended(job_id)[0].status == "COMPLETED"
    secret, odd, long, strange, percent, error = texts(rig.app, job_id)
    assert secret == "password=[redacted] and token: [redacted]"
    assert "it could not be formatted" in odd
    assert len(long) < 3000
    assert "… cut …" in long
    assert strange == "lone \\ud800 and zero \\x00"
    assert percent == "100% of it"
    assert error.startswith("it went wrong\nKeyError: ")
    assert "verysecret" not in error
    assert sum(len(text.encode()) for text in texts(rig.app, job_id)) < BYTES_MOST


def test_a_handler_says_from_which_level_on(rig: Rig):
    rig.crew("talking")
    silent, careful, talk = rig.enqueue("silent"), rig.enqueue("careful"), rig.enqueue("talk", lines=1)
    rig.ended(silent, careful, talk)
    assert texts(rig.app, silent) == []
    assert texts(rig.app, careful) == ["even this"]
    assert texts(rig.app, talk) == ["line 1 of "]


def test_the_setting_turns_it_off_for_all_but_those_that_ask(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WINDLASS_KEEP_LOGS", "off")
    rig.crew("talking")
    talk, careful = rig.enqueue("talk", lines=2), rig.enqueue("careful")
    rig.ended(talk, careful)
    assert (texts(rig.app, talk), texts(rig.app, careful)) == ([], ["even this"])


def test_jobs_that_log_nothing_write_nothing(rig: Rig):
    rig.crew("talking")
    rig.ended(*rig.enqueue_many("quiet", [{"value": n} for n in range(50)]))
    assert rig.rows("SELECT count(*) FROM windlass_logs") == [(0,)]


def test_what_is_said_around_a_commit_of_its_own_is_kept_too(rig: Rig):
    rig.crew("talking")
    job_id = rig.enqueue("completes_inside")
    rig.ended(job_id)
    until(lambda: texts(rig.app, job_id) == ["before", "inside", "after"])


# ── in this process, and on executors ──────────────────────────────────────────────────────────────
@contextmanager
def on(app: Windlass, executor: Executor) -> Iterator[None]:
    with executor, app.running(executor=executor):
        yield


HOUSES: dict[str, Any] = {
    "threads": lambda app: app.running(threads=2),
    "thread executor": lambda app: on(app, ThreadPoolExecutor(2)),
    "process executor": lambda app: on(
        app, ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    ),
}


@pytest.mark.parametrize("house", HOUSES)
def test_every_executor_brings_what_is_logged(talking: Windlass, tmp_path: Path, house: str):
    running: AbstractContextManager[Any] = HOUSES[house](talking)
    with running:
        jobs = [talking.enqueue("talk", {"lines": 2, "name": f"{n}"}) for n in range(6)]
        (tmp_path / "gate-x").touch()
        other = talking.enqueue("atalk", {"name": "x"})
        for job in (*jobs, other):
            talking.jobs.wait(job.id, 60)
    for n, job in enumerate(jobs):
        assert texts(talking, job.id) == [f"line 1 of {n}", f"line 2 of {n}"]
    assert texts(talking, other.id) == ["x begins", "x ends"]


def test_a_drain_keeps_them(talking: Windlass):
    job = talking.enqueue("talk", {"lines": 1, "name": "here"})
    drain(talking)
    assert texts(talking, job.id) == ["line 1 of here"]


def test_ctx_log_is_kept_though_the_programs_logging_lets_nothing_through(database_url: str):
    app = Windlass(database_url)
    logging.getLogger().setLevel(logging.WARNING)

    @app.job
    def work(ctx: Context) -> None:
        ctx.log.info("kept")
        logging.getLogger("theirs").info("not made at all")

    job = work.enqueue()
    drain(app)
    assert texts(app, job.id) == ["kept"]
    app.close()


def test_a_programs_own_logging_is_as_it_was(database_url: str, capfd: pytest.CaptureFixture[str]):
    """No handler is added: `basicConfig` still works, and what nobody handles still goes to stderr."""
    app = Windlass(database_url)
    handlers = list(logging.getLogger().handlers)
    seen: list[str] = []

    class Seeing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(f"{record.filename} {record.funcName} {record.getMessage()}")

    seeing = Seeing()
    logging.getLogger("windlass.job").addHandler(seeing)

    @app.job
    def work(ctx: Context) -> None:
        ctx.log.warning("of mine")

    job = work.enqueue()
    drain(app)
    logging.getLogger("windlass.job").removeHandler(seeing)
    assert logging.getLogger().handlers == handlers
    assert seen == [f"test_logs.py work [work #{job.id}/1] of mine"]
    app.close()


def test_a_program_that_stops_running_jobs_leaves_no_thread_of_its_logs(database_url: str) -> None:
    app = Windlass(database_url)

    @app.job
    def talk(ctx: Context) -> None:
        ctx.log.warning("aloud")

    for executor in (None, ThreadPoolExecutor(1)):
        with app.running(executor=executor) if executor else app.running(threads=1):
            job = app.jobs.wait(talk.enqueue().id, timeout=30)
        if executor:
            executor.shutdown()
        assert texts(app, job.id) == ["aloud"]
    until(lambda: not any(one.name == "windlass-logs" for one in threading.enumerate()))
    app.close()

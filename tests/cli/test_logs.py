"""``windlass jobs logs``: what a handler logged, printed, and followed to the end of the job."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tests.cli.conftest import Command
from windlass import Context, Windlass


@pytest.fixture
def gate(app: Windlass, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Declares jobs that log; the second half of ``speak`` waits for the gate."""
    opened = threading.Event()
    log = logging.getLogger("ferry")
    # Inside a program it is the program's own logging that decides first.
    monkeypatch.setattr(log, "level", logging.INFO)

    @app.job
    def speak(ctx: Context) -> None:
        log.info("casting off\x1b[2J with token=s3cr3t-value")
        ctx.log.warning("fog on attempt %d", ctx.attempt)
        assert opened.wait(60)
        log.error("moored")

    @app.job(max_attempts=2, backoff=None)
    def sink(ctx: Context) -> None:
        log.info("attempt %d", ctx.attempt)
        raise ValueError("water")

    return opened


@contextmanager
def following(job_id: int) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "windlass.cli", "jobs", "logs", str(job_id), "--follow", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_what_a_job_logged_is_printed_without_secrets(
    cli: Command, app: Windlass, gate: threading.Event
) -> None:
    gate.set()
    job = app.enqueue("speak")
    with app.running(threads=1):
        app.jobs.wait(job.id, timeout=60)
    told = cli("jobs", "logs", str(job.id))
    assert told.code == 0, told
    assert [word in told.out for word in ("casting off", "fog on attempt 1", "moored")] == [True] * 3
    assert "s3cr3t-value" not in told.out
    assert "\x1b[2J" not in told.out
    lines = cli("jobs", "logs", str(job.id), "--json").data
    assert [(line["level"], line["number"], line["attempt"]) for line in lines] == [
        ("INFO", 1, 1), ("WARNING", 2, 1), ("ERROR", 3, 1),
    ]  # fmt: skip
    assert [line["number"] for line in cli("jobs", "logs", str(job.id), "--lines", "1", "--json").data] == [3]


def test_the_lines_of_one_attempt(cli: Command, app: Windlass, gate: threading.Event) -> None:
    job = app.enqueue("sink")
    with app.running(threads=1):
        app.jobs.wait(job.id, timeout=60)
    lines = cli("jobs", "logs", str(job.id), "--attempt", "2", "--json").data
    assert [line["text"] for line in lines] == ["attempt 2"]


def test_a_job_that_logged_nothing_says_so(cli: Command, app: Windlass) -> None:
    job = app.enqueue("greet", {"name": "ada"})
    assert "nothing that it logged is kept" in cli("jobs", "logs", str(job.id)).out
    assert cli("jobs", "logs", str(job.id), "--json").data == []


@pytest.mark.slow
def test_a_running_job_is_followed_to_its_end(app: Windlass, gate: threading.Event) -> None:
    job = app.enqueue("speak")
    with app.running(threads=1), following(job.id) as process:
        assert process.stdout is not None
        seen = [json.loads(process.stdout.readline())["level"] for _ in range(2)]
        assert seen == ["INFO", "WARNING"]
        gate.set()
        assert [json.loads(line)["text"] for line in process.stdout] == ["moored"]
        assert process.wait(60) == 0

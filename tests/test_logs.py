"""The service's log as JSON: one object a line, which says what job it is about, whoever writes it."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from windlass import Context, Windlass
from windlass.logs import JsonFormatter
from windlass.testing import drain


class Lines(logging.Handler):
    """Keeps what is formatted."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    root = logging.getLogger()
    before, _ = root.level, root.addHandler(handler)
    root.setLevel("INFO")
    yield handler
    root.setLevel(before)
    root.removeHandler(handler)


def test_a_record_is_one_object_on_one_line(lines: Lines) -> None:
    logging.getLogger("shop").warning("two\nlines of %s", "text", extra={"customer": 7})
    (line,) = lines.lines
    assert "\n" not in line
    (told,) = lines.told()
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "warning",
        "logger": "shop",
        "message": "two\nlines of text",
        "process": os.getpid(),
        "customer": 7,
    }


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_what_is_logged_while_a_handler_runs_names_its_job(
    lines: Lines, tmp_path: Path, is_async: bool
) -> None:
    app = Windlass(tmp_path / "app.db")

    @app.job("work")
    def work(ctx: Context) -> None:
        ctx.log.info("100 %% of %s", "it")
        logging.getLogger("some.library").info("knows nothing of jobs")

    @app.job("work_async")
    async def work_async(ctx: Context) -> None:
        ctx.log.info("100 %% of %s", "it")
        logging.getLogger("some.library").info("knows nothing of jobs")

    key = "work_async" if is_async else "work"
    job = app.enqueue(key, queue="mail")
    drain(app)
    logging.getLogger("some.library").info("between jobs")
    own, others, between = (
        told for told in lines.told() if told["logger"] in ("windlass.job", "some.library")
    )
    fields = {"job_id": job.id, "job_key": key, "attempt": 1, "queue": "mail"}
    assert own["message"] == "100 % of it"
    assert own | fields == own
    assert others | fields == others
    assert not between.keys() & fields.keys()
    app.close()


def test_an_exception_is_told_without_secrets(lines: Lines) -> None:
    try:
        raise ValueError("password=hunter2hunter2")
    except ValueError:
        logging.getLogger("shop").exception("it failed")
    (told,) = lines.told()
    assert told["error"].startswith("ValueError: password=")
    assert "hunter2" not in lines.lines[0]


@pytest.mark.parametrize(
    "value", [object(), {1: {2, 3}}, float("nan"), 10**30, "\ud800", b"\xff", [object()]],
    ids=["object", "set", "nan", "large", "surrogate", "bytes", "list"],
)  # fmt: skip
def test_no_line_is_lost_for_what_has_no_json(value: object) -> None:
    # Formatted here rather than logged: what captures the log of a test cannot keep a lone surrogate.
    record = logging.makeLogRecord({"name": "shop", "msg": "with %s", "args": (value,), "given": value})
    told = json.loads(JsonFormatter().format(record))
    assert told["message"].startswith("with ")
    assert "given" in told


PROGRAM = """
import logging
from windlass import Context, Windlass
app = Windlass("app.db", isolates=1)
@app.job
def greet(ctx: Context, name: str) -> None:
    ctx.log.info("hello %s", name)
    logging.getLogger("shop").warning("sold out")
@app.job(max_attempts=1)
def crash() -> None:
    import os
    os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
@pytest.mark.alone
def test_every_line_of_a_service_is_json_also_those_of_its_supervisor(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    app = Windlass(tmp_path / "app.db")
    job = app.enqueue("greet", {"name": "Ada"}, queue="front")
    command = [sys.executable, "-m", "windlass.cli", "run", "program.py", "--log-format", "json"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as service:
        assert app.jobs.wait(job.id, "60s").status == "COMPLETED"
        status = app.service.status()
        assert status is not None
        assert status.dispatcher is not None
        os.kill(status.dispatcher, signal.SIGKILL)
        assert app.jobs.wait(app.enqueue("greet", {"name": "Bo"}).id, "60s").status == "COMPLETED"
        service.terminate()
        assert service.stderr is not None
        lines = service.stderr.read().splitlines()
    told = [json.loads(line) for line in lines]
    assert {one["logger"] for one in told} >= {
        "windlass.service",
        "windlass.supervisor",
        "windlass.job",
        "shop",
    }
    (sold, _) = [one for one in told if one["logger"] == "shop"]
    assert sold | {"job_id": job.id, "job_key": "greet", "attempt": 1, "queue": "front"} == sold
    app.close()


@pytest.mark.slow
@pytest.mark.alone
def test_a_background_service_writes_its_log_as_it_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "windlass.toml").write_text('log_format = "json"\n')
    monkeypatch.chdir(tmp_path)
    app = Windlass("app.db")
    app.service.start("program.py", wait="60s")
    job = app.enqueue("greet", {"name": "Ada"})
    assert app.jobs.wait(job.id, "60s").status == "COMPLETED"
    app.service.stop()
    text = (tmp_path / "app.db-windlass" / "service.log").read_text(encoding="utf-8")
    told = [json.loads(line) for line in text.splitlines()]
    assert [one["message"] for one in told if one["logger"] == "windlass.job"] == ["hello Ada"]
    app.close()

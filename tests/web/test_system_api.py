"""The API of the session, the service, its workers, the storage and the audit log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.asking import Program, asking
from windlass import Windlass
from windlass.web.api.system import TAIL_LINES, tail_of

PROGRAM = """
from windlass import Context, Windlass

app = Windlass({database!r}, isolates=1, grace=1.0)


@app.job
def stay(ctx: Context) -> None:
    ctx.progress(1, 4)
    ctx.wait_cancelled(60)
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Windlass]:
    app = Windlass(tmp_path / "app.db")
    app.store.counts()
    yield app
    app.close()


@pytest.fixture
def program(app: Windlass) -> Iterator[Program]:
    with asking(app) as program:
        yield program


def test_a_session_says_who_looks_at_what(app: Windlass, program: Program) -> None:
    told = program.get("session")

    assert (told["who"], told["read_only"], told["title"]) == ("token", False, "app")
    assert told["database"] == str(Path(app.settings.database).resolve())
    assert told["can_run_jobs"] is False


def test_the_storage_is_looked_after(app: Windlass, program: Program) -> None:
    app.enqueue_many("send", [{"to": str(number)} for number in range(100)])

    told = program.get("storage")

    assert told["file_bytes"] == Path(told["path"]).stat().st_size
    assert told["wal_bytes"] > 0
    assert told["free_bytes"] > 0
    assert told["backups"] == []
    assert {one["level"] for one in told["findings"]} <= {"note", "warning", "problem"}


def test_a_copy_is_whole_and_for_its_owner_alone(app: Windlass, program: Program) -> None:
    app.enqueue("send", {"to": "ann"})

    made = program.post("storage/backup", status=201)

    copy = Path(made["path"])
    assert copy.stat().st_mode & 0o077 == 0
    assert copy.parent.stat().st_mode & 0o077 == 0
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT count(*) FROM background_service_jobs").fetchone() == (1,)
    connection.close()
    assert [one["name"] for one in program.get("storage")["backups"]] == [made["name"]]


def test_a_service_without_a_program_cannot_be_started(program: Program) -> None:
    told = program.get("service")

    assert (told["running"], told["state"], told["can_start"]) == (False, "stopped", False)
    assert "windlass ui --app" in told["why_not"]
    assert program.post("service/stop", status=409)["code"] == "not_running"
    assert program.do("PUT", "service/isolates", {"isolates": 2}, status=409)["code"] == "not_running"
    program.do("PUT", "service/isolates", {"isolates": 0}, status=422)


@pytest.mark.alone
@pytest.mark.slow
def test_a_service_is_started_seen_and_stopped(tmp_path: Path) -> None:
    database, script = str(tmp_path / "app.db"), tmp_path / "program.py"
    script.write_text(PROGRAM.format(database=database), encoding="utf-8")
    app = Windlass(database, app=str(script), grace=1.0)
    try:
        with asking(app) as program:
            job = app.enqueue("stay")
            assert program.get("service")["can_start"]
            started = program.post("service/start")
            assert (started["running"], started["state"]) == (True, "ready")
            assert program.post("service/start", status=409)["code"] == "already_running"

            with app.jobs.watch(job.id) as changes:
                for seen in changes:
                    if seen.progress is not None:
                        break
            worker = program.get("workers")["workers"][0]
            assert (worker["alive"], worker["pid"]) == (True, started["dispatcher"])
            assert [one["role"] for one in worker["processes"]][:2] == ["supervisor", "dispatcher"]
            assert worker["memory_bytes"] > 0
            assert [(one["id"], one["progress"]) for one in worker["jobs"]] == [(job.id, 0.25)]
            assert program.get(f"jobs/{job.id}")["lease"]["pid"] == started["dispatcher"]
            assert program.do("PUT", "service/isolates", {"isolates": 2})["running"]

            program.post("service/stop")
            app.service.stop()
            assert program.get("service")["state"] == "stopped"
            told = [entry["action"] for entry in program.get("audit")["entries"]]
            assert told == ["system.stop", "system.scale", "system.start", "system.start"]
    finally:
        app.service.stop(wait=1.0)
        app.close()


def test_the_end_of_a_log_is_shown_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    lines = [f"line {number} password=hunter2" for number in range(10_000)]
    path.write_bytes("\n".join(lines).encode() + b"\n\xff<script>")

    told = tail_of(path)

    assert len(told) == TAIL_LINES
    assert told[-2] == "line 9999 password=[redacted]"
    assert told[-1] == "\ufffd<script>"
    assert tail_of(tmp_path / "none.log") == []


def test_the_audit_log_is_told_page_by_page(app: Windlass, program: Program) -> None:
    for number in range(5):
        program.post(f"queues/q{number}/pause")
    program.post("queues/q0/resume")

    first = program.get("audit", limit=4)
    rest = program.get("audit", limit=4, after=first["next"])
    subjects = [entry["subject"] for entry in first["entries"] + rest["entries"]]

    assert subjects == ["q0", "q4", "q3", "q2", "q1", "q0"]
    assert rest["next"] is None
    assert len(program.get("audit", action="queues.resume")["entries"]) == 1
    assert program.get("audit", who="nobody")["entries"] == []
    program.refused("audit?after=x", 422)

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Answer, Command
from windlass import Windlass
from windlass.cli.file_checks import sqlite_version
from windlass.cli.holders import locks, users
from windlass.clock import SystemClock
from windlass.living import STALE_US
from windlass.platform import file_lock

pytestmark = pytest.mark.sqlite


def found(answer: Answer, check: str) -> list[dict[str, Any]]:
    return [finding for finding in answer.data["findings"] if finding["check"] == check]


def worst(answer: Answer) -> set[str]:
    return {
        finding["check"] for finding in answer.data["findings"] if finding["level"] in ("warning", "problem")
    }


@contextmanager
def another_program(code: str) -> Generator[subprocess.Popen[str]]:
    """Runs the code in a process of its own until it has printed a line, and ends it afterwards."""
    program = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline()
    try:
        yield program
    finally:
        program.communicate("go\n", timeout=30)


def reading(path: Path) -> str:
    """A program that stays in the middle of a read; the table must hold some rows."""
    return (
        f"import sqlite3; connection = sqlite3.connect({str(path)!r}); "
        "cursor = connection.execute('SELECT * FROM background_service_jobs'); cursor.fetchone(); "
        "print('in', flush=True); input()"
    )


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 51, 2), (3, 50, 6), (3, 44, 5), (3, 46, 0)])
def test_versions_whose_checkpoints_race_are_named(version: tuple[int, int, int]) -> None:
    assert sqlite_version(version).level == "note"
    assert "3.51.3" in sqlite_version(version).do


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 52, 0), (3, 50, 7), (3, 44, 6), (4, 0, 0)])
def test_versions_that_are_mended_are_well(version: tuple[int, int, int]) -> None:
    assert sqlite_version(version).level == "ok"


def test_a_sound_database_is_well(cli: Command, app: Windlass) -> None:
    job = app.enqueue("greet", {"name": "ada"}, delay="1h")
    assert job.id
    answer = cli("doctor", "--json")
    assert answer.code == 0, answer
    assert answer.data["well"] is True
    assert found(answer, "intact")


def test_looking_changes_nothing(cli: Command, home: Path) -> None:
    with closing(sqlite3.connect("foreign.db")) as connection:
        connection.execute("CREATE TABLE notes (text)")
    os.chmod("foreign.db", 0o600)
    before = (home / "foreign.db").read_bytes()
    answer = cli("doctor", "--db", "foreign.db", "--json")
    assert answer.code == 1
    assert worst(answer) == {"schema"}
    assert (home / "foreign.db").read_bytes() == before


def test_files_that_others_may_read_are_named_with_the_command_that_helps(
    cli: Command, app: Windlass
) -> None:
    app.enqueue("greet", {"name": "ada"}, delay="1h")
    os.chmod("jobs.db", 0o644)
    answer = cli("doctor", "--json")
    assert answer.code == 1
    assert "chmod 600" in found(answer, "permissions")[0]["do"]


def test_jobs_that_wait_for_a_service_are_a_warning(cli: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"})
    answer = cli("doctor", "--json")
    assert worst(answer) == {"service"}
    assert found(answer, "service")[0]["do"] == "windlass start"


def test_held_jobs_are_counted_with_their_reasons(cli: Command, app: Windlass) -> None:
    job = app.enqueue("greet", {"name": "ada"})
    with closing(sqlite3.connect("jobs.db")) as connection:
        connection.execute(
            "UPDATE background_service_jobs SET hold = 'the payload is odd' WHERE id = ?", (job.id,)
        )
        connection.commit()
    answer = cli("doctor", "--json")
    assert worst(answer) == {"held"}
    assert "the payload is odd" in found(answer, "held")[0]["says"]


def test_odd_rows_of_other_programs_are_counted(cli: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"}, delay="1h")
    with closing(sqlite3.connect("jobs.db")) as connection:
        connection.execute("INSERT INTO background_service_jobs (job_key, status) VALUES ('greet', 'DONE')")
        connection.commit()
    answer = cli("doctor", "--json")
    assert "odd rows" in worst(answer)


def test_a_damaged_file_is_a_problem_and_no_traceback(cli: Command, app: Windlass, home: Path) -> None:
    app.enqueue_many("greet", [{"name": str(number)} for number in range(500)])
    cli("backup", "copy.db")
    damaged = bytearray((home / "copy.db").read_bytes())
    for begin in range(0, len(damaged), 4096):
        # The jobs' own pages: without those of the schema nothing could be asked at all.
        if b'{"name":"' in damaged[begin : begin + 4096]:
            damaged[begin : begin + 8] = b"\xff" * 8
    (home / "copy.db").write_bytes(damaged)
    answer = cli("doctor", "--db", "copy.db", "--json")
    assert answer.code == 1
    assert "intact" in worst(answer)
    (home / "letter.db").write_text("dear database" * 1000)
    assert "file" in worst(cli("doctor", "--db", "letter.db", "--json"))


def test_a_directory_is_refused(cli: Command, home: Path) -> None:
    (home / "folder.db").mkdir()
    answer = cli("doctor", "--db", "folder.db", "--json")
    assert answer.code == 1
    assert "storage" in worst(answer)


def test_a_process_that_sits_on_the_write_lock_is_named(cli: Command, app: Windlass, home: Path) -> None:
    app.enqueue("greet", {"name": "ada"}, delay="1h")
    code = (
        f"import sqlite3; c = sqlite3.connect({str(home / 'jobs.db')!r}, isolation_level=None); "
        "c.execute('BEGIN IMMEDIATE'); print('in', flush=True); input()"
    )
    with another_program(code) as program:
        assert locks(str(home / "jobs.db")).writers == {program.pid}
        answer = cli("doctor", "--quick", "--json")
    assert f"process {program.pid}" in found(answer, "writer")[0]["says"]
    assert locks(str(home / "jobs.db")).writers == set()


def test_a_reader_that_does_not_end_is_named(cli: Command, app: Windlass, home: Path) -> None:
    app.enqueue_many("greet", [{"name": str(number)} for number in range(10)], delay="1h")
    with another_program(reading(home / "jobs.db")) as program:
        answer = cli("doctor", "--quick", "--json")
        assert program.pid in users(str(home / "jobs.db"))
    assert f"process {program.pid}" in found(answer, "readers")[0]["says"]


def test_a_log_that_a_reader_keeps_is_named(cli: Command, app: Windlass, home: Path) -> None:
    app.enqueue_many("greet", [{"name": str(number)} for number in range(10)], delay="1h")
    with another_program(reading(home / "jobs.db")):
        app.enqueue_many("greet", [{"name": "x" * 2000}] * 5000, delay="1h")
        answer = cli("doctor", "--quick", "--json")
    assert "a reader keeps" in found(answer, "log")[0]["says"]


def test_a_paused_queue_and_its_waiting_jobs_are_told(cli: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"}, queue="mail")
    app.queues.pause("mail")
    answer = cli("doctor", "--json")
    assert "windlass queues resume mail" in found(answer, "queues")[0]["do"]


def test_jobs_for_which_no_running_program_has_a_handler_are_told(cli: Command, app: Windlass) -> None:
    app.job("known")(lambda: None)
    app.enqueue("unknown_here")
    with app.running():
        answer = cli("doctor", "--json")
    assert "unknown keys" in worst(answer)
    assert "unknown_here" in found(answer, "unknown keys")[0]["says"]


def registered(app: Windlass, lock_file: Path) -> int:
    return app.store.register(
        host="here",
        pid=os.getpid(),
        lock_file=str(lock_file),
        version="0",
        mode="service",
        job_keys=["greet"],
    )


def test_a_dispatcher_that_died_and_the_jobs_it_left_are_told(
    cli: Command, app: Windlass, home: Path
) -> None:
    job = app.enqueue("greet", {"name": "ada"})
    owner = registered(app, home / "gone.lock")
    with closing(sqlite3.connect("jobs.db")) as connection:
        connection.execute(
            "UPDATE background_service_jobs SET status = 'RUNNING', lease_owner = ?, lease_token = 1 "
            "WHERE id = ?",
            (owner, job.id),
        )
        connection.commit()
    answer = cli("doctor", "--json")
    assert "1 job started" in found(answer, "dispatchers")[0]["says"]


def test_a_dispatcher_that_holds_its_lock_and_says_nothing_is_a_problem(
    cli: Command, app: Windlass, home: Path
) -> None:
    lock = file_lock(home / "frozen.lock")
    assert lock.try_acquire()
    lock.write(f"{SystemClock().boot_us() - STALE_US - 1:020d}\n")
    registered(app, home / "frozen.lock")
    answer = cli("doctor", "--json")
    lock.release()
    frozen = found(answer, "dispatchers")[0]
    assert frozen["level"] == "problem"
    assert f"kill -CONT {os.getpid()}" in frozen["do"]


def test_what_waits_for_a_person_in_synced_tables_is_told(cli: Command, app: Windlass, home: Path) -> None:
    with closing(sqlite3.connect(app.store.path, isolation_level=None)) as db:
        db.execute("CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT)")
        ledger = app.store.ledger
        ledger.install("notes", ledger.describe("notes"))
        db.execute("INSERT INTO notes VALUES ('1', 'tea')")
        assert found(cli("doctor", "--json"), "sync notes") == [
            {"check": "sync notes", "level": "ok", "says": "captured; 0 rows, 1 changes on their way"}
        ]
        triggers = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'notes'")
        db.execute(f"DROP TRIGGER {triggers.fetchone()[0]}")
    (told,) = found(cli("doctor", "--json"), "sync notes")
    assert told["level"] == "problem"

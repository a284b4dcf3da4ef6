"""migrate, backup, restore and init."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from windlass import Windlass
from windlass.store.sqlite.migrate import migrations

pytestmark = pytest.mark.sqlite


@contextmanager
def database(path: str | Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def keys(path: str | Path) -> list[str]:
    with database(path) as connection:
        return [
            row[0] for row in connection.execute("SELECT job_key FROM background_service_jobs ORDER BY id")
        ]


def test_migrate_makes_the_tables_and_then_has_nothing_to_do(cli: Command) -> None:
    first = cli("migrate", "--db", "new.db", "--json")
    assert first.code == 0, first
    assert first.data["applied"] == [one.name for one in migrations()]
    assert cli("migrate", "--db", "new.db", "--json").data["applied"] == []


def test_migrate_sql_prints_what_it_would_do_and_does_nothing(cli: Command) -> None:
    answer = cli("migrate", "--sql", "--db", "new.db")
    assert answer.code == 0, answer
    assert "CREATE TABLE background_service_jobs" in answer.out
    assert not Path("new.db").exists()
    with database("by_hand.db") as connection:
        connection.executescript(answer.out)
    cli("migrate", "--db", "new.db")
    assert "nothing to do" in cli("migrate", "--sql", "--db", "new.db").out


def test_a_newer_schema_is_refused_by_a_sentence(cli: Command) -> None:
    cli("migrate", "--db", "new.db")
    with database("new.db") as connection:
        connection.execute("INSERT INTO windlass_migrations (number, name, checksum) VALUES (99, 'x', 'y')")
        connection.commit()
    answer = cli("jobs", "list", "--db", "new.db")
    assert answer.code == 1
    assert "upgrade Windlass" in answer.err
    assert "Traceback" not in answer.err


def test_a_backup_can_be_restored_and_what_was_there_is_kept(cli: Command, app: Windlass) -> None:
    app.enqueue("first")
    assert cli("backup", "copy.db").code == 0
    assert stat.S_IMODE(os.stat("copy.db").st_mode) == 0o600
    app.enqueue("second")
    answer = cli("restore", "copy.db", "--json")
    assert answer.code == 0, answer
    assert keys("jobs.db") == ["first"]
    assert keys(answer.data["kept"]) == ["first", "second"]
    # A program that had it open goes on with the restored content.
    assert [job.key for job in app.jobs.list()] == ["first"]
    app.enqueue("third")
    assert keys("jobs.db") == ["first", "third"]


def test_restore_makes_a_database_where_there_is_none(cli: Command, app: Windlass) -> None:
    app.enqueue("first")
    cli("backup", "copy.db")
    assert cli("restore", "copy.db", "--db", "elsewhere.db").code == 0
    assert keys("elsewhere.db") == ["first"]
    assert stat.S_IMODE(os.stat("elsewhere.db").st_mode) == 0o600


def test_a_backup_overwrites_nothing(cli: Command, app: Windlass, home: Path) -> None:
    app.enqueue("first")
    (home / "copy.db").write_text("precious")
    assert cli("backup", "copy.db").code == 4
    assert (home / "copy.db").read_text() == "precious"


def broken_copies(home: Path) -> Iterator[tuple[str, str]]:
    yield "absent.db", "no file"
    (home / "empty.db").write_bytes(b"")
    yield "empty.db", "not an SQLite database"
    (home / "text.db").write_text("this is a letter, no database" * 100)
    yield "text.db", "not an SQLite database"
    with database("foreign.db") as connection:
        connection.execute("CREATE TABLE notes (text)")
    yield "foreign.db", "no jobs"
    yield "jobs.db", "itself"
    damaged = bytearray((home / "copy.db").read_bytes())
    for page in range(1, len(damaged) // 4096):
        damaged[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    (home / "damaged.db").write_bytes(damaged)
    yield "damaged.db", "damaged"
    (home / "newer.db").write_bytes((home / "copy.db").read_bytes())
    with database("newer.db") as connection:
        connection.execute("INSERT INTO windlass_migrations (number, name, checksum) VALUES (99, 'x', 'y')")
        connection.commit()
    yield "newer.db", "upgrade"


def test_a_copy_that_is_not_good_is_refused_and_nothing_changes(
    cli: Command, app: Windlass, home: Path
) -> None:
    app.enqueue("first")
    cli("backup", "copy.db")
    app.enqueue("second")
    for name, said in broken_copies(home):
        answer = cli("restore", name)
        assert answer.code == 1, (name, answer)
        assert said in answer.err, (name, answer)
        assert keys("jobs.db") == ["first", "second"], name
    assert not list(home.glob("*before-restore*"))


def test_restore_mends_a_damaged_database_and_keeps_it_aside(cli: Command, app: Windlass, home: Path) -> None:
    app.enqueue("first")
    cli("backup", "copy.db")
    app.close()
    for suffix in ("-wal", "-shm"):
        (home / f"jobs.db{suffix}").unlink(missing_ok=True)
    (home / "jobs.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 8176)
    answer = cli("restore", "copy.db", "--json")
    assert answer.code == 0, answer
    assert keys("jobs.db") == ["first"]
    assert Path(answer.data["kept"]).read_bytes().startswith(b"SQLite format 3\x00\xff")


def test_restore_refuses_while_a_program_runs_jobs(cli: Command, app: Windlass) -> None:
    app.enqueue("first")
    cli("backup", "copy.db")
    with app.running():
        answer = cli("restore", "copy.db")
    assert answer.code == 4, answer
    assert "end it" in answer.err


def test_restore_refuses_while_a_service_runs(shell: Command, app: Windlass) -> None:
    app.enqueue("first")
    shell("backup", "copy.db")
    assert shell("start").code == 0
    try:
        answer = shell("restore", "copy.db")
    finally:
        shell("stop")
    assert answer.code == 4, answer
    assert "windlass stop" in answer.err


def test_init_writes_a_program_that_runs_and_overwrites_nothing(shell: Command, home: Path) -> None:
    assert shell("init").code == 0
    assert shell("start").code == 0
    try:
        answer = shell("enqueue", "greet", "name=ada", "--wait", "--json")
    finally:
        shell("stop")
    assert answer.data["result"] == "Hello, ada!"
    (home / "app.py").write_text("mine")
    assert shell("init").code == 4
    assert (home / "app.py").read_text() == "mine"


def test_init_makes_the_folder_it_is_given(cli: Command, home: Path) -> None:
    assert cli("init", "deep/inside").code == 0
    assert (home / "deep" / "inside" / "windlass.toml").exists()


@pytest.mark.parametrize("text", ["database = 7", "isolates = 0", "databse = 'x'", "not toml"])
def test_a_wrong_configuration_is_a_sentence_and_exit_code_2(cli: Command, home: Path, text: str) -> None:
    (home / "windlass.toml").write_text(text)
    answer = cli("status")
    assert answer.code == 2, answer
    assert "windlass.toml" in answer.err
    assert "Traceback" not in answer.err

"""Where there are no jobs: a misspelt name, a fresh server, a database whose jobs were moved away."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.cli.conftest import Command
from windlass import Windlass
from windlass.store.postgres.location import is_postgres

LOOKS = (
    ("jobs", "list"),
    ("status",),
    ("queues", "list"),
    ("schedules", "list"),
    ("hosts", "list"),
    ("audit",),
)


def tables_of(place: str) -> int:
    if is_postgres(place):
        with psycopg.connect(place) as connection:
            row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    else:
        with closing(sqlite3.connect(place)) as connection:
            row = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()
    assert row is not None
    return row[0]


@pytest.fixture(params=["a file", "a server"])
def foreign(request: pytest.FixtureRequest, home: Path) -> str:
    """A database with a table of somebody else's."""
    made = "CREATE TABLE notes (id INTEGER PRIMARY KEY)"
    if request.param == "a server":
        place: str = request.getfixturevalue("postgres_url")
        with psycopg.connect(place) as connection:
            connection.execute(made)
        return place
    with closing(sqlite3.connect(home / "notes.db")) as connection:
        connection.execute(made)
    return str(home / "notes.db")


def test_a_misspelt_source_is_no_empty_database_to_be_moved(cli: Command) -> None:
    for words in (("move", "nosuch.db", "new.db"), ("move", "nosuch.db", "new.db", "--abandon")):
        answer = cli(*words)
        assert answer.code == 3, answer
        assert "there is no database" in answer.err
        assert "FROM" in answer.err
    assert not os.path.exists("nosuch.db")
    assert not os.path.exists("new.db")


def test_what_has_no_jobs_is_not_moved(cli: Command, foreign: str) -> None:
    answer = cli("move", foreign, "new.db")
    assert answer.code == 3, answer
    assert "holds no tables of Windlass: check the name" in answer.err
    assert tables_of(foreign) == 1
    assert not os.path.exists("new.db")


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_to_look_makes_no_tables(cli: Command, foreign: str, words: tuple[str, ...]) -> None:
    answer = cli(*words, "--db", foreign)
    assert answer.code == 3, answer
    assert "holds no tables of Windlass" in answer.err
    assert "windlass migrate" in answer.err
    assert tables_of(foreign) == 1


def test_migrate_makes_them_and_then_there_is_something_to_look_at(cli: Command, foreign: str) -> None:
    assert cli("migrate", "--db", foreign).code == 0
    assert cli("jobs", "list", "--db", foreign, "--json").data == []


@pytest.fixture(params=["to a file", "to a server"])
def moved(request: pytest.FixtureRequest, home: Path, cli: Command) -> str:
    """Where the jobs of ``old.db`` are now, as people are told."""
    old = Windlass("old.db")
    for _ in range(3):
        old.enqueue("greet")
    old.close()
    target = request.getfixturevalue("postgres_url") if request.param == "to a server" else "new.db"
    answer = cli("move", "old.db", target, "--json")
    assert answer.code == 0, answer
    return answer.data["to"]


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_who_looks_at_what_was_moved_is_told_where_to(
    cli: Command, moved: str, words: tuple[str, ...]
) -> None:
    answer = cli(*words, "--db", "old.db", "--json")
    assert f"was moved to {moved}" in answer.err
    assert answer.err.count("\n") == 1
    assert answer.data is not None


def test_status_says_where_to_instead_of_what_to_start(cli: Command, moved: str) -> None:
    answer = cli("status", "--db", "old.db")
    assert answer.code == 3
    assert f"moved to {moved}" in answer.out
    assert "windlass start" not in answer.out
    assert cli("status", "--db", "old.db", "--json").data["moved_to"] == moved


def test_doctor_says_where_to_instead_of_what_to_start(cli: Command, moved: str) -> None:
    answer = cli("doctor", "--db", "old.db", "--json")
    assert answer.code == 1
    found = {one["check"]: one for one in answer.data["findings"]}
    assert f"was moved to {moved}" in found["moved"]["says"]
    assert "windlass start" not in answer.out
    assert "service" not in found

"""Commands run in this process (``cli``) or in one of their own (``shell``), in an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.cli.shelf import PROGRAM, TABLE, Shelf, Sql
from tests.sync.databases import connected
from windlass import Windlass
from windlass.cli.lazy import cli as root
from windlass.store.postgres.location import is_postgres

APP = """
from windlass import PermanentError, Windlass

app = Windlass("jobs.db")

@app.job
def greet(name: str) -> str:
    return f"hello {name}"

@app.job
def refuse(reason: str) -> None:
    raise PermanentError(reason)
"""


class Answer:
    """What a command said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def data(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


Command = Callable[..., Answer]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """An empty working directory, and an environment in which no test finds another's settings."""
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("WINDLASS_")]:
        del os.environ[name]
    os.environ.update(NO_COLOR="1", COLUMNS="160")
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def cli() -> Command:
    def run(*words: str, stdin: str | None = None) -> Answer:
        # A command's flags go into the environment, for the processes that it starts.
        with pytest.MonkeyPatch.context() as patch:
            for name in ("DATABASE", "APP", "ISOLATES", "SERVICE_ENABLED"):
                patch.delenv(f"WINDLASS_{name}", raising=False)
            result = CliRunner().invoke(root, list(words), input=stdin, catch_exceptions=False)
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def shell() -> Command:
    def run(*words: str, stdin: str | None = None, timeout: float = 60) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "windlass.cli", *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def app(home: Path, database_url: str) -> Generator[Windlass]:
    """A program of two handlers, known to the commands through windlass.toml. No service runs."""
    database = database_url if is_postgres(database_url) else "jobs.db"
    (home / "program.py").write_text(APP.replace("jobs.db", database))
    # Absolute: a process loads a target once, and these tests share one.
    (home / "windlass.toml").write_text(f'app = "{home}/program.py:app"\ndatabase = "{database}"\n')
    app = Windlass(database)
    assert app.settings.database == database
    yield app
    app.close()


@pytest.fixture
def sql(home: Path, database_url: str) -> Generator[Sql]:
    """The program's table, edited by another program."""
    with closing(connected(place_of(database_url))) as connection:

        def run(statement: str, *parameters: Any) -> list[Any]:
            cursor = connection.execute(statement, parameters)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

        run(TABLE)
        yield run


@pytest.fixture
def shelf(home: Path, sql: Sql, database_url: str) -> Shelf:
    """A program with one synced table, known to the commands through windlass.toml."""
    place = place_of(database_url)
    (home / "notes_program.py").write_text(PROGRAM.replace("notes.db", place))
    (home / "windlass.toml").write_text(f'app = "{home}/notes_program.py:app"\ndatabase = "{place}"\n')
    return Shelf(home)


def place_of(database_url: str) -> str:
    """Where that program's table is: a file beside it, or on the server."""
    return database_url if is_postgres(database_url) else "notes.db"

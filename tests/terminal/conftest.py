"""A program of its own for each test, and no settings of anybody else's."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shelf import PROGRAM, TABLE, Shelf
from tests.sync.databases import connected
from windlass import PermanentError, Windlass
from windlass.store.postgres.location import is_postgres
from windlass.target import load_app

Edit = Callable[[str], Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """An empty working directory; the programs in it are nobody else's modules."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("WINDLASS_")]:
        monkeypatch.delenv(name)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def app(home: Path, database_url: str) -> Generator[Windlass]:
    """Two handlers; no service runs."""
    app = Windlass(database_url)

    @app.job
    def greet(name: str, api_token: str = "") -> str:
        return f"hello {name}"

    @app.job
    def refuse(reason: str) -> None:
        raise PermanentError(reason)

    yield app
    app.close()


@pytest.fixture
def shelf(home: Path) -> Shelf:
    """The remote of the synced program."""
    return Shelf(home)


@pytest.fixture
def edit(home: Path, database_url: str) -> Generator[Edit]:
    """The synced table, edited by another program."""
    with closing(connected(place_of(database_url, home))) as connection:
        yield connection.execute


@pytest.fixture
def synced(home: Path, shelf: Shelf, edit: Edit, database_url: str) -> Generator[Windlass]:
    """A program with one synced table, in which a conflict and a dead letter wait."""
    (home / "notes_program.py").write_text(PROGRAM.replace("notes.db", place_of(database_url, home)))
    edit(TABLE)
    app = load_app(f"{home}/notes_program.py:app")
    assert isinstance(app, Windlass)
    notes = app.sync["notes"]
    shelf.put(1, title="tea", done=0, stars=1)
    notes.pull()
    edit("UPDATE notes SET title = 'green tea' WHERE id = 1")
    shelf.put(1, title="black coffee", stars=4)
    edit("INSERT INTO notes VALUES (9, 'a bad one', false, 3)")
    notes.push()
    assert (len(notes.conflicts()), len(notes.dead())) == (1, 1)
    yield app
    app.close()


def place_of(database_url: str, home: Path) -> str:
    """Where the synced table is: a file beside the program, or on the server."""
    return database_url if is_postgres(database_url) else str(home / "notes.db")

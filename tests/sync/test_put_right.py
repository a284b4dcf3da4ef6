"""What a person decides about a dead letter or a conflict is done, or is an error and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sync.databases import connected
from tests.sync.programs import Program
from windlass.demo.server.store import StoreServer
from windlass.errors import SyncError

TABLE = """CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT NOT NULL UNIQUE,
    done INTEGER NOT NULL DEFAULT 0 CHECK (done >= 0), weight DOUBLE PRECISION)"""


@pytest.fixture
def store() -> Iterator[StoreServer]:
    with StoreServer() as server:
        yield server


@pytest.fixture
def ada(store: StoreServer, database_url: str, tmp_path: Path) -> Iterator[Program]:
    """Rows ``tea`` and ``milk``, in step with a server that takes no title ``bad``."""
    db = connected(database_url)
    db.execute(TABLE)
    db.close()
    store.shelf.checks.append(lambda _, task: "422 a bad title" if task["title"] == "bad" else None)
    with Program(tmp_path, store.url, database=database_url) as one:
        one.do("INSERT INTO tasks (id, title) VALUES ('1', 'tea'), ('2', 'milk')")
        assert one.tasks.push().accepted == 2
        yield one


@pytest.fixture
def rejected(ada: Program) -> Program:
    """Row 1 is a dead letter."""
    ada.do("UPDATE tasks SET title = 'bad' WHERE id = '1'")
    assert len(ada.tasks.push().rejected) == 1
    return ada


@pytest.fixture
def disputed(ada: Program, store: StoreServer) -> Program:
    """The title of row 1 was changed here and there."""
    ada.do("UPDATE tasks SET title = 'green tea' WHERE id = '1'")
    store.shelf.edit("tasks", "1", title="black tea")
    ada.tasks.pull()
    assert len(ada.tasks.conflicts()) == 1
    return ada


def standing(ada: Program) -> tuple[Any, ...]:
    """All that a refused decision must leave as it was."""
    rows = [tuple(row) for row in ada.db.execute("SELECT * FROM tasks ORDER BY id")]
    waits = ada.tasks.dead(), ada.tasks.conflicts(), ada.tasks.pending()
    told = [notice.subject for notice in ada.app.store.notices()]
    assert len(told) == 1, "what waits for a person was told"
    return rows, waits, ada.tasks.quarantine(), ada.tasks.standing("1"), told


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"title": None}, "(?is)the table refuses it: .*not.null.*nothing was changed"),
    ({"title": "milk"}, "(?is)the table refuses it: .*unique"),
    ({"title": "x", "done": -1}, "(?is)the table refuses it: .*check"),
    ({"title": "x", "done": 2**70}, "the table refuses it: "),
    ({"title": "\ud800"}, "the table refuses it: "),
    ({"title": "x", "weight": float("nan")}, "expected weight to be a number that JSON knows, got nan"),
    ({"title": "x", "weight": float("-inf")}, "expected weight to be a number that JSON knows, got -inf"),
]
NAMES = ["null", "unique", "check", "too large", "surrogate", "nan", "infinity"]


@pytest.mark.parametrize(("columns", "said"), REFUSED, ids=NAMES)
def test_an_edit_that_the_table_refuses_is_an_error_and_changes_nothing(
    rejected: Program, columns: dict[str, Any], said: str
) -> None:
    before = standing(rejected)
    with pytest.raises(SyncError, match=said):
        rejected.tasks.edit("1", **columns)
    assert standing(rejected) == before
    rejected.tasks.edit("1", title="mint tea")
    assert rejected.tasks.push().accepted == 1
    assert rejected.app.store.notices() == []


@pytest.mark.parametrize(("columns", "said"), REFUSED, ids=NAMES)
def test_a_choice_that_the_table_refuses_is_an_error_and_settles_nothing(
    disputed: Program, columns: dict[str, Any], said: str
) -> None:
    before = standing(disputed)
    with pytest.raises(SyncError, match=said):
        disputed.tasks.resolve("1", columns)
    assert standing(disputed) == before
    disputed.tasks.resolve("1", {"title": "mint tea"})
    assert disputed.tasks.push().accepted == 1
    assert disputed.app.store.notices() == []


def test_the_remotes_row_that_the_table_refuses_is_not_reverted_to(
    rejected: Program, store: StoreServer
) -> None:
    rejected.do("UPDATE tasks SET title = 'coffee' WHERE id = '2'")
    rejected.tasks.push()
    rejected.do("UPDATE tasks SET title = 'tea' WHERE id = '2'")
    before = standing(rejected)
    with pytest.raises(SyncError, match=r"(?is)the table refuses it: .*unique"):
        rejected.tasks.revert("1")
    assert standing(rejected) == before

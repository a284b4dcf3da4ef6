"""A move where tables are synced: nothing unsent is left behind, and the rest comes from the remote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.sync.databases import connected
from tests.sync.replicas import TASKS, Collection, Replica, equal
from windlass.errors import MoveRefused
from windlass.store import open_store
from windlass.store.move import Movable, move
from windlass.store.postgres.location import is_postgres

Opened = Callable[[str], Movable]


@pytest.fixture
def elsewhere(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> str:
    """An empty database of the other kind."""
    if is_postgres(database_url):
        return str(tmp_path / "moved.db")
    url: str = request.getfixturevalue("postgres_ready_urls")()
    return url


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens stores as a move does; closes them."""
    made = []

    def open_it(database: str) -> Movable:
        made.append(open_store(database))
        return made[-1]

    yield open_it
    for one in made:
        one.close()


@pytest.fixture
def ada(database_url: str, collection: Collection) -> Iterator[Replica]:
    with closing(Replica(database_url, collection)) as one:
        one.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL), ('2', 'milk', 1, 'cold')")
        one.sync()
        yield one


def test_a_move_is_refused_while_an_edit_is_unsent(
    ada: Replica, database_url: str, elsewhere: str, opened: Opened
) -> None:
    source, target = opened(database_url), opened(elsewhere)
    ada.do("UPDATE tasks SET done = 1")
    with pytest.raises(MoveRefused, match=r"remotes do not have yet \(tasks\)"):
        move(source, target)
    ada.sync()
    assert move(source, target).synced == ("tasks",)


def test_an_edit_during_a_move_ends_it_before_its_cut_and_it_goes_on_once_that_is_sent(
    ada: Replica, database_url: str, elsewhere: str, opened: Opened
) -> None:
    source, target = opened(database_url), opened(elsewhere)
    with pytest.raises(MoveRefused, match=r"remotes do not have yet \(tasks\)"):
        move(source, target, before_cut=lambda: ada.do("DELETE FROM tasks WHERE id = '1'"))
    ada.sync()
    assert move(source, target).resumed


@pytest.mark.parametrize("copied", [True, False], ids=["copied", "empty"])
def test_a_synced_table_goes_on_in_the_new_database_as_if_nothing_had_happened(
    ada: Replica, database_url: str, elsewhere: str, collection: Collection, opened: Opened, copied: bool
) -> None:
    """With its rows, which are matched by their keys, or without, as the remote has them all."""
    collection.put("3", title="jam", done=0, note=None)
    ada.pull()
    move(opened(database_url), opened(elsewhere))
    with closing(connected(elsewhere)) as there:
        there.execute(TASKS)
        if copied:
            there.executemany(
                "INSERT INTO tasks VALUES (?, ?, ?, ?)", [tuple(row.values()) for row in ada.rows().values()]
            )
    before = list(collection.applied)
    with closing(Replica(elsewhere, collection)) as moved:
        moved.sync()
        equal(collection, moved)
        assert collection.applied == before, "nothing was sent again"
        moved.do("UPDATE tasks SET title = 'green tea' WHERE id = '1'")
        collection.put("2", note="warm")
        moved.sync()
        equal(collection, moved)
    assert len(collection.applied) == len(before) + 1

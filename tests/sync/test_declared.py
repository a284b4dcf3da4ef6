"""What a declaration says, done: when a pull asks nothing, what absence means, and which way edits go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sync.programs import Program
from windlass.demo.server.store import StoreServer
from windlass.testing import drain


@pytest.fixture
def store() -> Iterator[StoreServer]:
    with StoreServer() as server:
        server.shelf.edit("tasks", "1", title="tea")
        yield server


def due_pull(ada: Program) -> bool:
    """A pull as the service would do it; False: it asked nothing."""
    done = ada.app.sync.engine.pull("tasks")
    return not done.fresh


# ── when ───────────────────────────────────────────────────────────────────────────────────────────
def test_within_fresh_for_a_pull_sends_nothing_unless_it_is_asked_for(
    store: StoreServer, database_url: str, tmp_path: Path
) -> None:
    with Program(tmp_path, store.url, database=database_url, fresh_for="10m") as ada:
        assert due_pull(ada)
        asked = len(store.asked)
        ada.clock.advance("9m")
        assert not due_pull(ada)
        assert len(store.asked) == asked
        ada.tasks.pull()
        assert len(store.asked) > asked
        ada.clock.advance("11m")
        assert due_pull(ada)


@pytest.mark.parametrize(("obeys", "asks"), [(True, [False, True]), (False, [True, True])])
def test_the_servers_max_age_is_obeyed_where_the_resource_says_so(
    store: StoreServer, database_url: str, tmp_path: Path, obeys: bool, asks: list[bool]
) -> None:
    store.max_age_s = 300
    with Program(tmp_path, store.url, database=database_url, obey_max_age=obeys) as ada:
        assert due_pull(ada)
        found: list[bool] = []
        for _ in range(2):
            ada.clock.advance("200s")
            found.append(due_pull(ada))
        assert found == asks


# ── what absence means ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("complete", "left"), [(True, {"2"}), (False, {"1", "2"})])
def test_of_a_remote_that_shows_a_part_absence_means_nothing(
    store: StoreServer, database_url: str, tmp_path: Path, complete: bool, left: set[str]
) -> None:
    store.shelf.edit("tasks", "2", title="milk")
    remote = {"cursor": None, "deleted": None, "complete": complete}
    with Program(tmp_path, store.url, database=database_url, remote=remote) as ada:
        ada.tasks.pull()
        store.shelf.remove("tasks", "1")
        ada.tasks.pull()
        assert set(ada.titles()) == left


@pytest.mark.parametrize(("share", "left"), [(0.2, 40), (0.4, 28)])
def test_a_resource_says_how_much_may_be_absent(
    store: StoreServer, database_url: str, tmp_path: Path, share: float, left: int
) -> None:
    for number in range(1, 41):
        store.shelf.edit("tasks", f"{number}", title="tea")
    remote = {"cursor": None, "deleted": None}
    with Program(tmp_path, store.url, database=database_url, remote=remote, sweep_share=share) as ada:
        ada.tasks.pull()
        for number in range(1, 13):
            store.shelf.remove("tasks", f"{number}")
        done = ada.tasks.pull()
        assert (len(ada.titles()), done.sweep_refused is None) == (left, left == 28)


# ── which way ──────────────────────────────────────────────────────────────────────────────────────
def test_edits_of_a_resource_that_is_only_pulled_stay_here_and_say_so(
    store: StoreServer, database_url: str, tmp_path: Path
) -> None:
    with Program(tmp_path, store.url, database=database_url, direction="pull") as ada:
        ada.tasks.pull()
        ada.do("UPDATE tasks SET title = 'mine'")
        ada.do("INSERT INTO tasks VALUES ('9', 'new', 0, NULL)")
        for _ in range(2):
            done = ada.tasks.push()
            assert (done.sent, done.accepted) == (0, 0)
            why = {one.key: one.why for one in ada.tasks.pending()}
            assert why == dict.fromkeys(("1", "9"), 'stays here: its resource has direction="pull"')
            # Once more when a pull has written them down.
            store.shelf.edit("tasks", "1", note="theirs")
            ada.tasks.pull()
        drain(ada.app)
        assert ada.titles() == {"1": "mine", "9": "new"}
        assert sent(store) == []
        assert [document["title"] for document in store.shelf.documents("tasks").values()] == ["tea"]


def test_a_resource_that_is_only_pushed_asks_for_nothing(
    store: StoreServer, database_url: str, tmp_path: Path
) -> None:
    with Program(tmp_path, store.url, database=database_url, direction="push") as ada:
        ada.do("INSERT INTO tasks VALUES ('9', 'new', 0, NULL)")
        assert ada.tasks.pull().received == 0
        assert ada.tasks.push().accepted == 1
        drain(ada.app)
        assert store.targets() == sent(store) == ["PUT /tasks/9"]
        assert ada.titles() == {"9": "new"}


def sent(store: StoreServer) -> list[Any]:
    return [target for target in store.targets() if not target.startswith("GET ")]

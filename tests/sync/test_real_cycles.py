"""The whole cycle against real servers, as installed: two replicas of one collection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.sync.databases import Places
from tests.sync.real.datasette import Datasette
from tests.sync.real.kinto import Kinto
from tests.sync.real.roundup import Roundup, RoundupRemote, by_activity
from tests.sync.replicas import Collection, Replica, settled
from windlass.sync.merge import merge
from windlass.sync.remote import Remote

TITLED = "CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT NOT NULL, done BOOLEAN NOT NULL DEFAULT 0)"
ISSUES = "CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT NOT NULL)"
BOTH = merge({"title": "client", "done": "server"})


@contextmanager
def two_replicas(place: Places, remote: Remote, **declaration: Any) -> Iterator[tuple[Replica, Replica]]:
    ada, bob = (Replica(place(name), Collection(), remote=remote, **declaration) for name in ("a", "b"))
    try:
        yield ada, bob
    finally:
        ada.close()
        bob.close()


def titles(replica: Replica) -> list[str]:
    return sorted(row["title"] for row in replica.rows().values())


def quiet(*replicas: Replica) -> bool:
    return all(not any(one.counts().values()) for one in replicas)


def test_kinto_keeps_two_replicas_equal(kinto: Kinto, places: Places) -> None:
    """Pages of five, changes since a version, tombstones, batches, a 412 with the current row."""
    with (
        kinto.remote() as remote,
        two_replicas(places, remote, schema=TITLED, on_conflict=BOTH) as (ada, bob),
    ):
        for number in range(12):
            ada.do("INSERT INTO tasks VALUES (?, ?, false)", f"k{number}", f"task {number}")
        settled(ada, bob)
        assert bob.rows() == ada.rows()
        assert len(bob.rows()) == 12
        ada.do("UPDATE tasks SET title = 'hers', done = true WHERE id = 'k1'")
        bob.do("UPDATE tasks SET title = 'his' WHERE id = 'k1'")
        bob.do("DELETE FROM tasks WHERE id = 'k2'")
        bob.sync()
        settled(ada, bob)
        assert bob.rows() == ada.rows()
        assert ada.rows()["k1"] == {"id": "k1", "title": "hers", "done": 1}
        assert "k2" not in ada.rows()
        assert quiet(ada, bob)


def test_kinto_answers_a_pull_without_news_with_304(kinto: Kinto, places: Places) -> None:
    with (
        kinto.remote(conditional="collection") as remote,
        two_replicas(places, remote, schema=TITLED) as (ada, _),
    ):
        ada.do("INSERT INTO tasks VALUES ('k1', 'tea', false)")
        ada.sync()
        ada.pull()
        assert ada.pull().not_modified


def test_a_conflict_at_kinto_waits_and_is_resolved(kinto: Kinto, places: Places) -> None:
    from windlass.sync import reconcile

    with kinto.remote() as remote, two_replicas(places, remote, schema=TITLED) as (ada, bob):
        ada.do("INSERT INTO tasks VALUES ('k1', 'tea', false)")
        settled(ada, bob)
        ada.do("UPDATE tasks SET title = 'green tea'")
        bob.do("UPDATE tasks SET title = 'coffee'")
        bob.sync()
        ada.sync()
        assert ada.counts()["conflicts"] == 1
        with ada.cycle.ledger.hold("tasks") as hold:
            ada.cycle.step(hold, ["k1"], lambda one: reconcile.resolve(one, {"title": "mate"}, 0))
        settled(ada, bob)
        assert titles(ada) == titles(bob) == ["mate"]
        assert quiet(ada, bob)


def test_roundup_keeps_two_replicas_equal(roundup: Roundup, places: Places, tmp_path: Path) -> None:
    """Ids of the server's own, If-Match on every write, single-use posts, links in the body; what is retired
    is found by its absence."""
    marker = tmp_path.name
    parameters = {"@fields": "title,activity", "@sort": "activity", "title": marker}
    remote = RoundupRemote(roundup, "issue", fields="", parameters=parameters)
    with (
        remote,
        two_replicas(places, remote, schema=ISSUES, ids="server", on_conflict="client") as (ada, bob),
    ):
        bob.do("INSERT INTO tasks VALUES (7, ?)", f"his {marker}")
        ada.do("INSERT INTO tasks VALUES (7, ?), (8, ?)", f"hers {marker}", f"retired {marker}")
        settled(ada, bob)
        assert titles(ada) == titles(bob) == [f"hers {marker}", f"his {marker}", f"retired {marker}"]
        ada.do("UPDATE tasks SET title = ? WHERE title = ?", f"both {marker}", f"his {marker}")
        bob.do("DELETE FROM tasks WHERE title = ?", f"retired {marker}")
        settled(ada, bob)
        assert titles(ada) == titles(bob) == [f"both {marker}", f"hers {marker}"]
        assert quiet(ada, bob)


def test_roundup_tells_what_changed_since(roundup: Roundup, places: Places, tmp_path: Path) -> None:
    marker = tmp_path.name
    parameters = {"@fields": "title,activity", "@sort": "activity", "title": marker}
    remote = RoundupRemote(roundup, "issue", fields="", parameters=parameters, cursor=by_activity())
    with remote, two_replicas(places, remote, schema=ISSUES, ids="server") as (ada, bob):
        ada.do("INSERT INTO tasks VALUES (1, ?), (2, ?)", f"one {marker}", f"two {marker}")
        settled(ada, bob)
        assert bob.cycle.ledger.state("tasks").cursor is not None
        ada.do("UPDATE tasks SET title = ? WHERE id = 1", f"edited {marker}")
        settled(ada, bob)
        assert titles(ada) == titles(bob) == [f"edited {marker}", f"two {marker}"]


def test_datasette_keeps_two_replicas_equal(datasette: Datasette, places: Places) -> None:
    """No versions and no tombstones: everything is told each time, in pages by key, and the rest is swept."""
    with (
        datasette.remote() as remote,
        two_replicas(places, remote, schema=TITLED, on_conflict="client", page_size=20) as (ada, bob),
    ):
        for number in range(45):
            ada.do("INSERT INTO tasks VALUES (?, ?, false)", f"k{number:02d}", f"task {number}")
        settled(ada, bob)
        assert bob.rows() == ada.rows()
        assert len(bob.rows()) == 45
        ada.do("UPDATE tasks SET done = true WHERE id = 'k01'")
        bob.do("UPDATE tasks SET title = 'his' WHERE id = 'k02'")
        bob.do("DELETE FROM tasks WHERE id = 'k03'")
        settled(ada, bob)
        assert bob.rows() == ada.rows()
        assert (ada.rows()["k01"]["done"], ada.rows()["k02"]["title"]) == (1, "his")
        assert "k03" not in ada.rows()
        assert quiet(ada, bob)


@pytest.mark.parametrize("page_size", [3, 1000])
def test_a_row_that_datasette_rejects_parks_itself_alone(
    datasette: Datasette, places: Places, page_size: int
) -> None:
    """It takes a batch as a whole or not at all: the one that is wrong is found."""
    with datasette.remote() as remote, two_replicas(
        places, remote, schema=TITLED.replace("NOT NULL,", ","), page_size=page_size
    ) as (ada, _):  # fmt: skip
        for number in range(9):
            ada.do(
                "INSERT INTO tasks VALUES (?, ?, false)",
                f"k{number}",
                None if number == 4 else f"task {number}",
            )
        ada.push()
        ((_, dead),) = ada.cycle.ledger.changes("tasks")
        assert (dead.key, dead.status) == ("k4", "failed")
        assert "NOT NULL" in (dead.error or "")
        assert ada.cycle.ledger.counts("tasks").rows == 8

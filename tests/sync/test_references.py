"""Two tables, one of which refers to the other, at a remote that makes ids of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sync.databases import Places, connected
from tests.sync.replicas import Collection, Told, Wire
from windlass.store import open_store
from windlass.sync.engine import Engine
from windlass.sync.resource import declare
from windlass.sync.waiting import sentence
from windlass.testing import ManualClock

SCHEMA = """
CREATE TABLE projects (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE tasks (id INTEGER PRIMARY KEY, project_id INTEGER REFERENCES projects (id), title TEXT);
"""


class Office:
    """One program with both tables."""

    def __init__(self, database: str, projects: Collection, tasks: Collection, first_id: int) -> None:
        self.clock = ManualClock()
        self.store = open_store(database, self.clock)
        self.store.migrate()
        self.db = connected(database)
        self.db.executescript(SCHEMA)
        # Each replica numbers its rows in its own way: the remote's ids are what they have in common.
        self.first_id = first_id
        self.engine = Engine(lambda: self.store.ledger, lambda: self.clock, Told)
        self.wires = {"projects": Wire(projects), "tasks": Wire(tasks)}
        for name, wire in self.wires.items():
            self.engine.add(declare(name, wire, ids="server", on_conflict="client"))
            self.engine.install(name)

    def push(self, name: str) -> Any:
        return self.engine.push(name, force=True)

    def sync(self) -> None:
        for name in ("projects", "tasks", "projects", "tasks"):
            self.push(name)
        for name in ("tasks", "projects", "tasks"):
            self.engine.pull(name, force=True)

    def listing(self) -> list[tuple[str, str]]:
        """Each task with the name of its project, whatever their numbers are here."""
        query = "SELECT name, title FROM tasks JOIN projects ON projects.id = project_id ORDER BY title"
        return [tuple(row) for row in self.db.execute(query)]

    def close(self) -> None:
        self.db.close()
        self.store.close()


@pytest.fixture
def collections() -> tuple[Collection, Collection]:
    return Collection(), Collection()


@pytest.fixture
def office(places: Places, collections: tuple[Collection, Collection]) -> Iterator[Callable[[], Office]]:
    made: list[Office] = []

    def make() -> Office:
        made.append(Office(places(f"office-{len(made)}"), *collections, first_id=len(made) * 100))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_child_waits_for_its_parent_and_goes_with_the_parents_remote_id(
    office: Callable[[], Office], collections: tuple[Collection, Collection]
) -> None:
    ada = office()
    ada.db.execute("INSERT INTO projects VALUES (7, 'garden')")
    ada.db.execute("INSERT INTO tasks VALUES (1, 7, 'weed'), (2, NULL, 'rest')")
    assert ada.push("tasks").accepted == 1, "the one without a parent does not wait"
    (held,) = ada.store.ledger.held("tasks")
    assert sentence(held.hold or "") == "waits for 7 of projects, which the remote does not have yet"
    ada.push("projects")
    ada.push("tasks")
    projects, tasks = collections
    (remote_id,) = projects.alive()
    assert [task["project_id"] for task in tasks.alive().values() if task["title"] == "weed"] == [remote_id]


def test_references_arrive_with_the_local_key_of_the_parent(office: Callable[[], Office]) -> None:
    """Also where the child comes first: it waits in the quarantine for its parent."""
    ada, bob = office(), office()
    bob.db.execute("INSERT INTO projects VALUES (7, 'house')")
    ada.db.execute("INSERT INTO projects VALUES (7, 'garden')")
    ada.db.execute("INSERT INTO tasks VALUES (1, 7, 'weed')")
    bob.db.execute("INSERT INTO tasks VALUES (1, 7, 'paint')")
    for _ in range(2):
        ada.sync()
        bob.sync()
    assert ada.listing() == bob.listing() == [("house", "paint"), ("garden", "weed")]
    assert ada.store.ledger.quarantined("tasks") == []


def test_an_unchanged_reference_is_no_difference(office: Callable[[], Office]) -> None:
    """The remote says the parent's remote id, the row its local key: they are the same."""
    ada, bob = office(), office()
    ada.db.execute("INSERT INTO projects VALUES (7, 'garden')")
    ada.db.execute("INSERT INTO tasks VALUES (1, 7, 'weed')")
    ada.sync()
    bob.sync()
    bob.db.execute("UPDATE tasks SET title = 'weed again'")
    bob.sync()
    ada.sync()
    assert ada.listing() == bob.listing() == [("garden", "weed again")]
    for one in (ada, bob):
        assert one.store.ledger.counts("tasks").pending == 0


def test_a_rejected_parent_parks_its_children_and_nothing_else(
    office: Callable[[], Office], collections: tuple[Collection, Collection]
) -> None:
    """P4."""
    ada = office()
    projects, tasks = collections
    projects.refuses = lambda change: "no such name" if change.document.get("name") == "bad" else None
    ada.db.execute("INSERT INTO projects VALUES (1, 'bad'), (2, 'good')")
    ada.db.execute("INSERT INTO tasks VALUES (1, 1, 'parked'), (2, 2, 'goes on')")
    for name in ("projects", "tasks", "tasks"):
        ada.push(name)
    assert [task["title"] for task in tasks.alive().values()] == ["goes on"]
    (held,) = ada.store.ledger.held("tasks")
    assert sentence(held.hold or "") == "waits for 1 of projects, which the remote rejected"
    ada.db.execute("UPDATE projects SET name = 'better' WHERE id = 1")
    ada.sync()
    assert {task["title"] for task in tasks.alive().values()} == {"goes on", "parked"}


def test_a_parent_is_deleted_after_its_children(
    office: Callable[[], Office], collections: tuple[Collection, Collection]
) -> None:
    ada = office()
    projects, tasks = collections
    ada.db.execute("INSERT INTO projects VALUES (7, 'garden')")
    ada.db.execute("INSERT INTO tasks VALUES (1, 7, 'weed')")
    ada.sync()
    ada.db.execute("DELETE FROM tasks")
    ada.db.execute("DELETE FROM projects")
    ada.push("projects")
    assert projects.alive() != {}, "the child's delete goes first"
    ada.push("tasks")
    ada.push("projects")
    assert (projects.alive(), tasks.alive()) == ({}, {})


def test_our_own_insert_that_a_pull_brought_is_one_row(
    office: Callable[[], Office], collections: tuple[Collection, Collection]
) -> None:
    """Its answer was lost, so its id is not known when the pull comes: the twin goes when the answer does."""
    ada = office()
    ada.db.execute("INSERT INTO projects VALUES (7, 'garden')")
    wire = ada.wires["projects"]
    wire.fault = lambda kind: "unanswered" if kind == "push" else None
    with pytest.raises(Exception, match="cut"):
        ada.push("projects")
    wire.fault = lambda _: None
    ada.engine.pull("projects", force=True)
    ada.push("projects")
    assert [tuple(row) for row in ada.db.execute("SELECT * FROM projects")] == [(7, "garden")]
    projects, _ = collections
    assert len(projects.alive()) == 1


def test_rows_that_refer_to_a_twin_refer_to_the_row_that_stays(
    office: Callable[[], Office], collections: tuple[Collection, Collection]
) -> None:
    ada = office()
    ada.db.execute("INSERT INTO projects VALUES (7, 'garden')")
    wire = ada.wires["projects"]
    wire.fault = lambda kind: "unanswered" if kind == "push" else None
    with pytest.raises(Exception, match="cut"):
        ada.push("projects")
    wire.fault = lambda _: None
    ada.engine.pull("projects", force=True)
    ((twin,),) = ada.db.execute("SELECT id FROM projects WHERE id <> 7").fetchall()
    ada.db.execute("INSERT INTO tasks VALUES (1, ?, 'weed')", [twin])
    # Sealed while its parent was known by the twin's key, and never answered.
    ada.db.execute("INSERT INTO tasks VALUES (2, ?, 'dig')", [twin])
    ada.wires["tasks"].fault = lambda kind: "unanswered" if kind == "push" else None
    with pytest.raises(Exception, match="cut"):
        ada.push("tasks")
    ada.wires["tasks"].fault = lambda _: None
    ada.db.execute("INSERT INTO tasks VALUES (3, ?, 'mow')", [twin])
    ada.push("projects")
    assert [tuple(row) for row in ada.db.execute("SELECT * FROM projects")] == [(7, "garden")]
    assert [row[0] for row in ada.db.execute("SELECT project_id FROM tasks")] == [7] * 3
    ada.sync()
    projects, tasks = collections
    (remote_id,) = projects.alive()
    assert {task["project_id"] for task in tasks.alive().values()} == {remote_id}
    assert len(tasks.alive()) == 3
    assert ada.store.ledger.counts("tasks").pending == 0


@pytest.mark.sqlite
def test_a_reference_to_a_row_that_is_not_there_is_held_and_never_sent_as_our_own_key(
    office: Callable[[], Office], collections: tuple[Collection, Collection]
) -> None:
    """SQLite checks no reference of a connection that does not ask for it; PostgreSQL refuses such a row."""
    ada = office()
    ada.db.execute("INSERT INTO tasks VALUES (1, 99, 'weed')")
    ada.sync()
    _, tasks = collections
    assert tasks.alive() == {}
    (held,) = ada.store.ledger.held("tasks")
    assert sentence(held.hold or "") == "waits for 99 of projects, which is not there"
    ada.db.execute("INSERT INTO projects VALUES (99, 'garden')")
    ada.sync()
    ada.sync()
    projects, _ = collections
    assert [task["project_id"] for task in tasks.alive().values()] == list(projects.alive())

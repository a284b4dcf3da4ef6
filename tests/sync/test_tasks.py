"""Jobs of sync that no edit in the journal asks for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sync.databases import moment
from tests.sync.replicas import Collection, Wire
from windlass import Windlass
from windlass.sync.handle import Resource
from windlass.sync.tasks import PULL, PUSH, SyncSource
from windlass.testing import drain

pytestmark = pytest.mark.hintless


@pytest.fixture
def tasks(app: Windlass, db: Any, collection: Collection) -> Resource:
    # Without a debounce: what is put off by it is not due yet when the queue is drained.
    return app.sync.resource("tasks", remote=Wire(collection), on_conflict="ask", debounce="0s")


def test_what_a_person_decided_is_pushed_without_another_edit(
    app: Windlass, db: Any, tasks: Resource, collection: Collection
) -> None:
    collection.put("1", title="coffee")
    db.execute("INSERT INTO tasks (id, title) VALUES ('1', 'tea')")
    drain(app)
    assert [one.key for one in tasks.conflicts()] == ["1"]
    tasks.resolve("1", "mine")
    drain(app)
    assert collection.alive()["1"]["title"] == "tea"


def test_an_edit_that_only_a_pull_has_read_is_pushed(
    app: Windlass, db: Any, tasks: Resource, collection: Collection
) -> None:
    collection.put("1", title="coffee", note="black")
    drain(app)
    db.execute("UPDATE tasks SET title = 'tea' WHERE id = '1'")
    collection.put("1", note="white")
    tasks.pull()
    assert app.store.ledger.has_news() == []
    drain(app)
    assert (collection.alive()["1"]["title"], collection.alive()["1"]["note"]) == ("tea", "white")


def test_a_source_that_is_asked_again_and_again_writes_nothing(
    app: Windlass, db: Any, tasks: Resource
) -> None:
    """A commit for nothing rings the bell, and the ring asks again: a loop without a pause, also offline."""
    db.execute("INSERT INTO tasks (id, title) VALUES ('1', 'tea')")
    (source,) = [one for one in app.make_sources() if isinstance(one, SyncSource)]
    source.look()
    keys = [job.key for job in app.jobs.list()]
    assert sorted(keys) == [PULL, PUSH]
    before = moment(db)
    for _ in range(5):
        source.look()
    assert moment(db) == before


def test_who_waited_for_a_row_is_looked_at_again_after_a_push_that_looked_before(
    app: Windlass, db: Any, tasks: Resource
) -> None:
    """A push of the children, which found their parents unsent, was still at its end when those had gone."""
    made: list[tuple[int, bool]] = []

    def wake(kind: str) -> None:
        if kind == "push" and not made:
            for ask in (tasks._tasks.push_soon, tasks._tasks.push_after):
                job = ask("tasks")
                made.append((job.id, job.created))

    wire = app.sync.engine.cycle("tasks").remote
    assert isinstance(wire, Wire)
    wire.before = wake
    db.execute("INSERT INTO tasks (id, title) VALUES ('1', 'tea')")
    drain(app)
    (running, kept), (later, created) = made
    assert (kept, created) == (False, True)
    done = [job.id for job in app.jobs.list() if job.key == PUSH]
    assert sorted(done) == [running, later]
    assert {job.status.name for job in app.jobs.list()} == {"COMPLETED"}

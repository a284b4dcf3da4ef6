"""Rows of a synced table that are gone, and a service that waits for a word, or for the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.sync.databases import moment
from tests.sync.replicas import TASKS, Collection, Wire
from windlass import JobStatus, Windlass
from windlass.change import Key
from windlass.clock import monotonic
from windlass.store.ledger import Ledger
from windlass.sync import losses
from windlass.sync import tasks as synctasks
from windlass.sync.tasks import SyncSource
from windlass.testing import drain


def test_a_service_makes_no_jobs_of_a_resource_that_waits_for_a_word(
    app: Windlass, db: Any, collection: Collection
) -> None:
    tasks = app.sync.resource("tasks", remote=Wire(collection))
    for number in range(3):
        collection.put(f"{number}", title="there", done=0, note=None)
    tasks.pull()
    db.execute("DROP TABLE tasks")
    db.execute(TASKS)
    app.sync.install()
    db.execute("INSERT INTO tasks VALUES ('new', 'new', 0, NULL)")
    drain(app)
    assert tasks.runs() == []
    tasks.now()
    drain(app)
    assert [job.status for job in tasks.runs()] == [JobStatus.CANCELLED] * 2
    said = [app.jobs.attempts(job.id)[-1].error or "" for job in tasks.runs()]
    assert ["--bring-back" in one for one in said] == [True] * 2
    assert sorted(collection.alive()) == ["0", "1", "2"]
    assert tasks.bring_back() == 3
    tasks.push()
    assert sorted(collection.alive()) == ["0", "1", "2", "new"]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets seconds pass for what waits to look again."""
    passed = [0.0]
    for module in (losses, synctasks):
        monkeypatch.setattr(module, "monotonic", lambda: monotonic() + passed[0])

    def wait(seconds: float) -> None:
        passed[0] += seconds

    return wait


def test_a_service_goes_on_by_itself_when_the_rows_are_back(
    app: Windlass, db: Any, collection: Collection, later: Callable[[float], None]
) -> None:
    tasks = app.sync.resource("tasks", remote=Wire(collection), debounce="0s")
    for number in range(12):
        collection.put(f"{number}", title="there", done=0, note=None)
    tasks.pull()
    kept = [tuple(row) for row in db.execute("SELECT id, title, done, note FROM tasks")]
    (source,) = [one for one in app.make_sources() if isinstance(one, SyncSource)]
    db.execute("DROP TABLE tasks")
    db.execute(TASKS)
    assert source.look() is not None
    assert tasks.status().state == "blocked"
    assert "12 of the 12 rows" in (tasks.status().reason or "")
    for row in kept[:3]:
        db.execute("INSERT INTO tasks VALUES (?, ?, ?, ?)", row)
    later(60)
    assert source.look() is not None
    assert (tasks.status().state, tasks.runs()) == ("blocked", [])
    for row in kept[3:]:
        db.execute("INSERT INTO tasks VALUES (?, ?, ?, ?)", row)
    db.execute("UPDATE tasks SET title = 'mine' WHERE id = '7'")
    later(60)
    source.look()
    drain(app)
    assert tasks.status().state == "idle"
    assert [job.status for job in tasks.runs()] == [JobStatus.COMPLETED]
    assert (len(collection.alive()), collection.alive()["7"]["title"]) == (12, "mine")


def test_rows_that_did_not_come_back_with_the_others_are_judged_when_no_more_come(
    app: Windlass, db: Any, collection: Collection, later: Callable[[float], None]
) -> None:
    tasks = app.sync.resource("tasks", remote=Wire(collection), debounce="0s")
    for number in range(30):
        collection.put(f"{number:02}", title="there", done=0, note=None)
    tasks.pull()
    kept = [tuple(row) for row in db.execute("SELECT id, title, done, note FROM tasks")]
    (source,) = [one for one in app.make_sources() if isinstance(one, SyncSource)]
    db.execute("DROP TABLE tasks")
    db.execute(TASKS)
    for rows, state in ((kept[:3], "27 of the 30"), (kept[3:28], None)):
        source.look()
        for row in rows:
            db.execute("INSERT INTO tasks VALUES (?, ?, ?, ?)", row)
        later(60)
        source.look()
        assert tasks.status().state == "blocked"
        later(60)
        source.look()
        assert (state is None) == (tasks.status().sweep_refused is None)
        assert (state or "") in (tasks.status().reason or "")
    drain(app)
    assert len(collection.alive()) == 28


def test_rows_that_stay_gone_are_looked_for_now_and_then_and_nothing_is_written(
    app: Windlass, db: Any, collection: Collection, later: Callable[[float], None]
) -> None:
    """To look for them in a large table takes long: that must not go on and on."""
    tasks = app.sync.resource("tasks", remote=Wire(collection))
    for number in range(3):
        collection.put(f"{number}", title="there", done=0, note=None)
    tasks.pull()
    db.execute("DROP TABLE tasks")
    db.execute(TASKS)
    found, ledger, slow = app.sync.engine.losses, app.store.ledger, [0]
    app.sync.engine.install("tasks")

    def absent(name: str) -> list[Key]:
        slow[0] += 1
        later(10)
        return type(ledger).absent(ledger, name)

    asked = cast("Ledger", Slow(ledger, absent))
    settings = app.sync.engine.get("tasks").settings
    found.look_again(asked, settings)
    before = moment(db)
    for _ in range(100):
        later(10)
        found.look_again(asked, settings)
    assert found.waits(ledger, "tasks")
    assert slow[0] == 2
    assert moment(db) == before


class Slow:
    """A ledger that takes its time for one question."""

    def __init__(self, ledger: Ledger, absent: Callable[[str], list[Key]]) -> None:
        self._ledger = ledger
        self.absent = absent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

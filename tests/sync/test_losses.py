"""Rows that are gone here unheard: a table that was dropped and made anew deletes nothing at the server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sync.replicas import TASKS, Collection, Make, Replica, Wire, equal
from windlass import Windlass
from windlass.errors import ConfigError, SweepRefused
from windlass.store.ledger import LOST


def filled(one: Replica, count: int) -> None:
    """In step with the collection."""
    one.engine.install("tasks")
    for number in range(count):
        one.db.execute(f"INSERT INTO tasks VALUES ('{number:02}', 'task {number}', 0, NULL)")
    one.sync()
    equal(one.wire.collection, one)


def made_anew(one: Replica, schema: str = TASKS) -> None:
    one.db.execute("DROP TABLE tasks")
    one.db.execute(schema)


def is_stopped(one: Replica, count: int) -> None:
    """Nothing goes in either direction, nothing is queued, and whoever looks is told."""
    before = len(one.wire.requests)
    for act in (one.push, one.pull):
        with pytest.raises(SweepRefused, match=f"{count} of the {count} rows.*--bring-back.*--sweep-there"):
            act()
    assert len(one.wire.requests) == before
    assert one.engine.ledger.journal("tasks") == []
    assert any("nobody was heard to delete them" in fault for fault in one.engine.ledger.faults("tasks"))


def refused(one: Replica) -> str | None:
    """What its status tells of it, as it is noted."""
    return one.engine.ledger.notes("tasks").get(LOST)


@pytest.mark.parametrize("count", [2, 30])
def test_a_table_that_is_made_anew_deletes_nothing_and_its_rows_can_be_put_back(
    replica: Make, collection: Collection, count: int
) -> None:
    ada = replica()
    filled(ada, count)
    made_anew(ada)
    is_stopped(ada, count)
    assert len(collection.alive()) == count
    collection.put("00", title="edited there meanwhile")
    collection.delete("01")
    assert ada.engine.bring_back("tasks") == count
    assert ada.engine.ledger.faults("tasks") == []
    assert ada.push().sent == 0
    ada.pull()
    assert ada.rows()["00"]["title"] == "edited there meanwhile"
    equal(collection, ada)


def test_a_loss_that_is_meant_is_told_to_the_server(replica: Make, collection: Collection) -> None:
    ada = replica()
    filled(ada, 12)
    made_anew(ada)
    is_stopped(ada, 12)
    assert ada.push(sweep_all=True).accepted == 12
    assert collection.alive() == {}
    ada.pull()
    equal(collection, ada)


def test_a_loss_is_told_to_another_program_and_is_over_there_when_it_is_here(
    replica: Make, collection: Collection
) -> None:
    ada = replica()
    filled(ada, 12)
    made_anew(ada)
    is_stopped(ada, 12)
    found, ledger = ada.engine.losses, ada.engine.ledger
    ada.engine.forget()
    assert ada.engine.cycle("tasks").table.name == "tasks"
    assert found.waits(ledger, "tasks")
    assert "12 of the 12 rows" in (refused(ada) or "")
    ledger.recapture("tasks")  # as another process does that was told what is meant
    assert not found.waits(ledger, "tasks")
    assert refused(ada) is None
    assert ada.push().accepted == 12


def test_rows_that_come_back_from_elsewhere_let_it_go_on_by_itself(
    replica: Make, collection: Collection
) -> None:
    ada = replica()
    filled(ada, 12)
    kept = [tuple(row.values()) for row in ada.rows().values()]
    made_anew(ada)
    is_stopped(ada, 12)
    for row in kept[1:]:
        ada.db.execute("INSERT INTO tasks VALUES (?, ?, ?, ?)", row)
    ada.sync()
    assert len(collection.alive()) == 11
    equal(collection, ada)


def test_what_was_deleted_in_the_open_is_deleted_there_whatever_happens_to_the_schema(
    replica: Make, collection: Collection
) -> None:
    ada = replica()
    filled(ada, 12)
    ada.db.execute("DELETE FROM tasks")
    ada.db.execute("ALTER TABLE tasks ADD COLUMN more TEXT")
    assert ada.push().accepted == 12
    assert collection.alive() == {}


def test_a_handful_that_goes_in_a_rebuild_is_deleted_there(replica: Make, collection: Collection) -> None:
    ada = replica()
    filled(ada, 12)
    ada.engine.ledger.lift("tasks")
    ada.db.execute("DELETE FROM tasks WHERE id < '10'")
    ada.engine.forget()
    assert ada.push().accepted == 10
    assert set(collection.alive()) == {"10", "11"}


def test_a_row_that_the_new_table_refuses_is_asked_for_again_and_deletes_nothing(
    replica: Make, collection: Collection
) -> None:
    ada = replica()
    filled(ada, 12)
    made_anew(ada, TASKS.replace("title TEXT", "title TEXT CHECK (title <> 'task 7')"))
    assert ada.engine.bring_back("tasks") == 11
    ada.sync()
    assert len(collection.alive()) == 12
    assert [one.remote_id for one in ada.engine.ledger.quarantined("tasks")] == ["07"]
    collection.put("07", title="another title")
    ada.sync()
    equal(collection, ada)


def with_kept_edits(ada: Replica, collection: Collection) -> None:
    """A dead letter of row 00, a conflict about 01, an edit of 02 that waits, and 03 is being deleted."""
    filled(ada, 12)
    collection.refuses = lambda change: "not this one" if change.remote_id == "00" else None
    ada.db.execute("UPDATE tasks SET title = 'mine' WHERE id IN ('00', '01')")
    collection.put("01", title="theirs")
    ada.sync()
    ada.db.execute("UPDATE tasks SET title = 'mine' WHERE id = '02'")
    ada.db.execute("DELETE FROM tasks WHERE id = '03'")
    ada.wire.fault = lambda kind: "500" if kind == "push" else None
    ada.push()
    ada.wire.fault = lambda _: None
    assert ada.counts() == {"pending": 3, "failed": 1, "conflicts": 1, "held": 1}
    assert ada.told.open == {"dead:tasks:00", "conflict:tasks:01"}


def test_what_was_edited_and_waits_comes_back_with_its_row(replica: Make, collection: Collection) -> None:
    ada = replica(on_conflict="ask")
    with_kept_edits(ada, collection)
    before, counts = ada.rows(), ada.counts()
    made_anew(ada)
    with pytest.raises(SweepRefused, match="11 of the 12 rows"):
        ada.push()
    assert ada.engine.bring_back("tasks") == 11
    assert (ada.rows(), ada.counts()) == (before, counts)
    assert ada.told.open == {"dead:tasks:00", "conflict:tasks:01"}
    ada.clock.advance("1h")
    ada.sync()
    assert ada.rows() == before
    assert ada.counts() == {"pending": 1, "failed": 1, "conflicts": 1, "held": 1}
    assert collection.alive()["02"]["title"] == "mine"
    assert "03" not in collection.alive()
    assert [one.reason for one in ada.told.events if hasattr(one, "reason")] == ["not this one"]


def test_what_is_over_with_a_row_that_does_not_come_back_is_told_when_it_is_so_again(
    replica: Make, collection: Collection
) -> None:
    ada = replica(on_conflict="ask")
    with_kept_edits(ada, collection)
    made_anew(ada, TASKS.replace("title TEXT", "title TEXT CHECK (title <> 'mine')"))
    assert ada.engine.bring_back("tasks") == 8
    assert ada.told.open == set()
    ada.sync()
    told = len(ada.told.events)
    ada.db.execute("UPDATE tasks SET title = 'mine again' WHERE id = '01'")
    collection.put("01", title="theirs again")
    ada.sync()
    assert ada.counts()["conflicts"] == 1
    assert [one.key for one in ada.told.events[told:]] == ["01"]


def test_rows_whose_ids_the_server_makes_come_back_under_their_own_keys(
    replica: Make, collection: Collection
) -> None:
    """Others may refer to them."""
    schema = TASKS.replace("id TEXT PRIMARY KEY", "id INTEGER PRIMARY KEY")
    ada = replica(ids="server", schema=schema)
    for number in range(3):
        ada.do(f"INSERT INTO tasks (title) VALUES ('task {number}')")
    ada.sync()
    before = ada.rows()
    made_anew(ada, schema)
    with pytest.raises(SweepRefused):
        ada.push()
    assert ada.engine.bring_back("tasks") == 3
    ada.sync()
    assert ada.rows() == before
    assert len(collection.alive()) == 3


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (TASKS.replace("id TEXT PRIMARY KEY", "id INTEGER PRIMARY KEY"), "was id TEXT and is id "),
        (
            TASKS.replace("id TEXT PRIMARY KEY", "number TEXT PRIMARY KEY, id TEXT"),
            "was id and is number",
        ),
    ],
)
def test_another_primary_key_is_refused_until_the_former_table_is_forgotten(
    replica: Make, collection: Collection, schema: str, said: str
) -> None:
    ada = replica()
    filled(ada, 2)
    made_anew(ada, schema)
    for act in (ada.push, ada.pull):
        with pytest.raises(ConfigError, match=f"{said}.*it is another table.*app.sync.forget"):
            act()
    assert said in " ".join(ada.engine.ledger.faults("tasks"))
    assert len(collection.alive()) == 2
    made_anew(ada)
    assert ada.engine.bring_back("tasks") == 2
    equal(collection, ada)


def test_a_resource_that_is_forgotten_begins_anew_with_its_table(
    app: Windlass, db: Any, collection: Collection
) -> None:
    tasks = app.sync.resource("tasks", remote=Wire(collection))
    collection.put("7", title="seven", done=0, note=None)
    tasks.pull()
    db.execute("DROP TABLE tasks")
    db.execute(TASKS.replace("id TEXT", "id INTEGER"))
    with pytest.raises(ConfigError, match="another table"):
        tasks.pull()
    app.sync.forget("tasks")
    tasks.pull()
    assert [row[0] for row in db.execute("SELECT id FROM tasks")] == [7]
    assert (tasks.push().sent, tasks.faults()) == (0, [])

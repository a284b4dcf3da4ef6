"""A column is renamed, dropped, or synced no more: what was written down of it must not come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.sync.databases import Places
from tests.sync.replicas import Collection, Make, Replica
from windlass.sync.reconcile import resolve


@pytest.fixture
def ada(replica: Make, collection: Collection) -> Replica:
    """In step with the collection: two rows, each with a note."""
    one = replica()
    one.do("INSERT INTO tasks VALUES ('1', 'tea', 0, 'black'), ('2', 'milk', 0, 'whole')")
    one.sync()
    return one


@pytest.fixture
def without_note(ada: Replica, places: Places, collection: Collection) -> Iterator[Replica]:
    """The same database, by a program that says that notes stay here."""
    with closing(Replica(places("replica-0"), collection, exclude=["note"])) as later:
        yield later


def quiet(one: Replica) -> None:
    """Another round says nothing and changes nothing."""
    assert one.counts() == {"pending": 0, "failed": 0, "conflicts": 0, "held": 0}
    assert (one.push().sent, one.pull().written) == (0, 0)
    assert one.engine.ledger.faults("tasks") == []


def meanwhile(one: Replica, other: Replica) -> None:
    """While the next request of the one is under way the other starts, and a note is edited."""

    def start(kind: str) -> None:
        one.wire.before = lambda _: None
        other.engine.install("tasks")
        other.db.execute("UPDATE tasks SET note = 'local only'")

    one.wire.before = start


def test_a_renamed_column_is_a_new_one_and_the_old_one_is_let_go(
    ada: Replica, collection: Collection
) -> None:
    ada.db.execute("ALTER TABLE tasks RENAME COLUMN note TO remark")
    ada.db.execute("UPDATE tasks SET remark = 'green' WHERE id = '1'")
    collection.put("2", title="oat milk")
    ada.sync()
    ada.sync()
    assert {key: (row["title"], row["remark"]) for key, row in ada.rows().items()} == {
        "1": ("tea", "green"), "2": ("oat milk", "whole"),
    }  # fmt: skip
    assert {key: row["remark"] for key, row in collection.alive().items()} == {"1": "green", "2": "whole"}
    quiet(ada)


def test_a_dropped_column_stops_neither_a_push_nor_a_pull(ada: Replica, collection: Collection) -> None:
    ada.db.execute("ALTER TABLE tasks DROP COLUMN note")
    collection.put("2", title="oat milk")
    ada.pull()
    ada.db.execute("UPDATE tasks SET title = 'green tea' WHERE id = '1'")
    ada.push()
    assert {key: dict(row) for key, row in ada.rows().items()} == {
        "1": {"id": "1", "title": "green tea", "done": 0}, "2": {"id": "2", "title": "oat milk", "done": 0},
    }  # fmt: skip
    assert collection.alive()["1"] == {"id": "1", "title": "green tea", "done": 0, "note": "black"}
    quiet(ada)


def test_a_column_that_is_excluded_later_keeps_what_is_here(
    without_note: Replica, collection: Collection
) -> None:
    ada = without_note
    ada.sync()
    ada.db.execute("UPDATE tasks SET note = 'local only'")
    ada.db.execute("UPDATE tasks SET title = 'green tea' WHERE id = '1'")
    collection.put("2", title="oat milk", note="theirs")
    ada.sync()
    assert {key: (row["title"], row["note"]) for key, row in ada.rows().items()} == {
        "1": ("green tea", "local only"), "2": ("oat milk", "local only"),
    }  # fmt: skip
    assert {key: row["note"] for key, row in collection.alive().items()} == {"1": "black", "2": "theirs"}
    quiet(ada)


@pytest.mark.parametrize("rows", [3, 30])
def test_a_page_that_is_on_its_way_while_a_column_is_excluded_leaves_it_alone(
    ada: Replica, without_note: Replica, collection: Collection, rows: int
) -> None:
    """Whoever asked for it knows the column still."""
    meanwhile(ada, without_note)
    collection.put("1", title="green tea", note="theirs")
    for number in range(rows):
        collection.put(f"new-{number:02}", title="new", done=0, note="theirs")
    ada.pull()
    found = ada.rows()
    assert (found["1"]["title"], found["1"]["note"]) == ("green tea", "local only")
    assert {row["note"] for key, row in found.items() if str(key).startswith("new")} == {None}
    quiet(without_note)


def test_a_change_that_was_sealed_before_its_column_went_is_settled(
    ada: Replica, collection: Collection
) -> None:
    """The first answer is lost; the resend tells what is left of it."""
    ada.db.execute("UPDATE tasks SET title = 'green tea', note = 'new' WHERE id = '1'")
    ada.wire.fault = lambda kind: "unanswered" if kind == "push" else None
    with pytest.raises(Exception, match="the connection was cut"):
        ada.push()
    ada.wire.fault = lambda _: None
    ada.db.execute("ALTER TABLE tasks DROP COLUMN note")
    ada.sync()
    assert ada.rows()["1"] == {"id": "1", "title": "green tea", "done": 0}
    assert collection.alive()["1"]["title"] == "green tea"
    quiet(ada)


def test_a_batch_that_is_on_its_way_while_a_column_is_excluded_is_settled(
    ada: Replica, without_note: Replica, collection: Collection
) -> None:
    ada.db.execute("UPDATE tasks SET title = 'green tea', note = 'new' WHERE id = '1'")
    meanwhile(ada, without_note)
    ada.push()
    collection.put("1", done=1)
    without_note.sync()
    assert ada.rows()["1"] == {"id": "1", "title": "green tea", "done": 1, "note": "local only"}
    quiet(without_note)


def test_a_conflict_about_a_column_that_went_is_over_and_the_rest_of_one_can_be_resolved(
    ada: Replica, collection: Collection
) -> None:
    ada.db.execute("UPDATE tasks SET note = 'mine'")
    ada.db.execute("UPDATE tasks SET title = 'my tea' WHERE id = '1'")
    collection.put("1", title="their tea", note="theirs")
    collection.put("2", note="theirs")
    ada.sync()
    assert ada.counts()["conflicts"] == 2
    ada.db.execute("ALTER TABLE tasks DROP COLUMN note")
    ada.sync()
    assert ada.counts()["conflicts"] == 1
    with ada.cycle.ledger.hold("tasks") as hold:
        ada.cycle.step(hold, ["1"], lambda one: resolve(one, "mine", 0))
    ada.sync()
    assert ada.rows()["1"] == {"id": "1", "title": "my tea", "done": 0}
    assert collection.alive()["1"]["title"] == "my tea"
    quiet(ada)


def test_a_dead_letter_about_a_column_that_went_is_over(ada: Replica, collection: Collection) -> None:
    collection.refuses = lambda change: "no such note" if "note" in change.changed else None
    ada.db.execute("UPDATE tasks SET note = 'mine' WHERE id = '1'")
    ada.sync()
    assert ada.counts()["failed"] == 1
    ada.db.execute("ALTER TABLE tasks DROP COLUMN note")
    ada.sync()
    quiet(ada)

"""The cycle through real databases: what a pull promises (L1 to L4), and conflicts."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from tests.sync.replicas import Collection, Make, equal, settled
from windlass.errors import CursorExpired
from windlass.events import ConflictWaiting
from windlass.sync.merge import merge
from windlass.sync.telling import Postponed


# ── L: what a pull promises ────────────────────────────────────────────────────────────────────────
def test_l1_a_pull_that_is_cut_goes_on_with_the_next_page(replica: Make, collection: Collection) -> None:
    """PouchDB #1240: the cursor was ahead of what had been applied."""
    for number in range(10):
        collection.put(f"{number}", title=f"task {number}")
    ada = replica(page_size=3)
    cuts = iter([False, False, True])
    ada.wire.fault = lambda _: "lost" if next(cuts, False) else None
    with pytest.raises(Postponed):
        ada.pull()
    assert len(ada.rows()) == 6
    assert ada.cycle.ledger.state("tasks").cursor is None
    collection.put("0", title="changed between two pages")
    collection.delete("1")
    done = ada.pull()
    assert done.received == 5
    ada.pull()
    equal(collection, ada)


@pytest.mark.parametrize("edited", [False, True], ids=["untouched", "edited"])
def test_a_first_pull_leaves_the_same_behind_whichever_way_it_goes(
    replica: Make, collection: Collection, edited: bool
) -> None:
    """Pages of new rows are inserted at once; one in which a row is known here is applied row by row."""
    for number in range(100):
        collection.put(f"{number:02}", title=f"task {number}", done=number % 2, note=None, by="her")
    quick, slow = replica(page_size=25), replica(page_size=25)
    inserted: list[bool] = []
    write_new = quick.cycle.ledger.write_new

    def counted(*args: Any) -> bool:
        inserted.append(write_new(*args))
        return inserted[-1]

    quick.cycle.ledger.write_new = counted  # type: ignore[method-assign]
    slow.cycle.ledger.write_new = lambda *_: False  # type: ignore[method-assign]
    for one in (quick, slow):
        if edited:
            one.do("INSERT INTO tasks (id, title) VALUES ('30', 'mine')")
        done = one.pull()
        assert (done.written, done.received) == (99 if edited else 100, 100)
    # After a page that was none, one that is applied row by row shows that new ones come again.
    assert inserted == ([True, False, True] if edited else [True] * 4)
    assert len(quick.rows()) == 100
    for table in ("tasks", "windlass_sync_shadows", "windlass_sync_conflicts"):
        columns = "base, mine, theirs" if table == "windlass_sync_conflicts" else "*"
        statement = f"SELECT {columns} FROM {table}"
        there, here = (sorted(map(repr, map(tuple, one.db.execute(statement)))) for one in (quick, slow))
        assert there == here


def test_l2_a_pull_leaves_an_edit_on_top_of_what_it_brings(replica: Make, collection: Collection) -> None:
    ada = replica()
    collection.put("1", title="tea", done=0, note=None)
    ada.pull()
    ada.do("UPDATE tasks SET title = 'green tea'")
    collection.put("1", note="two spoons")
    ada.pull()
    assert ada.rows()["1"] == {"id": "1", "title": "green tea", "done": 0, "note": "two spoons"}
    assert ada.counts()["pending"] == 1
    ada.sync()
    equal(collection, ada)
    assert collection.alive()["1"] == {"id": "1", "title": "green tea", "done": 0, "note": "two spoons"}


def test_l2_an_edit_made_while_a_page_is_applied_is_not_overwritten(
    replica: Make, collection: Collection
) -> None:
    ada = replica()
    collection.put("1", title="tea")
    ada.pull()
    collection.put("1", note="two spoons")
    ledger = ada.cycle.ledger
    look, edited = ledger.look, iter([True])

    def look_then_edit(*args: Any, **more: Any) -> Any:
        found = look(*args, **more)
        if next(edited, False):
            ada.db.execute("UPDATE tasks SET title = 'green tea'")
        return found

    ledger.look = look_then_edit  # type: ignore[method-assign]
    ada.pull()
    ledger.look = look  # type: ignore[method-assign]
    assert ada.rows()["1"]["title"] == "green tea"
    ada.sync()
    equal(collection, ada)


def test_l3_an_expired_cursor_starts_anew_and_keeps_the_queue(replica: Make, collection: Collection) -> None:
    ada = replica()
    for number in range(4):
        collection.put(f"{number}", title=f"task {number}")
    ada.pull()
    ada.do("UPDATE tasks SET title = 'edited' WHERE id = '1'")
    collection.delete("0")
    ada.db.execute("SELECT 1")
    expired = iter([True])
    pull = ada.wire.pull

    def once_expired(ask: Any) -> Any:
        if ask.cursor is not None and next(expired, False):
            ask = ask._replace(cursor="expired")
        return pull(ask)

    ada.wire.pull = once_expired  # type: ignore[method-assign]
    ada.pull()
    assert set(ada.rows()) == {"1", "2", "3"}, "what was deleted there is found by its absence"
    assert ada.counts()["pending"] == 1
    ada.sync()
    equal(collection, ada)


def test_l3_absence_means_deletion_only_after_everything_was_told(
    replica: Make, collection: Collection
) -> None:
    bare = Collection(tombstones=False)
    ada = replica(collection=bare, page_size=2)
    for number in range(5):
        bare.put(f"{number}", title=f"task {number}")
    ada.pull()
    del bare.documents["3"]
    bare.version += 1
    cuts = iter([False, True])
    ada.wire.fault = lambda _: "lost" if next(cuts, False) else None
    with pytest.raises(Postponed):
        ada.pull()
    assert len(ada.rows()) == 5
    ada.pull()
    assert set(ada.rows()) == {"0", "1", "2", "4"}


def test_l3_a_collection_that_lost_most_of_its_rows_is_asked_about(replica: Make) -> None:
    bare = Collection(tombstones=False)
    ada = replica(collection=bare)
    for number in range(20):
        bare.put(f"{number}", title=f"task {number}")
    ada.pull()
    bare.documents = {"0": bare.documents["0"]}
    bare.version += 1
    done = ada.pull()
    assert done.sweep_refused is not None
    assert len(ada.rows()) == 20
    ada.pull(sweep_all=True)
    assert set(ada.rows()) == {"0"}


def test_a_row_that_the_table_refuses_is_quarantined_and_the_others_go_in(
    replica: Make, collection: Collection
) -> None:
    ada = replica(
        schema="CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT CHECK (title <> 'bad'), "
        "done INTEGER NOT NULL DEFAULT 0, note TEXT)"
    )
    collection.put("1", title="bad")
    collection.put("2", title="tea")
    ada.pull()
    assert set(ada.rows()) == {"2"}
    (kept,) = ada.cycle.ledger.quarantined("tasks")
    assert kept.remote_id == "1"
    assert "check" in kept.reason.lower()
    collection.put("1", title="good")
    ada.pull()
    assert set(ada.rows()) == {"1", "2"}
    assert ada.cycle.ledger.quarantined("tasks") == []


@pytest.mark.parametrize("rows", [3, 40], ids=["a few", "a page of new rows"])
@pytest.mark.parametrize("declaration", [{}, {"ids": "server"}], ids=["client ids", "made keys"])
def test_a_pull_counts_a_row_that_the_table_refuses_as_quarantined_and_not_as_written(
    replica: Make, rows: int, declaration: dict[str, Any]
) -> None:
    """Each pull of a remote that always tells everything tries them again, and says so again."""
    bare, key = Collection(tombstones=False), "TEXT PRIMARY KEY" if not declaration else "INTEGER PRIMARY KEY"
    ada = replica(
        collection=bare,
        schema=f"CREATE TABLE tasks (id {key}, title TEXT NOT NULL CHECK (title <> 'bad'))",
        **declaration,
    )
    for number in range(1, rows + 1):
        bare.put(f"{number}", title="bad" if number == 1 else None if number == 2 else "tea")
    first = ada.pull()
    assert (first.received, first.written, first.quarantined) == (rows, rows - 2, 2)
    bare.put("3", title="milk")
    again = ada.pull()
    assert (again.received, again.written, again.quarantined) == (rows, 1, 2)
    assert ada.cycle.ledger.counts("tasks").quarantined == 2


def test_a_deletion_that_the_table_refuses_is_not_counted_as_one(replica: Make) -> None:
    bare = Collection(tombstones=False)
    ada = replica(collection=bare)
    bare.put("1", title="tea")
    bare.put("2", title="milk")
    ada.pull()
    ada.db.execute("CREATE TABLE cups (task TEXT NOT NULL REFERENCES tasks (id))")
    ada.do("INSERT INTO cups VALUES ('1')")
    if isinstance(ada.db, sqlite3.Connection):
        # Whose foreign keys count only for who asks for it.
        kept = "BEFORE DELETE ON tasks WHEN old.id = '1' BEGIN SELECT RAISE(ABORT, 'no'); END"
        ada.do(f"CREATE TRIGGER kept {kept}")
    for number in (1, 2):
        bare.delete(f"{number}")
    done = ada.pull()
    assert (done.deleted, done.quarantined) == (1, 1)
    assert set(ada.rows()) == {"1"}


# ── conflicts ──────────────────────────────────────────────────────────────────────────────────────
def test_a_conflict_is_kept_until_someone_resolves_it(replica: Make, collection: Collection) -> None:
    ada = replica()
    collection.put("1", title="tea", done=0, note=None)
    ada.pull()
    ada.do("UPDATE tasks SET title = 'green tea'")
    collection.put("1", title="coffee")
    ada.sync()
    assert ada.rows()["1"]["title"] == "green tea"
    ((_, key, conflict),) = ada.cycle.ledger.conflicts("tasks")
    assert (key, conflict.base["title"], conflict.mine["title"], conflict.theirs["title"]) == (
        "1", "tea", "green tea", "coffee",
    )  # fmt: skip
    assert [event.fields for event in ada.told.events if isinstance(event, ConflictWaiting)] == [("title",)]
    assert collection.alive()["1"]["title"] == "coffee"


@pytest.mark.parametrize(
    ("policy", "title"),
    [
        ("client", "green tea"),
        ("server", "coffee"),
        (merge({"title": "client"}), "green tea"),
        (lambda one: {"title": f"{one.mine['title']} or {one.theirs['title']}"}, "green tea or coffee"),
    ],
)
def test_a_policy_decides_and_both_sides_agree(
    replica: Make, collection: Collection, policy: Any, title: str
) -> None:
    ada, bob = replica(on_conflict=policy), replica(on_conflict=policy)
    collection.put("1", title="tea", done=0, note=None)
    settled(ada, bob)
    ada.do("UPDATE tasks SET title = 'green tea', done = 1")
    bob.do("UPDATE tasks SET title = 'coffee', note = 'black'")
    bob.sync()
    ada.sync()
    settled(ada, bob)
    assert collection.alive()["1"] == {"id": "1", "title": title, "done": 1, "note": "black"}
    equal(collection, ada, bob)


def test_an_edit_of_a_row_that_was_deleted_there_asks(replica: Make, collection: Collection) -> None:
    ada = replica()
    collection.put("1", title="tea")
    ada.pull()
    ada.do("UPDATE tasks SET title = 'green tea'")
    collection.delete("1")
    ada.sync()
    ((_, _, conflict),) = ada.cycle.ledger.conflicts("tasks")
    assert conflict.theirs is None
    assert ada.rows()["1"]["title"] == "green tea"


def test_what_was_told_and_is_over_is_told_again_the_next_time(replica: Make, collection: Collection) -> None:
    ada = replica()
    collection.put("1", title="tea", done=0, note=None)
    ada.pull()
    for title in ("coffee", "mate"):
        ada.do("UPDATE tasks SET title = 'mine'")
        collection.put("1", title=title)
        ada.sync()
        ada.do("UPDATE tasks SET title = ?", title)
        ada.sync()
        assert ada.counts()["conflicts"] == 0
    assert [type(event) for event in ada.told.events] == [ConflictWaiting, ConflictWaiting]


def test_a_row_that_cannot_be_read_any_more_is_not_taken_for_absent(replica: Make) -> None:
    bare = Collection(tombstones=False)
    ada = replica(collection=bare)
    bare.put("1", title="tea")
    bare.put("2", title="milk")
    ada.pull()
    bare.put("1", title=["a", "list"])
    assert ada.pull().quarantined == 1
    assert {key: row["title"] for key, row in ada.rows().items()} == {"1": "tea", "2": "milk"}


def test_a_remote_whose_cursors_always_expire_is_not_asked_for_ever(
    replica: Make, collection: Collection
) -> None:
    ada = replica()

    def expired(_: Any) -> Any:
        raise CursorExpired("410 Gone")

    ada.wire.pull = expired  # type: ignore[method-assign]
    with pytest.raises(Postponed):
        ada.pull()

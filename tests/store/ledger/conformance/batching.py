"""A sealed batch: one record from its sealing to its answers, and nothing is lost where they never come."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.ledger.conformance.steps import arrival, do, due, installed, keys, standing, task
from windlass.change import Change, Effect, Key, Shadow, seals_of
from windlass.errors import LostHold
from windlass.store.ledger import Counts, Hold, Ledger


def edited(ledger: Ledger, db: Any, *names: str) -> None:
    """Rows that the remote has, each edited here since."""
    do(ledger, *(arrival(name) for name in names))
    for name in names:
        db.execute(f"UPDATE tasks SET title = 'new title of {name}' WHERE id = '{name}'")


def change(key: Key, op: str = "update", **fields: Any) -> Change:
    data = {"title": f"new title of {key}"} if op == "update" else {}
    return Change(
        key=key, op=op, mutation_id=f"m-{key}", base_version="v1", attempts=1, **{"data": data, **fields}
    )


def taken(key: Key) -> Effect:
    return Effect(key, shadow=Shadow(task(key, f"new title of {key}"), "v2"), sent=None)


def seal(ledger: Ledger, hold: Hold, *names: Key) -> tuple[int, int]:
    """A batch of edits as they are now: the look's mark, and its number."""
    look = ledger.look("tasks", names)
    batch = ledger.seal_batch(hold, look.mark, seals_of([change(name) for name in names]))
    assert batch is not None
    return look.mark, batch


def stands(counts: Counts) -> tuple[int, int]:
    return counts.pending, counts.sealed


class Batching:
    """Batches."""

    def test_a_batch_under_way_is_pending_and_sealed_for_whoever_looks(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        edited(ledger, db, "a", "b", "c")
        with ledger.hold("tasks") as hold:
            mark, batch = seal(ledger, hold, "a", "b")
            counts = ledger.counts("tasks")
            assert (stands(counts), counts.oldest_us is not None) == ((3, 2), True)
            assert ledger.write(hold, mark, [taken("a"), taken("b")], batch=batch) == []
        assert stands(ledger.counts("tasks")) == (1, 0)
        assert (ledger.journal("tasks"), due(ledger)) == (["c"], [])
        found = standing(ledger, "a")
        assert found.shadow == Shadow(task("a", "new title of a"), "v2", None)
        assert found.sent is None

    def test_what_is_not_settled_is_in_the_queue_as_it_was_sealed(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        edited(ledger, db, "a", "b")
        with ledger.hold("tasks") as hold:
            mark, batch = seal(ledger, hold, "a", "b")
            assert ledger.write(hold, mark, [taken("a")], batch=batch) == []
        assert (ledger.journal("tasks"), due(ledger)) == ([], ["b"])
        sent = standing(ledger, "b").sent
        assert sent is not None
        assert (sent.mutation_id, sent.base_version, sent.attempts) == ("m-b", "v1", 1)
        assert (sent.op, sent.data) == ("update", {"title": "new title of b"})
        assert stands(ledger.counts("tasks")) == (1, 1)

    def test_a_row_edited_meanwhile_is_given_back_and_in_the_queue(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        edited(ledger, db, "a", "b")
        with ledger.hold("tasks") as hold:
            mark, batch = seal(ledger, hold, "a", "b")
            db.execute("UPDATE tasks SET title = 'newer' WHERE id = 'a'")
            assert ledger.write(hold, mark, [taken("a"), taken("b")], batch=batch) == ["a"]
        assert (ledger.journal("tasks"), due(ledger)) == (["a"], ["a"])
        found = standing(ledger, "a")
        assert found.shadow == Shadow(task("a"), "v1")
        assert found.sent is not None

    def test_what_a_push_that_ended_left_is_in_the_queue_with_the_next_hold(
        self, ledger: Ledger, db: Any
    ) -> None:
        create = "CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT, photo BLOB, score REAL)"
        installed(ledger, db, create=create)
        row = {"id": 1, "title": '{"$bytes":"x"}', "photo": b"\x00\xff", "score": float("inf")}
        db.execute(
            "INSERT INTO tasks VALUES (1, 'tea', NULL, 1.5), (2, 'milk', NULL, NULL), (3, 'jam', NULL, 1)"
        )
        changes = [
            change(1, "insert", data=row),
            change(2, "delete"),
        ]
        with ledger.hold("tasks") as hold:
            assert ledger.seal_batch(hold, ledger.look("tasks").mark, seals_of(changes)) is not None
        db.execute("UPDATE tasks SET title = 'oat milk' WHERE id = 2")
        assert stands(ledger.counts("tasks")) == (3, 2)
        with ledger.hold("tasks"):
            pass
        sent = [found.sent for found in ledger.look("tasks", [1, 2, 3]).standings]
        assert [one and (one.op, one.data, one.mutation_id, one.attempts) for one in sent] == [
            ("insert", row, "m-1", 1),
            ("delete", {}, "m-2", 1),
            None,
        ]
        assert ledger.journal("tasks") == [3, 2]
        with ledger.hold("tasks"):
            pass
        assert [one.key for _, one in ledger.changes("tasks")] == [1, 2], "once"

    def test_an_outdated_holder_seals_nothing(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        edited(ledger, db, "a")
        with ledger.hold("tasks") as first:
            mark, batch = seal(ledger, first, "a")
        with ledger.hold("tasks"):
            pass
        with pytest.raises(LostHold):
            ledger.seal_batch(first, mark, seals_of([change("a")]))
        with pytest.raises(LostHold):
            ledger.write(first, mark, [taken("a")], batch=batch)
        assert due(ledger) == ["a"]

    def test_what_was_edited_since_the_look_is_not_sealed(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        edited(ledger, db, "a", "b")
        with ledger.hold("tasks") as hold:
            look = ledger.look("tasks", ["a", "b"])
            db.execute("UPDATE tasks SET done = 1 WHERE id = 'b'")
            assert ledger.seal_batch(hold, look.mark, seals_of([change("a"), change("b")])) is None
            assert ledger.seal_batch(hold, look.mark, seals_of([change("a")])) is not None
        assert stands(ledger.counts("tasks")) == (2, 1)

    def test_what_no_database_can_hold_is_not_sealed(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        edited(ledger, db, "a")
        with ledger.hold("tasks") as hold:
            odd = change("a", data={"title": "\udcff"})
            assert ledger.seal_batch(hold, ledger.look("tasks").mark, seals_of([odd])) is None
        assert stands(ledger.counts("tasks")) == (1, 0)

    def test_an_answer_that_is_refused_leaves_its_change_in_the_queue(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db, ids="server")
        do(ledger, Effect("x", row=task("x"), shadow=Shadow(task("x"), "v1", "r1")))
        db.execute("INSERT INTO tasks VALUES ('a', 'tea', 0, NULL), ('b', 'milk', 0, NULL)")
        with ledger.hold("tasks") as hold:
            mark, batch = seal(ledger, hold, "a", "b")
            # Two rows here cannot be one row there.
            effects = [
                Effect(key, shadow=Shadow(task(key), "v2", remote_id), sent=None)
                for key, remote_id in (("a", "r1"), ("b", "r2"))
            ]
            refused: list[Key] = []
            assert ledger.write(hold, mark, effects, batch=batch, refused=refused) == []
            assert refused == ["a"]
        found = ledger.look("tasks", ["a", "b"]).standings
        assert [one.sent is not None for one in found] == [True, False]
        assert [one.shadow is not None for one in found] == [False, True]

    def test_children_are_given_to_another_row_also_in_a_batch(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        edited(ledger, db, "a", "b")
        with ledger.hold("tasks") as hold:
            look = ledger.look("tasks", ["a", "b"])
            changes = [change("a", data={"note": "old"}), change("b", data={"note": "other"})]
            assert ledger.seal_batch(hold, look.mark, seals_of(changes)) is not None
            db.execute("UPDATE tasks SET note = 'old' WHERE id = 'a'")
            ledger.repoint("tasks", "note", "old", "new")
        with ledger.hold("tasks"):
            pass
        sent = [found.sent for found in ledger.look("tasks", ["a", "b"]).standings]
        assert [one and one.data for one in sent] == [{"note": "new"}, {"note": "other"}]

    def test_a_resource_that_is_removed_takes_its_batch_with_it(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        edited(ledger, db, "a")
        with ledger.hold("tasks") as hold:
            seal(ledger, hold, "a")
        ledger.remove("tasks")
        ledger.install("tasks", ledger.describe("tasks"))
        with ledger.hold("tasks"):
            pass
        assert keys(ledger.look("tasks", ["a"]).standings) == ["a"]
        assert ledger.changes("tasks") == []

    def test_many_edits_leave_the_journal_each_with_its_own_key(self, ledger: Ledger, db: Any) -> None:
        """Whatever lies between them, before them and behind them stays."""
        installed(ledger, db)
        installed(ledger, db, create="CREATE TABLE other (id TEXT PRIMARY KEY)", table="other")
        names = [f"k{number:02d}" for number in range(20)]
        do(ledger, *(arrival(name) for name in [*names, "x", "y"]))
        db.execute("UPDATE tasks SET done = 1 WHERE id < 'k10'")
        db.execute("INSERT INTO other VALUES ('k01')")
        db.execute("UPDATE tasks SET done = 2 WHERE id IN ('x', 'k02')")
        db.execute("UPDATE tasks SET done = 1 WHERE id BETWEEN 'k10' AND 'k19'")
        with ledger.hold("tasks") as hold:
            look = ledger.look("tasks", names)
            db.execute("UPDATE tasks SET done = 3 WHERE id = 'y'")
            assert ledger.write(hold, look.mark, [Effect(name) for name in names]) == []
        assert (ledger.journal("tasks"), ledger.journal("other")) == (["x", "y"], ["k01"])

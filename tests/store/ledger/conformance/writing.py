"""A look, then a write: all of it or nothing, and never over an edit made in between."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.store.ledger.conformance.steps import arrival, do, installed, queued, standing, task, titles
from windlass.change import Change, Conflict, Effect, Shadow
from windlass.store.ledger import Ledger, PullState, Quarantined


class Writing:
    """Effects."""

    def test_a_key_that_nothing_is_known_of_has_an_empty_standing(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        found = standing(ledger, "nobody")
        assert (found.key, found.row, found.shadow, found.sent, found.pending, found.conflict) == (
            "nobody", None, None, None, None, None,
        )  # fmt: skip
        assert found.explicit == ()

    def test_a_row_and_its_shadow_come_back_as_they_went_in(self, ledger: Ledger, db: Any) -> None:
        installed(
            ledger, db, create="CREATE TABLE tasks (id TEXT PRIMARY KEY, a INTEGER, b REAL, c BLOB, d TEXT)"
        )
        row = {"id": "é\x00'\"", "a": 2**63 - 1, "b": 0.1, "c": b'\x00\xff{"$bytes":', "d": '{"$bytes":"x"}'}
        shadow = Shadow(row, 'W/"7"', "remote-7", {"nested": {"list": [1, None]}})
        do(ledger, Effect(row["id"], row=row, shadow=shadow))
        found = standing(ledger, row["id"])
        assert (found.row, found.shadow) == (row, shadow)

    def test_more_keys_than_one_statement_takes_are_looked_up_together(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        names = [f"k{number}" for number in range(1100)]
        do(ledger, *map(arrival, names))
        look = ledger.look("tasks", [*names, "k0"])
        assert [found.key for found in look.standings] == names
        assert all(found.row and found.shadow for found in look.standings)

    def test_a_row_edited_after_the_look_is_skipped_and_given_back(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, arrival("a"), arrival("b"))
        with ledger.hold("tasks") as hold:
            look = ledger.look("tasks", ["a", "b"])
            db.execute("UPDATE tasks SET title = 'mine' WHERE id = 'a'")
            effects = [arrival("a", "theirs", "v2"), arrival("b", "theirs too", "v2")]
            assert ledger.write(hold, look.mark, effects, state=PullState(cursor="2")) == ["a"]
            assert titles(db) == {"a": "mine", "b": "theirs too"}
            assert ledger.journal("tasks") == ["a"]
            # The cursor would pass a row that is not applied.
            assert ledger.state("tasks").cursor is None
            look = ledger.look("tasks", ["a"])
            assert ledger.write(hold, look.mark, effects[:1], state=PullState(cursor="2")) == []
        assert titles(db)["a"] == "theirs"
        assert (ledger.journal("tasks"), ledger.state("tasks").cursor) == ([], "2")

    def test_all_or_nothing_writes_nothing_where_a_key_was_edited(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, arrival("a"))
        with ledger.hold("tasks") as hold:
            look = ledger.look("tasks", ["a", "b"])
            db.execute("UPDATE tasks SET title = 'mine' WHERE id = 'a'")
            bad = Quarantined(remote_id="x", document="{}", reason="bad")
            effects = [arrival("b"), arrival("a", "theirs")]
            moved = ledger.write(hold, look.mark, effects, quarantine=[bad], all_or_nothing=True)
        assert moved == ["a"]
        assert titles(db) == {"a": "mine"}
        assert ledger.quarantined("tasks") == []

    def test_an_edit_after_the_look_stays_in_the_journal_though_it_was_there_before(
        self, ledger: Ledger, db: Any
    ) -> None:
        """P5: also where every older entry, which gave the look its mark, has been removed meanwhile."""
        installed(ledger, db)
        db.execute("INSERT INTO tasks (id, title) VALUES ('a', 'A')")
        with ledger.hold("tasks") as hold:
            look = ledger.look("tasks", ["a"])
            assert ledger.write(hold, look.mark, [Effect("a")]) == []
            assert ledger.journal("tasks") == []
            db.execute("UPDATE tasks SET title = 'A2'")
            assert ledger.write(hold, look.mark, [Effect("a", row=None)]) == ["a"]
        assert ledger.journal("tasks") == ["a"]

    def test_a_row_that_the_table_refuses_is_quarantined_and_the_others_go_in(
        self, ledger: Ledger, db: Any
    ) -> None:
        installed(ledger, db)
        unlucky = Effect("c", row=task("c", note="\ud800"), shadow=Shadow(task("c")), remote=True)
        missing = {**task("d"), "title": None}
        effects = [
            arrival("a", "taken"), arrival("b", "taken"), unlucky,
            Effect("d", row=missing, shadow=Shadow(missing)), Effect("e", row=task("e", done=2**63)),
            arrival("f"),
        ]  # fmt: skip
        assert do(ledger, *effects, state=PullState(cursor="1")) == []
        assert titles(db) == {"a": "taken", "f": "title of f"}
        refused = {one.remote_id: one.reason for one in ledger.quarantined("tasks")}
        assert refused.keys() == {"b", "c", "d", "e"}
        assert "UNIQUE" in refused["b"] or "unique" in refused["b"]
        assert standing(ledger, "b").shadow is None
        assert ledger.counts("tasks").quarantined == 4
        assert ledger.state("tasks").cursor == "1"
        assert ledger.arrivals("tasks", 0).keys == ["a", "f"]
        do(ledger, released=["b", "c"])
        assert [one.remote_id for one in ledger.quarantined("tasks")] == ["d", "e"]

    def test_a_refused_row_leaves_what_was_known_of_it(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, arrival("a", "A"), arrival("b", "B"))
        change = queued(ledger, "b")
        do(ledger, arrival("b", "A")._replace(pending=None))
        found = standing(ledger, "b")
        assert (found.shadow, found.pending) == (Shadow(task("b", "B"), "v1"), change)

    def test_what_was_refused_is_told(self, ledger: Ledger, db: Any) -> None:
        """P2: a change that could not be written down as sealed must not be sent."""
        installed(ledger, db)
        do(ledger, arrival("a"), arrival("b"))
        sent = [
            Change(key=key, op="update", data={"title": title}, mutation_id=f"m-{key}")
            for key, title in (("a", "tea"), ("b", "\ud800"))
        ]
        refused: list[Any] = []
        assert do(ledger, *(Effect(one.key, sent=one) for one in sent), refused=refused) == []
        assert refused == ["b"]
        assert standing(ledger, "a").sent is not None
        assert standing(ledger, "b").sent is None

    def test_none_removes_and_keep_leaves(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, arrival("a"))
        conflict = Conflict(base=None, mine=task("a"), theirs=None, version="v2", raised_at_us=5)
        change = queued(ledger, "a")
        do(ledger, Effect("a", conflict=conflict))
        do(ledger, Effect("a"))
        found = standing(ledger, "a")
        assert (found.row, found.conflict, found.pending) == (task("a"), conflict, change)
        assert ledger.conflicts() == [("tasks", "a", conflict)]
        do(ledger, Effect("a", row=None, shadow=None, pending=None, conflict=None))
        found = standing(ledger, "a")
        assert (found.row, found.shadow, found.pending, found.conflict) == (None, None, None, None)
        assert (titles(db), ledger.conflicts("tasks"), ledger.journal("tasks")) == ({}, [], [])

    def test_a_new_row_gets_a_key_of_the_databases_making(self, ledger: Ledger, db: Any) -> None:
        installed(
            ledger, db, ids="server", create="CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)"
        )  # fmt: skip
        db.execute("INSERT INTO tasks (title) VALUES ('mine')")
        row = {"id": 1, "title": "theirs"}
        do(ledger, Effect(None, row=row, shadow=Shadow(row, "v1", "1"), remote=True), Effect(None))
        assert titles(db) == {1: "mine", 2: "theirs"}
        look = ledger.look("tasks", remote_ids=["1", "2"])
        assert [found.key for found in look.standings] == [2]
        assert look.standings[0].shadow == Shadow({"id": 2, "title": "theirs"}, "v1", "1")
        assert ledger.arrivals("tasks", 0).keys == [2]

    def test_a_column_that_is_not_synced_keeps_its_value(self, ledger: Ledger, db: Any) -> None:
        db.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT, ours TEXT NOT NULL)")
        whole = ledger.describe("tasks")
        ledger.install("tasks", type(whole)(name="tasks", key=whole.key, columns=whole.columns[:2]))
        db.execute("INSERT INTO tasks VALUES ('a', 'A', 'secret')")
        row = {"id": "a", "title": "theirs"}
        do(ledger, Effect("a", row=row), Effect("b", row={"id": "b", "title": "B"}))
        assert db.execute("SELECT * FROM tasks").fetchall() == [("a", "theirs", "secret")]
        assert [one.remote_id for one in ledger.quarantined("tasks")] == ["b"]

    def test_sealing_keeps_the_changes_place_and_its_name(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        change = queued(ledger, "a", created_at_us=7_000_000, attempts=2)
        sent = msgspec.structs.replace(change, mutation_id="m1", base_version="v1", attempts=3)
        do(ledger, Effect("a", sent=sent, pending=None))
        found = standing(ledger, "a")
        assert (found.sent, found.pending) == (sent, None)
        later = Change(key="a", op="update", data={"title": "later"})
        do(ledger, Effect("a", pending=later))
        found = standing(ledger, "a")
        assert found.sent == sent
        assert found.pending is not None
        assert found.pending.seq > sent.seq
        do(ledger, Effect("a", sent=None, shadow=Shadow(task("a"), "v2")))
        found = standing(ledger, "a")
        assert (found.sent, found.pending is None) == (None, False)

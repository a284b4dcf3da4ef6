"""How far a pull has come, what it brought, and what is absent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.ledger.conformance.steps import arrival, do, installed, new, standing, task
from windlass.change import Conflict, Effect, Shadow
from windlass.errors import LostHold, SweepRefused
from windlass.store.ledger import Ledger, PullState, Quarantined


class Pulling:
    """L1, L3."""

    def test_the_state_is_kept_whole(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        assert ledger.state("tasks") == PullState()
        state = PullState(
            cursor="1", validator='"e"', watermark="2", watermark_validator='"f"', next_page="p2",
            generation=3, enumerating=True, page_size=100, received=7, pulled_at_us=8,
        )  # fmt: skip
        do(ledger, state=state)
        assert ledger.state("tasks") == state
        do(ledger, arrival("a"))
        assert ledger.state("tasks") == state

    def test_what_a_complete_enumeration_did_not_tell_of_is_swept(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, *map(arrival, "abcdef"))
        under_way = PullState(generation=1, enumerating=True)
        do(ledger, arrival("a"), Effect("b"), state=under_way)
        # Pushed meanwhile: the remote has it, though the pages that are told may not.
        do(ledger, arrival("new"))
        before = ledger.look("tasks").mark
        db.execute("UPDATE tasks SET title = 'mine' WHERE id = 'c'")
        with ledger.hold("tasks") as hold:
            assert ledger.write(hold, before, [arrival("c", "theirs")], state=under_way) == ["c"]
            # The last page says that the enumeration is over, and belongs to it.
            ledger.write(hold, ledger.look("tasks").mark, [Effect("d")], state=PullState(generation=1))
            assert sorted(ledger.sweep(hold, max_share=0.5)) == ["e", "f"]
            assert ledger.sweep(hold, max_share=0.5, limit=1) == ["e"]
            assert ledger.sweep(hold, max_share=0.5, after="e") == ["f"]
            assert ledger.sweep(hold, max_share=0, after="f") == []

    def test_a_refused_row_was_told_of_all_the_same(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, arrival("a", "A"), arrival("b", "B"))
        do(ledger, arrival("a", "A"), arrival("b", "A"), state=PullState(generation=1, enumerating=True))
        with ledger.hold("tasks") as hold:
            assert ledger.sweep(hold, max_share=0) == []

    def test_a_sweep_of_more_than_the_allowed_share_is_refused(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, *(arrival(f"k{number}") for number in range(40)))
        told = [arrival(f"k{number}") for number in range(20)]
        do(ledger, *told, state=PullState(generation=1, enumerating=True))
        with ledger.hold("tasks") as hold:
            with pytest.raises(SweepRefused, match="20 of 40 rows"):
                ledger.sweep(hold, max_share=0.4)
            assert len(ledger.sweep(hold, max_share=0.5)) == 20
            # A handful is never a reason to ask.
            ledger.write(hold, ledger.look("tasks").mark, [Effect(f"k{number}") for number in range(20, 31)])
            assert len(ledger.sweep(hold, max_share=0)) == 9

    def test_new_rows_are_written_as_arrivals_are(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        start = ledger.arrivals("tasks").seq
        under_way = PullState(generation=1, enumerating=True, next_page="2")
        with ledger.hold("tasks") as hold:
            assert ledger.write_new(hold, new("a", "b"), under_way)
            extra = new("c")._replace(remote_ids=("theirs",), others=("by",), extras=[("her",)])
            assert ledger.write_new(hold, extra, under_way)
            assert ledger.sweep(hold, max_share=0) == []
        assert ledger.state("tasks") == under_way
        assert standing(ledger, "b") == (
            "b", task("b"), Shadow(task("b"), "v1"), None, None, None, ()
        )  # fmt: skip
        assert standing(ledger, "c").shadow == Shadow(task("c"), "v1", "theirs", {"by": "her"})
        assert ledger.arrivals("tasks", start).keys == ["a", "b", "c"]
        assert ledger.journal("tasks") == []
        db.execute("UPDATE tasks SET title = 'mine' WHERE id = 'a'")
        assert ledger.journal("tasks") == ["a"]

    def test_new_rows_leave_the_quarantine(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, quarantine=[Quarantined(remote_id="a", document="{}", reason="odd")])
        with ledger.hold("tasks") as hold:
            assert ledger.write_new(hold, new("a"), PullState(), ["a"])
        assert ledger.quarantined("tasks") == []

    @pytest.mark.parametrize("known", ["row", "shadow", "journal", "queue", "conflict", "refused"])
    def test_rows_are_not_new_where_anything_is_known_of_one(
        self, ledger: Ledger, db: Any, known: str
    ) -> None:
        installed(ledger, db)
        conflict = Conflict(base=None, mine=None, theirs=None)
        match known:
            case "row":
                do(ledger, Effect("b", row=task("b")))
            case "shadow":
                do(ledger, Effect("b", shadow=Shadow(task("b"))))
            case "journal":
                db.execute("INSERT INTO tasks (id, title) VALUES ('b', 'mine')")
                db.execute("DELETE FROM tasks")
            case "queue":
                db.execute(
                    "INSERT INTO sync_queue (type, table_name, local_id) VALUES ('ring', 'tasks', 'b')"
                )
                do(ledger, Effect("b"))
            case "conflict":
                do(ledger, Effect("b", conflict=conflict))
            case _:
                do(ledger, arrival("other", "title of b"))
        before = db.execute("SELECT * FROM tasks").fetchall()
        with ledger.hold("tasks") as hold:
            assert not ledger.write_new(hold, new("a", "b", "c"), PullState(cursor="1"))
            assert ledger.state("tasks") == PullState()
            assert db.execute("SELECT * FROM tasks").fetchall() == before
            assert standing(ledger, "a").shadow is None
            # What is known of others is no hindrance.
            assert ledger.write_new(hold, new("d", "e"), PullState(cursor="1"))

    def test_who_lost_the_hold_writes_no_new_rows(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        with ledger.hold("tasks") as lost:
            pass
        with ledger.hold("tasks"), pytest.raises(LostHold):
            ledger.write_new(lost, new("a"), PullState())
        assert db.execute("SELECT count(*) FROM tasks").fetchone() == (0,)

    def test_a_remote_id_is_known_by_the_row_it_belongs_to(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        row = {"id": "mine", "title": "M", "done": 0, "note": None}
        do(ledger, arrival("a"), Effect("mine", row=row, shadow=Shadow(row, None, "theirs")))
        assert ledger.keys_of("tasks", ["a", "theirs", "nobody"]) == {"a": "a", "theirs": "mine"}
        assert ledger.remote_ids_of("tasks", ["a", "mine", "nobody"]) == {"a": "a", "mine": "theirs"}
        look = ledger.look("tasks", ["mine"], remote_ids=["theirs", "a"])
        assert [found.key for found in look.standings] == ["mine", "a"]

    def test_the_clients_own_ids_have_a_standing_before_they_are_known(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db, create="CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)")
        db.execute("INSERT INTO tasks VALUES (5, 'five')")
        found = ledger.look("tasks", remote_ids=["5", "05"]).standings
        assert [(one.key, one.row) for one in found] == [(5, {"id": 5, "title": "five"}), ("05", None)]
        assert ledger.keys_of("tasks", ["5"]) == {}

    def test_a_server_id_equal_to_another_rows_key_is_not_that_row(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db, ids="server")
        db.execute("INSERT INTO tasks (id, title) VALUES ('1', 'mine')")
        assert ledger.look("tasks", remote_ids=["1"]).standings == []
        row = {"id": "x", "title": "X", "done": 0, "note": None}
        do(ledger, Effect("x", row=row, shadow=Shadow(row, None, "1")))
        assert ledger.keys_of("tasks", ["1", "x"]) == {"1": "x"}

    def test_followers_are_told_what_pulls_wrote(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, arrival("before"))
        start = ledger.arrivals("tasks")
        assert start.keys == []
        do(ledger, arrival("a"), Effect("b", shadow=Shadow({"id": "b"})))
        do(ledger, arrival("c"))
        found = ledger.arrivals("tasks", start.seq)
        assert found.keys == ["a", "c"]
        assert ledger.arrivals("tasks", found.seq) == found._replace(keys=[])
        assert standing(ledger, "b").shadow is not None

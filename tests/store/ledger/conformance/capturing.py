"""An edit and its entry in the journal are one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.ledger.conformance.steps import arrival, do, installed, standing, titles
from windlass.errors import ConfigError
from windlass.store.ledger import Ledger


class Capturing:
    """P1."""

    def test_every_edit_is_journaled_by_key_oldest_first(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        assert ledger.journal("tasks") == []
        assert ledger.has_news() == []
        db.execute("INSERT INTO tasks (id, title) VALUES ('b', 'B')")
        db.execute("INSERT INTO tasks (id, title) VALUES ('a', 'A')")
        db.execute("UPDATE tasks SET title = 'B2' WHERE id = 'b'")
        assert ledger.journal("tasks") == ["b", "a"]
        assert ledger.journal("tasks", limit=1) == ["b"]
        assert ledger.has_news() == ["tasks"]
        do(ledger, arrival("c"))
        db.execute("DELETE FROM tasks WHERE id = 'c'")
        assert ledger.journal("tasks") == ["b", "a", "c"]

    def test_an_edit_rolled_back_leaves_nothing_and_one_committed_leaves_both(
        self, ledger: Ledger, db: Any
    ) -> None:
        installed(ledger, db)
        db.execute("BEGIN")
        db.execute("INSERT INTO tasks (id, title) VALUES ('a', 'A')")
        db.execute("ROLLBACK")
        assert (titles(db), ledger.journal("tasks")) == ({}, [])
        db.execute("BEGIN")
        db.execute("INSERT INTO tasks (id, title) VALUES ('a', 'A')")
        assert ledger.journal("tasks") == []
        db.execute("COMMIT")
        assert (titles(db), ledger.journal("tasks")) == ({"a": "A"}, ["a"])

    def test_a_changed_key_is_the_end_of_the_old_row_and_the_beginning_of_a_new_one(
        self, ledger: Ledger, db: Any
    ) -> None:
        installed(ledger, db)
        do(ledger, arrival("old"))
        db.execute("UPDATE tasks SET id = 'new' WHERE id = 'old'")
        assert sorted(ledger.journal("tasks")) == ["new", "old"]

    def test_rows_that_are_there_before_the_capture_become_entries_of_the_journal(
        self, ledger: Ledger, db: Any
    ) -> None:
        db.execute("CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)")
        db.execute("INSERT INTO tasks (title) VALUES ('one'), ('two'), ('three')")
        table = ledger.describe("tasks")
        assert ledger.install("tasks", table)
        assert ledger.journal("tasks") == [1, 2, 3]
        assert not ledger.install("tasks", table)
        assert ledger.journal("tasks") == [1, 2, 3]
        assert ledger.resources() == ["tasks"]

    def test_keys_keep_their_type(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db, create="CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)")
        db.execute("INSERT INTO tasks (id, title) VALUES (7, 'seven')")
        assert ledger.journal("tasks") == [7]
        assert standing(ledger, 7).row == {"id": 7, "title": "seven"}
        assert standing(ledger, "7").row is None

    def test_a_key_of_several_columns_is_their_array(self, ledger: Ledger, db: Any) -> None:
        installed(
            ledger, db, table="tags",
            create="CREATE TABLE tags (task TEXT, tag INTEGER, since TEXT, PRIMARY KEY (task, tag))",
        )  # fmt: skip
        db.execute("""INSERT INTO tags VALUES ('say "a"', 7, 'today'), ('b', 8, 'today')""")
        first, second = ledger.journal("tags")
        assert (first, second) == ('["say \\"a\\"",7]', '["b",8]')
        row = {"task": "b", "tag": 8, "since": "today"}
        assert standing(ledger, second, "tags").row == row
        db.execute("UPDATE tags SET tag = 9 WHERE tag = 8")
        assert ledger.journal("tags") == [first, second, '["b",9]']
        assert standing(ledger, second, "tags").row is None

    def test_what_is_written_by_the_ledger_is_not_journaled_and_the_next_edit_is(
        self, ledger: Ledger, db: Any
    ) -> None:
        installed(ledger, db)
        do(ledger, arrival("a"))
        assert titles(db) == {"a": "title of a"}
        assert ledger.journal("tasks") == []
        db.execute("UPDATE tasks SET title = 'mine' WHERE id = 'a'")
        assert ledger.journal("tasks") == ["a"]

    def test_a_change_of_a_column_that_is_not_synced_is_no_edit(self, ledger: Ledger, db: Any) -> None:
        db.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT, seen_here INTEGER)")
        whole = ledger.describe("tasks")
        ledger.install("tasks", type(whole)(name="tasks", key=whole.key, columns=whole.columns[:2]))
        do(ledger, arrival("a")._replace(row={"id": "a", "title": "A"}))
        db.execute("UPDATE tasks SET seen_here = 1")
        assert ledger.journal("tasks") == []
        assert standing(ledger, "a").row == {"id": "a", "title": "A"}
        db.execute("UPDATE tasks SET title = 'B'")
        assert ledger.journal("tasks") == ["a"]

    def test_what_happened_while_the_capture_was_lifted_is_found(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, *map(arrival, ("same", "edited", "gone")))
        ledger.lift("tasks")
        assert ledger.faults("tasks")
        db.execute("UPDATE tasks SET title = 'mine' WHERE id = 'edited'")
        db.execute("DELETE FROM tasks WHERE id = 'gone'")
        db.execute("INSERT INTO tasks (id, title) VALUES ('new', 'N')")
        assert ledger.journal("tasks") == []
        ledger.install("tasks", ledger.describe("tasks"))
        ledger.recapture("tasks")
        assert set(ledger.journal("tasks")) == {"edited", "gone", "new"}
        assert ledger.faults("tasks") == []
        assert ledger.recapture("tasks") == 0

    def test_a_removed_resource_leaves_the_table_and_nothing_else(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, arrival("a"))
        db.execute("UPDATE tasks SET title = 'mine'")
        ledger.remove("tasks")
        assert (titles(db), ledger.resources(), ledger.has_news()) == ({"a": "mine"}, [], [])
        db.execute("UPDATE tasks SET title = 'later'")
        ledger.install("tasks", ledger.describe("tasks"))
        assert standing(ledger, "a").shadow is None
        assert ledger.journal("tasks") == ["a"]

    @pytest.mark.parametrize(
        ("create", "said"),
        [
            ("CREATE TABLE other (id TEXT PRIMARY KEY)", "there is no table 'tasks'"),
            ("CREATE TABLE tasks (title TEXT)", "'tasks' has no primary key"),
            ("CREATE VIEW tasks AS SELECT 1 AS id", "'tasks' is a view"),
            ("CREATE TABLE tasks (id REAL PRIMARY KEY)", "a fraction is no name"),
        ],
    )
    def test_what_cannot_be_synced_is_refused_in_words(
        self, ledger: Ledger, db: Any, create: str, said: str
    ) -> None:
        db.execute(create)
        with pytest.raises(ConfigError, match=said):
            ledger.describe("tasks")

    def test_one_table_has_one_resource(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        with pytest.raises(ConfigError, match="is synced by the resource 'tasks' already"):
            ledger.install("again", ledger.describe("tasks"))
        assert ledger.resources() == ["tasks"]

    def test_what_is_not_installed_is_named(self, ledger: Ledger) -> None:
        with pytest.raises(ConfigError, match="no resource called 'tasks' is installed"):
            ledger.journal("tasks")

"""The capture in SQLite: triggers that every program runs, whatever it does to the table."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.ledger.conformance.steps import arrival, do, installed, standing, titles
from windlass.change import Change, Effect, ForeignKey
from windlass.errors import ConfigError
from windlass.store.ledger import Ledger
from windlass.store.relational.ledger.statements import SQL
from windlass.store.sqlite.store import SqliteStore


def triggers(db: sqlite3.Connection) -> list[str]:
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'windlass_sync_*'")
    return sorted(row[0] for row in rows)


def shell(path: Path, statement: str) -> None:
    subprocess.run(["sqlite3", path, statement], check=True, capture_output=True)


def test_an_edit_in_the_sqlite_shell_is_journaled(ledger: Ledger, db: sqlite3.Connection, path: Path) -> None:
    installed(ledger, db)
    shell(path, "INSERT INTO tasks (id, title) VALUES ('a', 'A')")
    shell(path, "INSERT INTO sync_queue (type, table_name, local_id) VALUES ('ping', 'tasks', 'b')")
    assert ledger.journal("tasks") == ["a", "b"]


def test_names_with_anything_in_them_are_quoted(ledger: Ledger, db: sqlite3.Connection) -> None:
    """X3."""
    db.execute("CREATE TABLE bystander (x)")
    name, column = '"; DROP TABLE bystander; --', 'say "no" \' to ]this['
    quoted, quoted_column = (part.replace('"', '""') for part in (name, column))
    db.execute(f'CREATE TABLE "{quoted}" ("{quoted_column}" TEXT PRIMARY KEY, "order" TEXT)')
    ledger.install("odd", ledger.describe(name))
    db.execute(f"""INSERT INTO "{quoted}" VALUES ('a', 'b')""")
    assert ledger.journal("odd") == ["a"]
    row = {column: "a", "order": "b"}
    assert standing(ledger, "a", "odd").row == row
    do(ledger, arrival("c")._replace(row={column: "c", "order": "d"}), resource="odd")
    assert ledger.recapture("odd") == 1
    db.execute(f'DELETE FROM "{quoted}"')
    assert ledger.journal("odd") == ["a", "c"]
    assert ledger.faults("odd") == []
    ledger.remove("odd")
    assert db.execute("SELECT count(*) FROM bystander").fetchone() == (0,)


@pytest.mark.parametrize("name", ["", "two\nlines", "nul\0", "\ud800"])
def test_a_name_that_cannot_be_quoted_is_refused(ledger: Ledger, name: str) -> None:
    with pytest.raises(ConfigError, match="printable text"):
        ledger.describe(name)


@pytest.mark.parametrize(
    "name", ["sync_queue", "windlass_journal", "Background_Service_Jobs", "sqlite_master"]
)
def test_tables_that_are_not_the_programs_own_are_refused(ledger: Ledger, name: str) -> None:
    with pytest.raises(ConfigError, match="of Windlass's or SQLite's own"):
        ledger.describe(name)


def test_generated_columns_are_left_out(ledger: Ledger, db: sqlite3.Connection) -> None:
    installed(
        ledger, db,
        create="CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT, shout AS (upper(title)) STORED)",
    )  # fmt: skip
    assert [column.name for column in ledger.describe("tasks").columns] == ["id", "title"]
    do(ledger, arrival("a")._replace(row={"id": "a", "title": "x"}))
    assert db.execute("SELECT shout FROM tasks").fetchone() == ("X",)


def test_a_row_without_a_key_is_written_and_reported(ledger: Ledger, db: sqlite3.Connection) -> None:
    installed(ledger, db)
    installed(
        ledger, db, table="tags", create="CREATE TABLE tags (a TEXT, b BLOB, c TEXT, PRIMARY KEY (a, b))"
    )
    db.execute("INSERT INTO tasks (title) VALUES ('nameless')")
    db.execute("UPDATE tasks SET title = 'still'")
    db.execute("INSERT INTO tags VALUES ('a', NULL, ''), ('b', x'00', '')")
    assert (ledger.journal("tasks"), ledger.journal("tags")) == ([], [])
    assert "whose key is NULL" in ledger.faults("tasks")[0]
    assert "whose key is NULL" in ledger.faults("tags")[0]
    db.execute("UPDATE tasks SET id = 'named'")
    assert ledger.journal("tasks") == ["named"]


def test_a_number_of_a_fraction_is_no_key_and_breaks_nothing(ledger: Ledger, db: sqlite3.Connection) -> None:
    installed(ledger, db, create="CREATE TABLE tasks (id INT PRIMARY KEY, title TEXT)")
    db.execute("INSERT INTO tasks VALUES (1.5, 'half'), (2, 'two')")
    assert ledger.journal("tasks") == [2]


def test_keys_that_differ_only_to_the_eye_of_the_collation_are_two(
    ledger: Ledger, db: sqlite3.Connection
) -> None:
    installed(ledger, db, create="CREATE TABLE tasks (id TEXT COLLATE NOCASE PRIMARY KEY, title TEXT)")
    db.execute("INSERT INTO tasks VALUES ('a', 'x')")
    db.execute("UPDATE tasks SET id = 'A'")
    assert set(ledger.journal("tasks")) == {"a", "A"}
    assert standing(ledger, "a").row is None
    assert standing(ledger, "A").row == {"id": "A", "title": "x"}
    do(ledger, arrival("a")._replace(row=None))
    assert titles(db) == {"A": "x"}


def test_replace_is_heard_by_the_insert_that_it_ends_with(ledger: Ledger, db: sqlite3.Connection) -> None:
    installed(ledger, db)
    do(ledger, arrival("a", "A"), arrival("b", "B"))
    db.execute("REPLACE INTO tasks (id, title) VALUES ('a', 'A2')")
    assert ledger.journal("tasks") == ["a"]
    # The second row of the same title goes without a word; a look at it finds it gone.
    db.execute("REPLACE INTO tasks (id, title) VALUES ('c', 'B')")
    assert ledger.journal("tasks") == ["a", "c"]
    assert standing(ledger, "b").row is None
    assert ledger.recapture("tasks") == 1
    assert ledger.journal("tasks") == ["a", "c", "b"]


def test_a_key_changed_by_its_rowid_is_heard(ledger: Ledger, db: sqlite3.Connection) -> None:
    installed(ledger, db, create="CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)")
    do(ledger, arrival("x")._replace(key=1, row={"id": 1, "title": "A"}))
    db.execute("UPDATE tasks SET rowid = 9")
    assert set(ledger.journal("tasks")) == {1, 9}


def test_a_table_that_was_rebuilt_is_reported_and_what_it_hid_is_found(
    ledger: Ledger, db: sqlite3.Connection
) -> None:
    """As Django and Alembic's batch mode alter a table: a copy takes its place, and its triggers are gone."""
    installed(ledger, db)
    do(ledger, *map(arrival, "abc"))
    db.execute("BEGIN")
    db.execute("CREATE TABLE new_tasks (id TEXT PRIMARY KEY, title TEXT, done INTEGER, note TEXT, more TEXT)")
    db.execute("INSERT INTO new_tasks SELECT *, NULL FROM tasks WHERE id <> 'c'")
    db.execute("DROP TABLE tasks")
    db.execute("ALTER TABLE new_tasks RENAME TO tasks")
    db.execute("UPDATE tasks SET title = 'mine' WHERE id = 'b'")
    db.execute("COMMIT")
    faults = " ".join(ledger.faults("tasks"))
    assert "is missing, so edits go unheard" in faults
    assert "the columns of 'tasks' were id, title, done, note and are id, title, done, note, more" in faults
    assert ledger.install("tasks", ledger.describe("tasks"))
    assert (ledger.journal("tasks"), ledger.faults("tasks")) == (["b", "c"], [])
    db.execute("UPDATE tasks SET more = 'x' WHERE id = 'a'")
    assert ledger.journal("tasks") == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TRIGGER windlass_sync_1_update", "windlass_sync_1_update on 'tasks' is missing"),
        ("ALTER TABLE tasks RENAME COLUMN id TO name", "the primary key of 'tasks' was id and is name"),
        ("ALTER TABLE tasks RENAME TO jobs", "there is no table 'tasks'"),
        ("DROP TABLE tasks", "there is no table 'tasks'"),
    ],
)
def test_a_capture_that_is_not_as_it_was_made_is_told(
    ledger: Ledger, db: sqlite3.Connection, change: str, said: str
) -> None:
    installed(ledger, db)
    assert ledger.faults("tasks") == []
    db.execute(change)
    assert said in " ".join(ledger.faults("tasks"))


def test_a_new_column_alone_makes_no_news(ledger: Ledger, db: sqlite3.Connection) -> None:
    installed(ledger, db)
    do(ledger, arrival("a"))
    db.execute("ALTER TABLE tasks ADD COLUMN more TEXT")
    assert "the columns of 'tasks'" in ledger.faults("tasks")[0]
    assert ledger.install("tasks", ledger.describe("tasks"))
    assert (ledger.faults("tasks"), ledger.journal("tasks")) == ([], [])


def test_the_silence_is_for_one_table_alone(ledger: Ledger, db: sqlite3.Connection) -> None:
    """A trigger of the program's own may write another synced table while a pull writes this one."""
    installed(ledger, db)
    installed(
        ledger, db, create="CREATE TABLE projects (id TEXT PRIMARY KEY, open INTEGER)", table="projects"
    )
    db.execute("INSERT INTO projects VALUES ('p', 0)")
    do(ledger, arrival("x")._replace(key="p", row=None), resource="projects")
    db.execute("INSERT INTO projects VALUES ('p', 0)")
    db.execute(
        "CREATE TRIGGER count_open AFTER INSERT ON tasks BEGIN UPDATE projects SET open = open + 1; END"
    )
    with ledger.hold("projects") as hold:
        ledger.write(hold, ledger.look("projects").mark, [arrival("p")._replace(row=None)])
    db.execute("INSERT INTO projects VALUES ('q', 0)")
    do(ledger, arrival("a"))
    assert ledger.journal("tasks") == []
    assert "q" in ledger.journal("projects")
    assert db.execute("SELECT count(*) FROM windlass_sync_silence").fetchone() == (0,)


def test_numbers_of_the_journal_are_never_used_again(ledger: Ledger, db: sqlite3.Connection) -> None:
    installed(ledger, db)
    marks: list[int] = []
    for turn in range(3):
        db.execute(f"INSERT INTO tasks (id, title) VALUES ('k{turn}', '{turn}')")
        look = ledger.look("tasks", [f"k{turn}"])
        marks.append(look.mark)
        do(ledger, arrival(f"k{turn}"))
    ledger.remove("tasks")
    ledger.install("tasks", ledger.describe("tasks"))
    marks.append(ledger.look("tasks").mark)
    assert marks == sorted(set(marks))


def test_an_install_that_was_killed_before_its_rows_were_journaled_is_ended_by_the_next(
    ledger: Ledger, db: sqlite3.Connection
) -> None:
    installed(ledger, db)
    db.execute("DROP TRIGGER windlass_sync_1_insert")
    db.execute("INSERT INTO tasks (id, title) VALUES ('a', 'A')")
    db.execute("UPDATE windlass_sync_resources SET captured_at = NULL")
    assert "run recapture" in " ".join(ledger.faults("tasks"))
    ledger.install("tasks", ledger.describe("tasks"))
    assert (ledger.journal("tasks"), ledger.faults("tasks")) == (["a"], [])


def test_the_ledger_of_a_callers_connection_has_connections_of_its_own(
    store: SqliteStore, path: Path, db: sqlite3.Connection
) -> None:
    from windlass.store import open_store

    installed(store.ledger, db)
    with closing(sqlite3.connect(path)) as own:
        borrowed = open_store(own)
        own.execute("INSERT INTO tasks (id, title) VALUES ('a', 'A')")
        assert borrowed.ledger.journal("tasks") == []
        own.commit()
        assert borrowed.ledger.journal("tasks") == ["a"]
        borrowed.close()


USES = {
    "news": ["windlass_journal_by_key (resource=?)"],
    "due": ["windlass_queue_ready (resource=?)", "windlass_queue_lane (resource=? AND key=? AND seq<?)"],
    "next_due": ["windlass_queue_waiting (resource=? AND due_at>?)"],
    "held": ["windlass_queue_held (resource=? AND seq>?)"],
    "taken": [
        "windlass_shadows_by_key (resource=? AND key<?)",
        "windlass_queue_lane (resource=? AND key<?)",
        "windlass_journal_by_key (resource=? AND key<?)",
    ],
    "unseen": ["windlass_shadows_by_key (resource=?)"],
    "unseen_after": ["windlass_shadows_by_key (resource=? AND key>?)"],
    "unseen_count": ["windlass_shadows_by_key (resource=?)"],
    "shadow_count": ["COVERING INDEX windlass_shadows_by"],
    "journal_moved": ["INTEGER PRIMARY KEY (rowid>?)"],
    "journal_remove": ["windlass_journal_by_key (resource=? AND key=? AND rowid<?)"],
    "change_remove_sealed": ["windlass_queue_lane (resource=? AND key=?)"],
    "arrivals": ["windlass_arrivals_by_resource (resource=? AND seq>?)"],
    "counts": [
        "COVERING INDEX windlass_queue_ready (resource=?)",
        "INDEX windlass_queue_ready (resource=? AND <expr>=?)",
        "COVERING INDEX windlass_queue_held (resource=?)",
        "COVERING INDEX windlass_queue_failed (resource=?)",
        "SEARCH later USING INDEX windlass_queue_lane (resource=? AND key=? AND seq>?)",
        "COVERING INDEX windlass_journal_by_key (resource=?)",
        "windlass_queue_lane (resource=? AND key=?)",
    ],
}
SORTS_NOTHING = ["due", "next_due", "held", "unseen", "unseen_after", "arrivals"]


@pytest.mark.parametrize("name", sorted(USES))
def test_a_statement_finds_its_rows_by_its_index(db: sqlite3.Connection, name: str) -> None:
    named = ":resource" in SQL[name]
    values = {"resource": 1} if named else [1] * SQL[name].count("?")
    steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", values)]
    for wanted in USES[name]:
        assert any(wanted in step for step in steps), (wanted, steps)
    if name in SORTS_NOTHING:
        assert not [step for step in steps if "TEMP B-TREE" in step]


def test_only_our_triggers_are_ours_to_drop(ledger: Ledger, db: sqlite3.Connection) -> None:
    installed(ledger, db)
    for number in range(2, 12):
        name = f"t{number}"
        installed(ledger, db, create=f"CREATE TABLE {name} (id TEXT PRIMARY KEY)", table=name)
    ledger.lift("tasks")
    assert len(triggers(db)) == 40
    assert not [name for name in triggers(db) if name.startswith("windlass_sync_1_")]


def test_a_text_that_is_none_stops_no_other_row(ledger: Ledger, db: sqlite3.Connection) -> None:
    installed(ledger, db)
    db.execute("INSERT INTO tasks (id, title) VALUES ('bad', CAST(x'80ff' AS TEXT)), ('good', 'G')")
    look = ledger.look("tasks", ledger.journal("tasks"))
    effects = [
        Effect(one.key, pending=Change(key=one.key, op="insert", data=one.row or {}))
        for one in look.standings
    ]
    do(ledger, *effects)
    assert [change.key for _, change in ledger.changes()] == ["good"]
    assert [one.remote_id for one in ledger.quarantined("tasks")] == ["bad"]
    assert ledger.journal("tasks") == []


def test_an_edit_under_a_remote_row_that_was_refused_is_still_to_be_queued(
    ledger: Ledger, db: sqlite3.Connection
) -> None:
    installed(ledger, db)
    do(ledger, arrival("a", "A"), arrival("b", "B"))
    db.execute("UPDATE tasks SET note = 'mine' WHERE id = 'b'")
    do(ledger, arrival("b", "A")._replace(pending=Change(key="b", op="update", data={"note": "mine"})))
    assert ledger.journal("tasks") == ["b"]


def test_a_table_is_described_as_it_is(ledger: Ledger, db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE projects (name TEXT PRIMARY KEY)")
    db.execute(
        "CREATE TABLE Tasks (b INT, a VARCHAR(9) NOT NULL, project REFERENCES projects, "
        "x REFERENCES tasks (a), PRIMARY KEY (a, b)) WITHOUT ROWID"
    )
    table = ledger.describe("tasks")
    assert (table.name, table.key, table.makes_keys) == ("Tasks", ("a", "b"), False)
    assert [(one.name, one.declared, one.affinity, one.not_null) for one in table.columns] == [
        ("b", "INT", "INTEGER", True), ("a", "VARCHAR(9)", "TEXT", True), ("project", "", "BLOB", False),
        ("x", "", "BLOB", False),
    ]  # fmt: skip
    assert set(table.foreign_keys) == {
        ForeignKey("project", "projects", "name"), ForeignKey("x", "tasks", "a"),
    }  # fmt: skip

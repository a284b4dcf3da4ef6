"""Tables change while they are synced: columns come, tables are rebuilt, triggers get lost."""

from __future__ import annotations

from tests.sync.replicas import Collection, Make, equal

REBUILT = """
BEGIN;
CREATE TABLE anew (id TEXT PRIMARY KEY, title TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0, note TEXT);
INSERT INTO anew SELECT * FROM tasks;
DROP TABLE tasks;
ALTER TABLE anew RENAME TO tasks;
UPDATE tasks SET title = 'edited in the rebuild' WHERE id = '1';
COMMIT;
"""


def test_a_table_that_is_rebuilt_under_a_running_engine_is_captured_again(
    replica: Make, collection: Collection
) -> None:
    """As Django and Alembic do: the triggers go with the old table, and so would every edit since."""
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL), ('2', 'milk', 0, NULL)")
    ada.sync()
    ada.db.executescript(REBUILT)
    ada.db.execute("UPDATE tasks SET title = 'edited after it' WHERE id = '2'")
    ada.sync()
    assert {key: row["title"] for key, row in collection.alive().items()} == {
        "1": "edited in the rebuild", "2": "edited after it",
    }  # fmt: skip
    ada.db.execute("UPDATE tasks SET title = 'and heard again' WHERE id = '2'")
    ada.sync()
    equal(collection, ada)


def test_a_new_column_takes_what_the_remote_has_and_overwrites_nothing(
    replica: Make, collection: Collection
) -> None:
    """Its default is nobody's edit, and what the remote told of that field before was taken by no column."""
    ada = replica()
    collection.put("1", title="tea", done=0, note=None, urgency=7)
    collection.put("2", title="milk", done=0, note=None)
    ada.pull()
    ada.db.execute("ALTER TABLE tasks ADD COLUMN urgency INTEGER NOT NULL DEFAULT 1")
    ada.db.execute("UPDATE tasks SET title = 'oat milk' WHERE id = '2'")
    ada.sync()
    assert ada.counts()["pending"] == 0
    assert collection.alive()["1"]["urgency"] == 7
    assert {key: row["urgency"] for key, row in ada.rows().items()} == {"1": 7, "2": 1}
    assert collection.alive()["2"]["title"] == "oat milk"


def test_an_edit_of_a_new_column_is_an_edit(replica: Make, collection: Collection) -> None:
    ada = replica()
    collection.put("1", title="tea", done=0, note=None)
    ada.pull()
    ada.db.execute("ALTER TABLE tasks ADD COLUMN urgency INTEGER NOT NULL DEFAULT 1")
    ada.db.execute("UPDATE tasks SET urgency = 3")
    ada.sync()
    assert collection.alive()["1"]["urgency"] == 3


def test_an_operation_on_a_new_row_is_sent_after_the_row(replica: Make, collection: Collection) -> None:
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    ada.db.execute(
        "INSERT INTO sync_queue (type, table_name, local_id, data) "
        "VALUES ('update', 'tasks', '1', '{\"note\": \"two spoons\"}')"
    )
    ada.sync()
    sent = [change.op for kind, changes in ada.wire.requests if kind == "push" for change in changes]
    assert sent == ["insert", "update"]
    assert collection.alive()["1"]["note"] == "two spoons"
    ada.sync()
    equal(collection, ada)

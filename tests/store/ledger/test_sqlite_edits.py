"""Plain edits as a table: where they stand in the journal, and what is removed with them."""

from __future__ import annotations

import sqlite3

from tests.store.ledger.conformance.steps import TASKS, arrival, do, installed
from windlass.change import Edits, Seals, Taken
from windlass.store.ledger import Ledger

NAMES = [f"row {number:02d}" for number in range(12)]


def edited(ledger: Ledger, db: sqlite3.Connection, *notes: str, create: str = TASKS) -> None:
    """Rows that the remote has, all of them edited here once for each note."""
    installed(ledger, db, create=create)
    do(ledger, *(arrival(name) for name in NAMES))
    for note in notes:
        db.execute("UPDATE tasks SET note = ?", (note,))


def read(ledger: Ledger, limit: int = 50, after: int = 0) -> Edits:
    edits = ledger.edits("tasks", limit, after=after)
    assert edits is not None
    return edits


def push(ledger: Ledger, edits: Edits, *, whole: bool = True) -> list[object]:
    """Seals and settles them as taken; what was left."""
    count = len(edits.keys)
    notes = edits.values[edits.columns.index("note")]
    data = [{"note": note} for note in notes]
    mutations = [f"m-{key}" for key in edits.keys]
    span = edits.span if whole else None
    with ledger.hold("tasks") as hold:
        seals = Seals(edits.keys, ["update"] * count, data, mutations, edits.versions)
        batch = ledger.seal_batch(hold, edits.mark, seals)
        assert batch is not None
        taken = Taken(edits.keys, edits.columns, edits.values, ["v2"] * count, span)
        return list(ledger.settle_batch(hold, edits.mark, batch, taken))


def numbers(db: sqlite3.Connection) -> list[tuple[int, object]]:
    found = db.execute("SELECT seq, key FROM windlass_journal WHERE resource > 0 ORDER BY seq")
    return found.fetchall()


def test_edits_say_where_they_stand(ledger: Ledger, db: sqlite3.Connection) -> None:
    edited(ledger, db, "once")
    first, *_, last = [number for number, _ in numbers(db)]
    assert (read(ledger).span, list(read(ledger).keys)) == ((first, last), NAMES)
    assert read(ledger, limit=5).span == (first, first + 4)
    behind = read(ledger, limit=5, after=first + 4)
    assert (behind.span, list(behind.keys)) == ((first + 5, first + 9), NAMES[5:10])
    assert ledger.edits("tasks", 5, after=last) is None


def test_a_row_that_was_edited_again_and_again_is_one_edit(ledger: Ledger, db: sqlite3.Connection) -> None:
    edited(ledger, db, "once", "twice")
    everything = numbers(db)
    edits = read(ledger)
    assert (list(edits.keys), edits.span) == (NAMES, (everything[0][0], everything[-1][0]))
    assert set(edits.values[edits.columns.index("note")]) == {"twice"}
    assert set(edits.known[edits.columns.index("note")]) == {None}
    assert (push(ledger, edits), numbers(db)) == ([], [])


def test_what_was_edited_again_behind_what_was_read_goes_with_it(
    ledger: Ledger, db: sqlite3.Connection
) -> None:
    edited(ledger, db, "once")
    db.execute("UPDATE tasks SET note = 'twice' WHERE id = ?", (NAMES[0],))
    db.execute("UPDATE tasks SET note = 'twice' WHERE id = ?", (NAMES[11],))
    edits = read(ledger, limit=10)
    assert list(edits.keys) == NAMES[:10]
    assert push(ledger, edits) == []
    assert [key for _, key in numbers(db)] == [NAMES[10], NAMES[11], NAMES[11]]


def test_what_is_edited_while_it_is_sent_stays_with_all_that_was_read(
    ledger: Ledger, db: sqlite3.Connection
) -> None:
    edited(ledger, db, "once")
    edits = read(ledger)
    db.execute("UPDATE tasks SET note = 'meanwhile' WHERE id = ?", (NAMES[3],))
    with ledger.hold("tasks") as hold:
        seals = Seals(
            edits.keys, ["update"] * 12, [{"note": "once"}] * 12, list(map(str, range(12))), edits.versions
        )
        assert ledger.seal_batch(hold, edits.mark, seals) is None  # the seal is of what is not there any more
        others = Seals(*[[one for place, one in enumerate(column) if place != 3] for column in seals])
        batch = ledger.seal_batch(hold, edits.mark, others)
        assert batch is not None
        taken = Taken(edits.keys, edits.columns, edits.values, ["v2"] * 12, edits.span)
        assert ledger.settle_batch(hold, edits.mark, batch, taken) == [NAMES[3]]
    assert {key for _, key in numbers(db)} == {NAMES[3]}


def test_another_tables_edits_between_them_stay(ledger: Ledger, db: sqlite3.Connection) -> None:
    edited(ledger, db)
    for name in NAMES:
        db.execute("UPDATE tasks SET note = 'new' WHERE id = ?", (name,))
        db.execute("INSERT INTO windlass_journal (resource, key, op) VALUES (99, ?, 'update')", (name,))
    assert push(ledger, read(ledger)) == []
    assert [key for _, key in numbers(db)] == NAMES


def test_a_part_of_them_leaves_the_others(ledger: Ledger, db: sqlite3.Connection) -> None:
    edited(ledger, db, "once")
    edits = read(ledger)
    part = edits._replace(
        keys=edits.keys[1:10],
        values=[column[1:10] for column in edits.values],
        versions=edits.versions[1:10],
    )
    assert push(ledger, part, whole=False) == []
    assert [key for _, key in numbers(db)] == [NAMES[0], *NAMES[10:]]


def test_a_key_that_the_tables_collation_takes_for_another_is_no_plain_edit(
    ledger: Ledger, db: sqlite3.Connection
) -> None:
    edited(ledger, db, "once", create=TASKS.replace("PRIMARY KEY", "COLLATE NOCASE PRIMARY KEY"))
    assert list(read(ledger).keys) == NAMES
    for table in ("windlass_journal", "windlass_sync_shadows"):
        db.execute(f"UPDATE {table} SET key = upper(key) WHERE key = ?", (NAMES[0],))
    assert ledger.edits("tasks", 50) is None

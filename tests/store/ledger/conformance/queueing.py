"""What may be sent now, and what waits."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.store.ledger.conformance.steps import (
    arrival,
    do,
    due,
    installed,
    queued,
    sealed,
    standing,
    task,
)
from windlass.change import Change, Effect, Shadow
from windlass.errors import InvalidJob
from windlass.store.ledger import Ledger
from windlass.testing import ManualClock

INSERT = (
    "INSERT INTO sync_queue (id, type, table_name, local_id, data, created_at, retry_count, status) VALUES "
)


class Queueing:
    """P4, and explicit operations."""

    def test_the_oldest_change_goes_first_and_sealed_ones_before_it(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        queued(ledger, "a")
        queued(ledger, "b")
        do(ledger, sealed(queued(ledger, "c")))
        assert due(ledger) == ["c", "a", "b"]
        assert due(ledger, limit=2) == ["c", "a"]

    def test_a_failed_held_or_waiting_change_stops_its_own_key_alone(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        first = queued(ledger, "failed", mutation_id="m1", status="failed")
        queued(ledger, "failed")
        queued(ledger, "held", hold="conflict")
        queued(ledger, "later", due_at_us=10)
        queued(ledger, "free")
        assert due(ledger, now_us=9) == ["free"]
        assert due(ledger, now_us=10) == ["later", "free"]
        assert [change.key for change in ledger.held("tasks")] == ["held"]
        do(ledger, Effect("failed", sent=None))
        assert due(ledger) == ["failed", "free"]
        assert first.seq < ledger.due("tasks", 0, 1)[0].seq

    def test_the_next_due_time_is_that_of_what_only_waits(
        self, ledger: Ledger, db: Any, clock: ManualClock
    ) -> None:
        installed(ledger, db)
        now = clock.wall_us()
        assert ledger.next_due_us("tasks", now) is None
        queued(ledger, "ready")
        queued(ledger, "held", hold="conflict", due_at_us=now + 1)
        queued(ledger, "failed", status="failed", due_at_us=now + 2)
        queued(ledger, "behind", mutation_id="m1", hold="conflict")
        queued(ledger, "behind", due_at_us=now + 3)
        assert ledger.next_due_us("tasks", now) is None
        queued(ledger, "later", due_at_us=now + 9)
        queued(ledger, "sooner", due_at_us=now + 8)
        assert ledger.next_due_us("tasks", now) == now + 8
        clock.advance("1s")
        # Whoever asked what is due at that moment is told of all that comes after it.
        assert ledger.next_due_us("tasks", now) == now + 8

    def test_an_insert_into_the_queue_is_an_explicit_operation(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        db.execute(
            INSERT
            + "('u1', 'archive', 'tasks', 'a', '{\"deep\": true}', '2026-05-01T10:00:00Z', 0, 'pending')"
        )
        assert ledger.has_news() == ["tasks"]
        assert ledger.journal("tasks") == ["a"]
        [(resource, change)] = ledger.changes()
        assert resource == "tasks"
        assert (change.id, change.op, change.key, change.data, change.captured) == (
            "u1", "archive", "a", {"deep": True}, False,
        )  # fmt: skip
        assert change.created_at_us == 1777629600_000_000
        assert ledger.due("tasks", 0, 9) == [change]
        assert standing(ledger, "a").explicit == (change,)
        do(ledger, Effect("a"))
        assert ledger.has_news() == []
        do(ledger, Effect("a", explicit=(msgspec.structs.replace(change, mutation_id="m1", attempts=1),)))
        assert [(one.id, one.mutation_id, one.attempts) for _, one in ledger.changes()] == [("u1", "m1", 1)]
        do(ledger, Effect("a", ended=(change.seq,)))
        assert ledger.changes() == []

    def test_what_an_insert_leaves_out_has_a_default(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db, create="CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)")
        db.execute("INSERT INTO sync_queue (type, table_name, local_id) VALUES ('ping', 'tasks', '7')")
        db.execute("INSERT INTO sync_queue (type, table_name) VALUES ('ping', 'tasks')")
        db.execute(INSERT + "(NULL, 'ping', 'tasks', '7', NULL, NULL, NULL, NULL)")
        first, second, third = [change for _, change in ledger.changes("tasks")]
        assert (first.key, first.data, first.attempts, first.status) == (7, {}, 0, "pending")
        assert second.key == second.id
        assert (third.key, third.attempts, third.hold) == (7, 0, None)
        assert len({change.id for change in (first, second, third)}) == 3
        assert first.created_at_us > 0
        assert due(ledger) == [7, second.id]

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ("'u', 'ping', 'tasks', 'a', '[1]', '2026-05-01T10:00:00Z', 0, 'pending'", "not a JSON object"),
            ("'u', 'ping', 'tasks', 'a', '{', '2026-05-01T10:00:00Z', 0, 'pending'", "not a JSON object"),
            ("'u', 'ping', 'tasks', 'a', x'7b7d', '2026-05-01T10:00:00Z', 0, 'pending'", "not a JSON object"),
            ("'u', 'ping', 'tasks', 'a', '{\"a\": \"\\ud800\"}', '', 0, 'pending'", "not a JSON object"),
            ("'u', 'ping', 'no such', 'a', '{}', '2026-05-01T10:00:00Z', 0, 'pending'", "no synced table"),
            ("'u', NULL, 'tasks', 'a', '{}', '2026-05-01T10:00:00Z', 0, 'pending'", "type is missing"),
            ("'u', 'ping', 'tasks', 'a', '{}', 'noon', 0, 'DONE'", "status"),
        ],
    )
    def test_what_cannot_be_sent_is_held_with_the_reason_and_stops_nobody_else(
        self, ledger: Ledger, db: Any, values: str, said: str
    ) -> None:
        installed(ledger, db)
        db.execute(f"{INSERT}({values})")
        queued(ledger, "b")
        held = [change.hold for _, change in ledger.changes() if not change.captured]
        assert len(held) == 1
        assert said in (held[0] or "")
        assert due(ledger) == ["b"]

    def test_an_operation_on_a_table_that_is_not_synced_yet_waits_for_that(
        self, ledger: Ledger, db: Any
    ) -> None:
        db.execute("CREATE TABLE tasks (id INTEGER PRIMARY KEY)")
        made = ledger.enqueue(op="ping", table="tasks", local_id=7, data={"a": b"\x00"})
        assert [(resource, change.id) for resource, change in ledger.changes()] == [("", made)]
        ledger.install("tasks", ledger.describe("tasks"))
        [change] = ledger.due("tasks", 0, 9)
        assert (change.id, change.key, change.data) == (made, 7, {"a": b"\x00"})
        assert ledger.journal("tasks") == [7]

    def test_an_operation_on_a_callers_connection_exists_if_the_transaction_commits(
        self, ledger: Ledger, db: Any
    ) -> None:
        installed(ledger, db)
        for end, there in (("ROLLBACK", False), ("COMMIT", True)):
            db.execute("BEGIN")
            made = ledger.enqueue(op="ping", table="tasks", local_id="a", data=None, connection=db)
            db.execute(end)
            assert (made in [change.id for _, change in ledger.changes()]) is there

    def test_an_operation_without_a_name_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidJob, match="say what is to be done"):
            ledger.enqueue(op="", table="tasks", local_id=1, data=None)

    def test_the_unsent_are_rows_that_the_remote_does_not_have_yet(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, arrival("there"))
        queued(ledger, "there")
        queued(ledger, "pending", op="insert")
        queued(ledger, "failed", op="insert", status="failed")
        db.execute("INSERT INTO tasks (id, title) VALUES ('journaled', 'J')")
        asked = ["there", "pending", "failed", "journaled", "nobody"]
        unsent = {"pending": "pending", "failed": "failed", "journaled": "pending"}
        assert ledger.unsent("tasks", asked) == unsent

    def test_deleted_children_are_found_by_their_parent(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        for key, parent in (("one", "p1"), ("two", "p2"), ("three", "p3")):
            row = task(key, note=parent)
            do(ledger, Effect(key, row=row, shadow=Shadow(row)))
        db.execute("DELETE FROM tasks WHERE id = 'one'")
        queued(ledger, "two", op="delete")
        assert ledger.children("tasks", "note", ["p3", "p2", "p1"]) == ["p1"]
        db.execute("DELETE FROM tasks WHERE id = 'two'")
        assert ledger.children("tasks", "note", ["p3", "p2", "p1"]) == ["p2", "p1"]

    def test_counts_say_what_there_is(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        do(ledger, arrival("a"), arrival("b"))
        queued(ledger, "a", created_at_us=4_000_000)
        queued(ledger, "b", mutation_id="m1", created_at_us=5_000_000)
        queued(ledger, "c", hold="conflict")
        queued(ledger, "d", status="failed")
        db.execute("UPDATE tasks SET title = 'mine' WHERE id = 'a'")
        db.execute("INSERT INTO tasks (id, title) VALUES ('e', 'E')")
        counts = ledger.counts("tasks")
        assert (counts.rows, counts.pending, counts.sealed, counts.held, counts.failed) == (2, 4, 1, 1, 1)
        assert counts.oldest_us == 4_000_000

    def test_what_is_behind_a_change_that_failed_counts_as_held(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        queued(ledger, "a")
        for _ in range(4):
            ledger.enqueue(op="ping", table="tasks", local_id="b", data=None)
        first, second, third, _ = standing(ledger, "b").explicit
        failed = (msgspec.structs.replace(one, status="failed") for one in (first, third))
        do(ledger, Effect("b", explicit=(*failed, msgspec.structs.replace(second, hold="conflict"))))
        counts = ledger.counts("tasks")
        assert (counts.pending, counts.held, counts.failed) == (3, 2, 2)
        assert due(ledger) == ["a"]

    def test_changes_are_listed_by_resource_and_status(self, ledger: Ledger, db: Any) -> None:
        installed(ledger, db)
        installed(ledger, db, create="CREATE TABLE other (id TEXT PRIMARY KEY, title TEXT)", table="other")
        queued(ledger, "a")
        queued(ledger, "b", status="failed", error="no", problem='{"title":"no"}')
        queued(ledger, "c", resource="other")
        assert [(name, change.key) for name, change in ledger.changes()] == [
            ("tasks", "a"), ("tasks", "b"), ("other", "c"),
        ]  # fmt: skip
        [(_, failed)] = ledger.changes("tasks", status="failed")
        assert (failed.error, failed.problem) == ("no", '{"title":"no"}')
        assert len(ledger.changes(limit=2)) == 2
        assert isinstance(failed, Change)

"""The cycle through real databases: what a push promises (P1 to P6)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sync.replicas import Collection, Make, equal
from windlass.errors import Unauthorized
from windlass.events import SyncFailed, SyncFailing, SyncRecovered
from windlass.sync.telling import Postponed


# ── the plain way ──────────────────────────────────────────────────────────────────────────────────
def test_edits_here_reach_the_other_replica(replica: Make, collection: Collection) -> None:
    ada, bob = replica(), replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL), ('2', 'milk', 1, 'cold')")
    ada.sync()
    bob.sync()
    bob.do("UPDATE tasks SET done = 1 WHERE id = '1'")
    bob.do("DELETE FROM tasks WHERE id = '2'")
    bob.sync()
    ada.sync()
    assert set(collection.alive()) == {"1"}
    equal(collection, ada, bob)


def test_an_update_sends_the_changed_columns_alone(replica: Make, collection: Collection) -> None:
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    ada.sync()
    ada.do("UPDATE tasks SET done = 1")
    ada.push()
    _, (sent,) = ada.wire.requests[-1]
    assert (sent.op, sent.changed, sent.base_version) == ("update", {"done": 1}, "1")
    assert sent.document == {"id": "1", "title": "tea", "done": 1, "note": None}


def test_what_is_inserted_and_deleted_before_it_is_sent_is_never_sent(replica: Make) -> None:
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    ada.do("DELETE FROM tasks")
    assert ada.push().sent == 0
    assert ada.counts()["pending"] == 0


def test_many_edits_of_a_row_are_one_change(replica: Make, collection: Collection) -> None:
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    for title in ("green tea", "black tea", "mate"):
        ada.do("UPDATE tasks SET title = ?", title)
    assert ada.push().sent == 1
    assert collection.alive()["1"]["title"] == "mate"


def test_a_pull_without_news_is_one_request_without_rows(replica: Make, collection: Collection) -> None:
    ada = replica()
    collection.put("1", title="tea")
    ada.pull()
    before = len(ada.wire.requests)
    done = ada.pull()
    assert done.not_modified
    assert len(ada.wire.requests) == before + 1


def test_our_own_push_comes_back_as_nothing(replica: Make) -> None:
    """Echo suppression: the row equals its shadow, so nothing is written."""
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    ada.push()
    done = ada.pull()
    assert (done.received, done.written) == (1, 0)


def test_a_table_with_rows_is_matched_by_key(replica: Make, collection: Collection) -> None:
    collection.put("1", title="tea", done=0, note=None)
    collection.put("2", title="coffee", done=0, note=None)
    ada = replica()
    ada.db.execute(
        "INSERT INTO tasks VALUES ('1', 'tea', 0, NULL), ('2', 'milk', 0, NULL), ('3', 'jam', 0, NULL)"
    )
    ada.pull()
    ada.push()
    assert [key for _, key, _ in ada.cycle.ledger.conflicts("tasks")] == ["2"]
    assert collection.alive()["3"]["title"] == "jam"
    assert collection.applied == collection.applied[:1]
    assert ada.rows()["2"]["title"] == "milk", "a conflict leaves the row as it is here"


# ── P: what a push promises ────────────────────────────────────────────────────────────────────────
def test_p2_a_resend_after_a_lost_answer_has_one_effect(replica: Make, collection: Collection) -> None:
    """PowerSync core #162, background_fetch #248: the answer is lost after the server has committed."""
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    ada.wire.fault = lambda kind: "unanswered" if kind == "push" else None
    with pytest.raises(Postponed):
        ada.push()
    ada.wire.fault = lambda _: None
    ada.sync()
    assert len(collection.applied) == 1
    sent = [changes[0].mutation_id for kind, changes in ada.wire.requests if kind == "push"]
    assert len(sent) == 2
    assert sent[0] == sent[1]
    equal(collection, ada)


def test_p2_where_the_remote_does_not_dedupe_an_unknown_outcome_is_probed(replica: Make) -> None:
    collection = Collection(dedupes=False)
    ada = replica(collection=collection)
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    ada.wire.fault = lambda kind: "unanswered" if kind == "push" else None
    with pytest.raises(Postponed):
        ada.push()
    ada.wire.fault = lambda _: None
    ada.sync()
    assert [kind for kind, _ in ada.wire.requests][:2] == ["push", "probe"]
    assert len(collection.applied) == 1
    equal(collection, ada)


def test_p2_the_mutation_id_is_on_the_disk_before_anything_is_sent(replica: Make) -> None:
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    seen: list[Any] = []
    ada.wire.before = lambda _: seen.append(
        ada.db.execute("SELECT mutations FROM windlass_sync_batches").fetchone()[0]
    )
    ada.push()
    _, (sent,) = ada.wire.requests[0]
    assert seen == [f'["{sent.mutation_id}"]']


def test_p4_a_rejected_row_parks_itself_alone(replica: Make, collection: Collection) -> None:
    """Brick #393, #527: one bad row blocked all that came after it."""
    ada = replica()
    collection.refuses = lambda change: "title is empty" if change.document.get("title") == "" else None
    ada.do("INSERT INTO tasks VALUES ('1', '', 0, NULL), ('2', 'tea', 0, NULL)")
    done = ada.push()
    assert done.rejected == [("1", "title is empty")]
    assert set(collection.alive()) == {"2"}
    assert ada.counts()["failed"] == 1
    assert [event for event in ada.told.events if isinstance(event, SyncFailed)] != []
    ada.do("UPDATE tasks SET title = 'jam' WHERE id = '1'")
    ada.sync()
    equal(collection, ada)


def test_p5_an_edit_while_its_row_is_being_uploaded_stays_queued(
    replica: Make, collection: Collection
) -> None:
    """WatermelonDB #1374: an edit made during a push was lost."""
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    titles = iter(["green tea", "black tea"])

    def edit(kind: str) -> None:
        title = next(titles, None)
        if kind == "push" and title is not None:
            ada.db.execute("UPDATE tasks SET title = ?", (title,))

    ada.wire.before = edit
    assert ada.push().sent == 3
    assert collection.alive()["1"]["title"] == "black tea"
    ada.pull()
    equal(collection, ada)


def test_p6_being_offline_for_hours_costs_nothing_and_is_told_once(
    replica: Make, collection: Collection
) -> None:
    """The origin's queue failed after two minutes of outage."""
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    ada.wire.online = False
    tries = 0
    for wait in ["10s"] * 60 + ["20m"] * 6:
        with pytest.raises(Postponed):
            ada.engine.push("tasks")
        tries += 1
        ada.clock.advance(wait)
    ((_, change),) = ada.cycle.ledger.changes("tasks")
    assert (change.status, change.attempts) == ("pending", 0)
    assert [type(event) for event in ada.told.events] == [SyncFailing]
    requests = len(ada.wire.requests)
    assert requests < tries / 1.5, "the wait between two requests has grown"
    ada.wire.online = True
    ada.clock.advance("1m")
    ada.engine.push("tasks")
    ada.pull()
    assert [type(event) for event in ada.told.events] == [SyncFailing, SyncRecovered]
    equal(collection, ada)


def test_p6_who_is_not_known_keeps_the_queue(replica: Make) -> None:
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    ada.wire.fault = lambda _: "401"
    for _ in range(10):
        with pytest.raises(Postponed) as caught:
            ada.push()
        assert isinstance(caught.value.__cause__, Unauthorized)
    ((_, change),) = ada.cycle.ledger.changes("tasks")
    assert (change.status, change.attempts) == ("pending", 0)
    assert [event.reason for event in ada.told.events] == ["unauthorized: 401: who are you?"]


def test_failing_answers_of_a_reachable_server_count_and_end_in_a_dead_letter(
    replica: Make, collection: Collection
) -> None:
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    ada.wire.fault = lambda kind: "500" if kind == "push" else None
    for attempt in range(1, 6):
        assert ada.push().sent == 1
        assert ada.push().sent == 0, "not before its time"
        ((_, change),) = ada.cycle.ledger.changes("tasks")
        assert (change.attempts, change.status) == (attempt, "failed" if attempt == 5 else "pending")
        ada.clock.advance("1h")
    ada.wire.fault = lambda _: None
    assert ada.push().sent == 0
    assert collection.alive() == {}


def test_throttling_counts_no_attempt_and_is_kept_to(replica: Make, collection: Collection) -> None:
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    ada.wire.fault = lambda kind: "429" if kind == "push" else None
    with pytest.raises(Postponed) as caught:
        ada.engine.push("tasks")
    assert 60_000_000 <= caught.value.wait_us <= 66_000_000
    ada.wire.fault = lambda _: None
    ada.clock.advance("59s")
    with pytest.raises(Postponed):
        ada.engine.push("tasks")
    ada.clock.advance("8s")
    assert ada.engine.push("tasks").accepted == 1
    assert len(ada.wire.requests) == 2


def test_a_remote_that_never_takes_a_row_as_it_is_does_not_keep_a_push_for_ever(
    replica: Make, collection: Collection
) -> None:
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL), ('2', 'milk', 0, NULL)")
    spellings = iter(range(1000))
    ada.wire.before = lambda kind: (
        ada.do("UPDATE tasks SET note = ? WHERE id = '1'", f"edited {next(spellings)}")
        if kind == "push"
        else None
    )
    assert ada.push().sent < 50
    assert collection.alive()["2"]["title"] == "milk"


# ── the short way of plain edits ───────────────────────────────────────────────────────────────────
@pytest.mark.sqlite
def test_p2_an_edit_that_cannot_be_written_down_as_sealed_is_not_sent(
    replica: Make, collection: Collection
) -> None:
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', CAST(x'ff' AS TEXT), 0, NULL), ('2', 'milk', 0, NULL)")
    assert ada.push().sent == 1
    assert set(collection.alive()) == {"2"}
    assert [one.remote_id for one in ada.cycle.ledger.quarantined("tasks")] == ["1"]


def test_an_edit_made_while_it_is_sealed_goes_as_it_is_then(replica: Make, collection: Collection) -> None:
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL), ('2', 'milk', 0, NULL)")
    ledger = ada.cycle.ledger
    look, edited = ledger.look, iter([True])

    def look_then_edit(*args: Any, **more: Any) -> Any:
        found = look(*args, **more)
        if next(edited, False):
            ada.db.execute("UPDATE tasks SET title = 'green tea' WHERE id = '1'")
        return found

    ledger.look = look_then_edit  # type: ignore[method-assign]
    assert ada.push().sent == 2
    titles = {key: row["title"] for key, row in collection.alive().items()}
    assert titles == {"1": "green tea", "2": "milk"}
    assert ada.counts()["pending"] == 0

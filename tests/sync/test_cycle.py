"""The cycle through real databases: push, pull, and what may come in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sync.replicas import Collection, Replica, settled
from windlass.errors import Unauthorized
from windlass.events import ConflictWaiting, SyncFailed, SyncFailing, SyncRecovered
from windlass.sync.engine import Postponed
from windlass.sync.merge import merge

Make = Callable[..., Replica]


@pytest.fixture
def collection() -> Collection:
    return Collection()


@pytest.fixture
def replica(tmp_path: Path, collection: Collection) -> Iterator[Make]:
    made: list[Replica] = []

    def make(**options: Any) -> Replica:
        one = Replica(tmp_path / f"replica-{len(made)}.db", options.pop("collection", collection), **options)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def equal(collection: Collection, *replicas: Replica) -> None:
    """L4: quiet and drained replicas are equal to the collection and to each other."""
    expected = {
        key: {"done": 0, "note": None, "title": None, **document}
        for key, document in collection.alive().items()
    }
    for one in replicas:
        assert one.counts() == {"pending": 0, "failed": 0, "conflicts": 0, "held": 0}
        assert one.rows() == expected


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


def test_a_table_with_rows_is_matched_by_key(replica: Make, collection: Collection, tmp_path: Path) -> None:
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
        ada.db.execute("SELECT mutation_id FROM sync_queue").fetchone()[0]
    )
    ada.push()
    _, (sent,) = ada.wire.requests[0]
    assert seen == [sent.mutation_id]


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
    for _ in range(2 * 60 * 6):
        with pytest.raises(Postponed):
            ada.engine.push("tasks")
        tries += 1
        ada.clock.advance("10s")
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
    assert "CHECK" in kept.reason
    collection.put("1", title="good")
    ada.pull()
    assert set(ada.rows()) == {"1", "2"}
    assert ada.cycle.ledger.quarantined("tasks") == []


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

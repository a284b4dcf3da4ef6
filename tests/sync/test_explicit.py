"""Operations that a program queues: checked when they are given, sent in their turn, or told why not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.sync.programs import Program
from windlass import SyncOperation
from windlass.demo.server.store import StoreServer
from windlass.errors import InvalidPayload


@pytest.fixture
def store() -> Iterator[StoreServer]:
    with StoreServer() as server:
        yield server


@pytest.fixture
def ada(store: StoreServer, database_url: str, tmp_path: Path) -> Iterator[Program]:
    """A row that the server has, too."""
    with Program(tmp_path, store.url, database=database_url) as one:
        one.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
        assert one.tasks.push().accepted == 1
        yield one


def ask(ada: Program, op: str = "update", local_id: Any = "1", **data: Any) -> str:
    return ada.app.sync.enqueue(SyncOperation(type=op, table="tasks", local_id=local_id, data=data))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"note": float("nan")}, "data.note is NaN, which JSON cannot hold"),
        ({"note": float("-inf")}, "data.note is infinite, which JSON cannot hold"),
        ({"note": "a\ud800"}, "data.note holds a lone surrogate"),
        ({"note": 2**70}, "data.note is beyond a 64-bit integer"),
        ({"note": object()}, "data.note is a value of type object, which JSON cannot hold"),
        ({"note": {"deep": [1, {"odd": float("nan")}]}}, r"data.note.deep\[1\].odd is NaN"),
        ({1: "x"}, "data has the key 1: expected text, got int"),
        (["x"], "expected data to be a dict of columns, or None, got list"),
    ],
)
def test_an_operation_whose_data_cannot_be_sent_is_refused_and_its_place_named(
    ada: Program, data: Any, said: str
) -> None:
    with pytest.raises(InvalidPayload, match=said):
        ada.app.sync.enqueue(SyncOperation(type="update", table="tasks", local_id="1", data=data))
    assert ada.queue() == []


@pytest.mark.parametrize(
    ("key", "said"), [("a\ud800", "local_id holds a lone surrogate"), (["a", 1], "JSON array .* got list")]
)
def test_an_operation_about_what_is_no_key_is_refused(ada: Program, key: Any, said: str) -> None:
    with pytest.raises(InvalidPayload, match=said):
        ask(ada, local_id=key)
    assert ada.queue() == []


def test_what_json_can_hold_is_kept_as_a_job_would_keep_it(ada: Program) -> None:
    data: dict[str, Any] = {
        "title": "long " * 400_000,
        "note": datetime(2026, 1, 2, tzinfo=UTC),
        "done": 1,
        "more": {"deep": [None, 1.5, True]},
        "raw": b"\x00\xff",
    }
    ask(ada, **data)
    [one] = ada.tasks.pending()
    assert one.change.data == {**data, "note": "2026-01-02T00:00:00Z"}


def test_what_comes_after_an_operation_that_was_rejected_says_so_and_counts_as_held(
    ada: Program, store: StoreServer
) -> None:
    ask(ada, "frob")
    ask(ada, title="later")
    ada.tasks.push()
    ada.do("UPDATE tasks SET note = 'mine'")
    ada.do("INSERT INTO tasks VALUES ('2', 'milk', 0, NULL)")
    behind = "waits for an earlier change of its row, which failed: retry, discard or revert that"
    why = [(one.key, one.change.op, one.why) for one in ada.tasks.pending()]
    assert why == [
        ("1", "update", behind),
        ("1", "update", behind),
        ("2", "insert", "is sent with the next push"),
    ]
    ada.tasks.push()
    assert [one.why for one in ada.tasks.pending()] == [behind, behind]
    status = ada.tasks.status()
    assert (status.pending, status.held, status.failed) == (2, 2, 1)
    # And that is the way out.
    ada.tasks.discard("1")
    assert ada.tasks.push().accepted == 2
    assert store.shelf.documents("tasks")["1"]["note"] == "mine"
    assert (ada.tasks.pending(), ada.counts().held) == ([], 0)


def test_an_operation_after_a_change_that_was_given_up_says_so(ada: Program, store: StoreServer) -> None:
    store.shelf.checks.append(lambda _, task: "a bad title" if task["title"] == "bad" else None)
    ada.do("UPDATE tasks SET title = 'bad'")
    ada.tasks.push()
    ada.tasks.discard("1")
    ask(ada, note="later")
    ada.tasks.push()
    [one] = ada.tasks.pending()
    assert one.why == "waits for an earlier change of its row, which was given up: retry or revert that"
    assert ada.tasks.status().held == 1


@pytest.mark.parametrize(("remote", "sent"), [({}, "GET"), ({"version": None}, "PATCH")])
def test_an_update_of_a_row_that_is_not_there_is_a_dead_letter_that_says_so_at_once(
    store: StoreServer, database_url: str, tmp_path: Path, remote: dict[str, Any], sent: str
) -> None:
    """It was fetched six times, for a newer version that nobody held."""
    with Program(tmp_path, store.url, remote=remote, database=database_url) as ada:
        ask(ada, local_id="zz", note="x")
        done = ada.tasks.push()
        gone = "the remote has no such row: it was deleted there, or never was"
        assert (done.conflicts, done.rejected) == (0, [("zz", gone)])
        assert [one.error for one in ada.tasks.dead()] == [gone]
        assert store.targets() == [f"{sent} /tasks/zz"]


def test_an_update_of_a_row_that_was_deleted_there_lets_the_row_go_here_too(
    ada: Program, store: StoreServer
) -> None:
    store.shelf.remove("tasks", "1")
    ask(ada, note="x")
    assert [key for key, _ in ada.tasks.push().rejected] == ["1"]
    assert ada.titles() == {}


def test_a_new_row_is_sent_before_the_operations_on_it(ada: Program, store: StoreServer) -> None:
    ask(ada, local_id="2", note="x")
    ada.do("INSERT INTO tasks VALUES ('2', 'milk', 0, NULL)")
    assert ada.tasks.push().accepted == 2
    assert store.shelf.documents("tasks")["2"]["note"] == "x"

"""Columns of which PostgreSQL keeps what is meant, and tells it in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.sync.replicas import Collection, Replica

SCHEMA = "CREATE TABLE tasks (id UUID PRIMARY KEY, title TEXT, due TIMESTAMPTZ(3), day DATE)"
THERE = "0D9D4A3E-3B3B-4B6E-9A52-0D6F0D3F4F11"
HERE = THERE.lower()


@pytest.fixture
def ada(postgres_ready_url: str, collection: Collection) -> Iterator[Replica]:
    with closing(Replica(postgres_ready_url, collection, schema=SCHEMA)) as one:
        collection.put(THERE, title="tea", due="2026-01-02T03:04:05.6789+02:00", day="2026-01-02T00:00:00Z")
        one.pull()
        yield one


def test_what_the_remote_spells_otherwise_is_no_edit(ada: Replica, collection: Collection) -> None:
    ledger = ada.cycle.ledger
    (row,) = ada.db.execute("SELECT id::text, due::text, day::text FROM tasks").fetchall()
    assert row[0] == HERE
    assert ledger.recapture("tasks") == 0
    ada.db.execute("UPDATE tasks SET due = due, title = title")
    assert ada.push().sent == 0
    ada.pull()
    assert ada.counts() == {"pending": 0, "failed": 0, "conflicts": 0, "held": 0}
    assert collection.alive()[THERE]["due"] == "2026-01-02T03:04:05.6789+02:00"


def test_an_edit_sends_what_was_edited_to_the_row_that_is_meant(ada: Replica, collection: Collection) -> None:
    ada.do("UPDATE tasks SET title = 'green tea'")
    collection.put(THERE, due="2026-01-05T00:00:00Z")
    ada.sync()
    ada.sync()
    assert ada.counts() == {"pending": 0, "failed": 0, "conflicts": 0, "held": 0}
    (there,) = collection.alive().values()
    assert (there["title"], there["due"], there["day"]) == (
        "green tea", "2026-01-05T00:00:00Z", "2026-01-02T00:00:00Z",
    )  # fmt: skip
    (row,) = ada.db.execute("SELECT title, due AT TIME ZONE 'UTC' FROM tasks").fetchall()
    assert (row[0], row[1].isoformat()) == ("green tea", "2026-01-05T00:00:00")


def test_a_row_that_is_deleted_there_goes_by_whatever_name(ada: Replica, collection: Collection) -> None:
    collection.delete(THERE)
    ada.pull()
    assert ada.db.execute("SELECT * FROM tasks").fetchall() == []


def test_a_row_that_is_deleted_here_is_deleted_there_by_its_own_name(
    ada: Replica, collection: Collection
) -> None:
    ada.do("DELETE FROM tasks")
    ada.sync()
    assert collection.alive() == {}


@pytest.fixture
def others(postgres_ready_urls: Callable[[], str], collection: Collection) -> Iterator[Replica]:
    with closing(Replica(postgres_ready_urls(), collection, schema=SCHEMA, ids="server")) as one:
        yield one


def test_a_row_that_arrives_with_an_id_of_the_servers_gets_a_key(
    others: Replica, collection: Collection
) -> None:
    collection.put("s-1", title="tea", due="2026-01-02T03:04:05Z")
    others.pull()
    others.do("UPDATE tasks SET title = 'coffee'")
    others.sync()
    assert [(row["id"], row["title"]) for row in collection.alive().values()] == [("s-1", "coffee")]

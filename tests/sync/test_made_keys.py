"""Rows whose keys the database makes, and whose ids the remote makes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.sync.replicas import Collection, Replica

SCHEMA = "CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT)"


@pytest.fixture
def collection() -> Collection:
    made = Collection()
    made.put("s1", title="tea")
    made.put("s2", title="coffee")
    return made


@pytest.fixture
def replica(database_url: str, collection: Collection) -> Iterator[Replica]:
    with closing(Replica(database_url, collection, schema=SCHEMA, ids="server")) as replica:
        replica.pull()
        yield replica


def titles(collection: Collection) -> list[str]:
    return sorted(document["title"] for document in collection.alive().values())


def test_a_pulled_row_takes_no_key_of_a_row_whose_delete_is_still_to_be_sent(
    replica: Replica, collection: Collection
) -> None:
    replica.do("DELETE FROM tasks WHERE title = 'coffee'")
    collection.put("s3", title="juice")
    replica.pull()
    assert [row["id"] for row in replica.rows().values()] == [1, 3]
    replica.sync()
    assert titles(collection) == ["juice", "tea"]
    assert [row["title"] for row in replica.rows().values()] == ["tea", "juice"]

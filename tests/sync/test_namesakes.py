"""Ids that are two at the remote and one key to the table: none is written over the other or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.sync.replicas import TASKS, Collection, Make, Replica
from windlass.store.postgres.location import is_postgres

NUMBERS = TASKS.replace("id TEXT PRIMARY KEY", "id INTEGER PRIMARY KEY")
COLLATION = "CREATE COLLATION folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"


@pytest.fixture
def folding(request: pytest.FixtureRequest, database_url: str, collection: Collection) -> Iterator[Replica]:
    """A replica whose table takes 'a' and 'A' for one key. PostgreSQL needs ICU for it, as Debian's has."""
    schema = TASKS.replace("id TEXT", "id TEXT COLLATE NOCASE")
    if is_postgres(database_url):
        database_url = request.getfixturevalue("debian_postgres_url")
        schema = COLLATION + TASKS.replace("id TEXT", "id TEXT COLLATE folding")
    with closing(Replica(database_url, collection, schema=schema)) as one:
        yield one


def titles(one: Replica) -> dict[Any, str]:
    return {key: row["title"] for key, row in one.rows().items()}


def there(collection: Collection) -> dict[str, str]:
    return {key: row["title"] for key, row in collection.alive().items()}


def respelled(collection: Collection, was: str, to: str) -> None:
    document, version = collection.documents.pop(was)
    collection.documents[to] = ({**(document or {}), "id": to}, version)


def listed(one: Replica) -> dict[str, str]:
    return {two.remote_id: two.reason for two in one.engine.ledger.quarantined("tasks")}


def again(one: Replica) -> None:
    """Once more, with everything told anew, and with a look for what was missed."""
    one.sync()
    one.pull(sweep_all=True)
    one.engine.ledger.recapture("tasks")
    assert one.push().sent == 0


@pytest.mark.parametrize("more", [0, 30])
def test_two_ids_that_are_one_number_are_two_rows(replica: Make, collection: Collection, more: int) -> None:
    ada = replica(schema=NUMBERS)
    collection.put("007", title="theirs", done=0, note=None)
    collection.put("7", title="seven", done=0, note=None)
    for number in range(100, 100 + more):
        collection.put(str(number), title="more", done=0, note=None)
    ada.pull()
    before = there(collection)
    assert titles(ada)[7] == "seven"
    assert "its id '007' is kept here as 7" in listed(ada)["007"]
    again(ada)
    collection.put("007", title="edited there")
    ada.pull()
    assert titles(ada)[7] == "seven"
    collection.delete("007")
    ada.pull()
    assert (titles(ada)[7], listed(ada)) == ("seven", {})
    ada.db.execute("UPDATE tasks SET title = 'mine' WHERE id = 7")
    again(ada)
    assert there(collection) == {**{key: one for key, one in before.items() if key != "007"}, "7": "mine"}


def test_an_id_that_is_spelled_otherwise_and_alone_is_synced_under_its_spelling(
    replica: Make, collection: Collection
) -> None:
    ada = replica(schema=NUMBERS)
    collection.put("007", title="theirs", done=0, note=None)
    ada.pull()
    ada.db.execute("UPDATE tasks SET title = 'mine'")
    again(ada)
    assert (titles(ada), there(collection), listed(ada)) == ({7: "mine"}, {"007": "mine"}, {})


def test_a_row_that_was_made_here_is_not_that_of_another_spelling(
    replica: Make, collection: Collection
) -> None:
    ada = replica(schema=NUMBERS)
    ada.do("INSERT INTO tasks VALUES (7, 'mine', 0, NULL)")
    collection.put("007", title="theirs", done=0, note=None)
    ada.pull()
    assert titles(ada) == {7: "mine"}
    again(ada)
    assert (titles(ada), there(collection)) == ({7: "mine"}, {"7": "mine", "007": "theirs"})


def test_a_complete_list_without_the_id_deletes_no_row_that_another_spelling_may_mean(
    replica: Make, collection: Collection
) -> None:
    collection.tombstones = False
    ada = replica(schema=NUMBERS)
    ada.do("INSERT INTO tasks VALUES (7, 'mine', 0, NULL), (8, 'mine', 0, NULL)")
    ada.sync()
    respelled(collection, "7", "007")
    del collection.documents["8"]
    ada.pull(sweep_all=True)
    assert (titles(ada), list(listed(ada))) == ({7: "mine"}, ["007"])


def test_a_key_that_differs_in_capitals_is_another_row_whatever_the_column_says(
    folding: Replica, collection: Collection
) -> None:
    ada = folding
    ada.do("INSERT INTO tasks VALUES ('AbC', 'mine', 0, NULL)")
    ada.push()
    collection.put("abc", title="theirs", done=0, note=None)
    ada.pull()
    assert titles(ada) == {"AbC": "mine"}
    assert "'abc' is to the table the same as 'AbC'" in listed(ada)["abc"]
    again(ada)
    assert there(collection) == {"AbC": "mine", "abc": "theirs"}
    collection.delete("abc")
    ada.pull()
    assert (titles(ada), there(collection), listed(ada)) == ({"AbC": "mine"}, {"AbC": "mine"}, {})
    ada.db.execute("UPDATE tasks SET title = 'edited' WHERE id = 'AbC'")
    again(ada)
    assert there(collection) == {"AbC": "edited"}


@pytest.mark.parametrize("more", [0, 30])
def test_of_two_new_keys_that_differ_in_capitals_the_first_is_taken(
    folding: Replica, collection: Collection, more: int
) -> None:
    ada = folding
    for name in ("abc", "ABC", *(f"k{number}" for number in range(more))):
        collection.put(name, title=f"title of {name}", done=0, note=None)
    before = there(collection)
    ada.pull()
    assert (len(titles(ada)), titles(ada)["abc"]) == (more + 1, "title of abc")
    assert list(listed(ada)) == ["ABC"]
    collection.put("ABC", title="edited there")
    collection.put("abc", title="and here")
    again(ada)
    assert titles(ada)["abc"] == "and here"
    assert there(collection) == {**before, "ABC": "edited there", "abc": "and here"}


def test_a_complete_list_in_other_capitals_deletes_nothing(folding: Replica, collection: Collection) -> None:
    """A server may make all ids small."""
    collection.tombstones = False
    ada = folding
    ada.do("INSERT INTO tasks VALUES ('AbC', 'mine', 0, NULL), ('gone', 'mine', 0, NULL)")
    ada.sync()
    respelled(collection, "AbC", "abc")
    del collection.documents["gone"]
    ada.pull(sweep_all=True)
    assert (titles(ada), list(listed(ada))) == ({"AbC": "mine"}, ["abc"])


def test_an_edit_of_a_row_that_the_remote_tells_badly_stays_to_be_sent(
    replica: Make, collection: Collection
) -> None:
    """That its key was told of in a complete list is all that such a document says."""
    ada = replica()
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', 0, NULL)")
    ada.sync()
    ada.db.execute("UPDATE tasks SET title = 'green tea'")
    collection.put("1", note={"no": "text"})
    ada.pull(sweep_all=True)
    assert list(listed(ada)) == ["1"]
    assert ada.counts()["pending"] == 1


def test_a_row_that_is_deleted_there_goes_though_a_new_one_has_its_number(
    replica: Make, collection: Collection
) -> None:
    collection.tombstones = False
    ada = replica(schema=NUMBERS)
    for name in ("7", "8"):
        collection.put(name, title=name, done=0, note=None)
    ada.pull()
    del collection.documents["7"]
    collection.put("007", title="new one", done=0, note=None)
    ada.pull()
    assert (titles(ada), listed(ada)) == ({7: "new one", 8: "8"}, {})
    ada.db.execute("UPDATE tasks SET title = 'mine' WHERE id = 7")
    again(ada)
    assert there(collection) == {"8": "8", "007": "mine"}


@pytest.mark.parametrize("more", [0, 30])
def test_a_row_that_is_deleted_there_goes_though_a_new_one_has_its_letters(
    folding: Replica, collection: Collection, more: int
) -> None:
    collection.tombstones = False
    ada = folding
    for name in ("abc", *(f"k{number}" for number in range(more))):
        collection.put(name, title=name, done=0, note=None)
    ada.pull()
    del collection.documents["abc"]
    collection.put("AbC", title="new one", done=0, note=None)
    ada.pull(sweep_all=True)
    assert (titles(ada), listed(ada)) == (there(collection), {})
    again(ada)
    assert titles(ada)["AbC"] == "new one"


def test_a_new_row_that_could_not_be_fetched_when_its_key_was_free_comes_with_the_next_pull(
    folding: Replica, collection: Collection
) -> None:
    collection.tombstones = False
    ada = folding
    for name in ("abc", "x"):
        collection.put(name, title=name, done=0, note=None)
    ada.pull()
    del collection.documents["abc"]
    collection.put("AbC", title="new one", done=0, note=None)
    ada.wire.fault = lambda kind: "lost" if kind == "fetch" else None
    ada.pull()
    assert (titles(ada), list(listed(ada))) == ({"x": "x"}, ["AbC"])
    ada.pull()
    assert (titles(ada), listed(ada)) == ({"x": "x", "AbC": "new one"}, {})


def test_both_of_two_ids_that_are_one_key_are_there_in_every_complete_list(
    folding: Replica, collection: Collection
) -> None:
    collection.tombstones = False
    ada = folding
    for name in ("abc", "AbC", "x"):
        collection.put(name, title=name, done=0, note=None)
    for _ in range(3):
        ada.pull(sweep_all=True)
        assert (titles(ada), list(listed(ada))) == ({"abc": "abc", "x": "x"}, ["AbC"])

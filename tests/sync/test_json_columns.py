"""A program's own JSON: sent as what it means, and kept as it was written while the remote means the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sync.replicas import Collection, Make
from windlass.sync.converting import means_the_same

SCHEMA = "CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT, tags JSON)"
OWN = {"1": "not json", "2": '{"b": 1, "a": [ 2.0 ]}', "3": " [true] ", "4": "null", "5": '{"a":1}'}
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=1), inner, max_size=2),
    max_leaves=6,
)


def kept(ada: Any) -> dict[Any, Any]:
    return {key: row["tags"] for key, row in ada.rows().items()}


@pytest.mark.sqlite
@pytest.mark.parametrize("guards", [True, False], ids=["guards", "takes the last word"])
@pytest.mark.parametrize("declaration", [{}, {"ids": "server"}], ids=["client ids", "server ids"])
def test_neither_a_push_nor_a_pull_rewrites_json_that_means_the_same(
    replica: Make, guards: bool, declaration: dict[str, Any]
) -> None:
    """'{"a": 1}' had become '{"a":1}', and a text that is no JSON a JSON text, after a push."""
    collection = Collection(guards=guards, tombstones=False)
    ada = replica(collection=collection, schema=SCHEMA, **declaration)
    for key, text in OWN.items():
        ada.do("INSERT INTO tasks VALUES (?, 'tea', ?)", key, text)
    ada.sync()
    told = [document["tags"] for document in collection.alive().values()]
    assert told == ["not json", {"b": 1, "a": [2]}, [True], None, {"a": 1}]
    assert kept(ada) == OWN
    # Nor where something else of the row changes, here or there.
    ada.do("UPDATE tasks SET title = 'coffee'")
    ada.sync()
    for remote_id in list(collection.alive()):
        collection.put(remote_id, title="milk")
    assert ada.pull().written == 5
    assert kept(ada) == OWN
    assert ada.push().sent == 0
    assert ada.cycle.ledger.recapture("tasks") == 0


@pytest.mark.sqlite
def test_rows_that_both_sides_have_already_are_in_step_whatever_their_spelling(
    replica: Make, collection: Collection
) -> None:
    ada = replica(schema=SCHEMA)
    collection.put("1", title="tea", tags={"a": 1})
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', '{ \"a\": 1 }')")
    ada.pull()
    assert (kept(ada), ada.counts()["conflicts"]) == ({"1": '{ "a": 1 }'}, 0)
    assert ada.push().sent == 0


@pytest.mark.sqlite
def test_what_the_remote_means_otherwise_is_taken_from_it(replica: Make, collection: Collection) -> None:
    ada = replica(schema=SCHEMA)
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', '{\"a\": 1}'), ('2', 'tea', '[1, 2]'), ('3', 'tea', '1')")
    ada.sync()
    collection.put("1", tags={"a": True})
    collection.put("2", tags=[2, 1])
    collection.put("3", tags="1")
    ada.pull()
    assert kept(ada) == {"1": '{"a":true}', "2": "[2,1]", "3": '"1"'}


@pytest.mark.sqlite
def test_an_edit_of_json_meets_the_remotes_words_for_it_as_its_own(
    replica: Make, collection: Collection
) -> None:
    ada = replica(schema=SCHEMA)
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', '[1]')")
    ada.sync()
    ada.do("UPDATE tasks SET tags = '[1, 2]'")
    collection.put("1", tags=[1, 2], title="milk")
    ada.pull()
    assert ada.counts()["conflicts"] == 0
    ada.sync()
    assert ada.rows() == {"1": {"id": "1", "title": "milk", "tags": "[1, 2]"}}


@given(ANY, ANY)
def test_json_means_the_same_where_another_program_reads_the_same(one: Any, other: Any) -> None:
    import json

    def strict(value: Any) -> str:
        return json.dumps(value, sort_keys=True)

    pairs = json.dumps(one, indent=2), json.dumps(other, separators=(",", ":"))
    assert means_the_same(*pairs) == (strict(one) == strict(other))
    assert means_the_same(pairs[0], json.dumps(one, sort_keys=True))


def test_what_is_nested_beyond_all_reason_is_not_taken_for_the_same() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert not means_the_same(deep, f" {deep}")
    assert not means_the_same(b"[1]", "[1]")


@pytest.mark.sqlite
@pytest.mark.parametrize("tags", [{"a": 1}, [1, 2], "tea", 7, None])
def test_an_operation_that_says_json_as_it_is_is_sent_once(replica: Make, tags: Any) -> None:
    """What it says became the row's own words, which no column keeps: it was sent again and again."""
    collection = Collection()
    ada = replica(collection=collection, schema=SCHEMA)
    ada.do("INSERT INTO tasks VALUES ('1', 'tea', '[0]')")
    ada.sync()
    ada.engine.ledger.enqueue(op="update", table="tasks", local_id="1", data={"tags": tags})
    assert ada.push().sent == 1
    assert (ada.push().sent, ada.counts()["pending"]) == (0, 0)
    assert collection.alive()["1"]["tags"] == tags
    ada.pull()
    assert ada.push().sent == 0

"""PostgREST's dialect, spoken with a small server of our own (``real/postgrest_like.py`` says why)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.sync.outgoing import delete, documents, insert, pages, update, watermark
from tests.sync.real.postgrest_like import PostgrestLike
from windlass.demo.server.serving import message
from windlass.errors import Throttled
from windlass.sync.paginate import ContentRange
from windlass.sync.postgrest import PostgrestRemote
from windlass.sync.remote import Accepted, Ask, Document, Rejected, Stale, Undelivered


@pytest.fixture
def remote(postgrest: PostgrestLike) -> Iterator[PostgrestRemote]:
    with PostgrestRemote(postgrest.table, deleted="deleted_at") as one:
        yield one


def test_a_snapshot_goes_on_after_the_last_row_where_rows_share_their_time(
    remote: PostgrestRemote, postgrest: PostgrestLike
):
    for number in range(10):
        postgrest.put(f"r{number}", title="x")

    told = pages(remote, limit=2)

    assert [len(page.documents) for page in told] == [2, 2, 2, 2, 2, 0]
    assert sorted(documents(told)) == sorted(postgrest.rows)
    assert told[0].complete


def test_a_row_that_changes_between_two_pages_is_told_in_its_new_form(
    remote: PostgrestRemote, postgrest: PostgrestLike
):
    for number in range(4):
        postgrest.put(f"r{number}", title="old")
    first = remote.pull(Ask(None, None, None, 2))
    postgrest.put("r0", title="new")

    told = [first]
    while told[-1].next_page is not None:
        told.append(remote.pull(Ask(None, told[-1].next_page, None, 2)))

    row = documents(told)["r0"].document
    assert row is not None
    assert row["title"] == "new"
    assert watermark(told) == postgrest.rows["r0"]["updated_at"]


def test_an_incremental_pull_tells_edits_and_soft_deletes(remote: PostgrestRemote, postgrest: PostgrestLike):
    for number in range(40):
        postgrest.put(f"r{number}", title="x")
    cursor = watermark(pages(remote))
    for number in range(30):
        postgrest.put("busy", title=f"{number}")
    postgrest.put("r3", deleted_at="2026-11-21T13:00:00+00:00")

    told = pages(remote, cursor)

    found = documents(told)
    assert found["r3"].document is None
    assert found["busy"].document is not None
    assert "r0" not in found
    assert not told[0].complete


def test_a_key_may_hold_whatever_a_filter_means(remote: PostgrestRemote, postgrest: PostgrestLike):
    odd = ['a"b', "c,d", "e(f)", "g\\h", "i&j=k", "l m", "n%2Fo"]
    for name in odd:
        postgrest.put(name, title="x")

    assert sorted(documents(pages(remote, limit=1))) == sorted(odd)
    for name in odd:
        assert remote.fetch(name).document == postgrest.rows[name]


def test_pages_by_range_tell_how_many_rows_there_are(postgrest: PostgrestLike):
    for number in range(5):
        postgrest.put(f"r{number}", title="x")
    by_range = {"page": ContentRange(), "limit_parameter": None, "headers": {"Prefer": "count=exact"}}
    with PostgrestRemote(postgrest.table, **by_range) as remote:
        told = pages(remote, limit=2)

    assert [len(page.documents) for page in told] == [2, 2, 1]
    assert told[0].total == 5


def test_a_push_inserts_updates_and_deletes(remote: PostgrestRemote, postgrest: PostgrestLike):
    (made,) = remote.push([insert("a", title="one", done=False)])
    assert isinstance(made, Accepted)
    assert made.document == postgrest.rows["a"]
    assert made.version == postgrest.rows["a"]["updated_at"]

    (changed,) = remote.push([update("a", made.version, {"done": True})])
    assert isinstance(changed, Accepted)
    assert changed.document == postgrest.rows["a"]
    assert changed.document["done"] is True

    (deleted,) = remote.push([delete("a", changed.version)])
    assert isinstance(deleted, Accepted)
    assert remote.fetch("a") == Document("a", None)


def test_the_time_of_a_change_is_the_servers(remote: PostgrestRemote, postgrest: PostgrestLike):
    remote.push([insert("a", title="x", updated_at="1999-01-01T00:00:00Z")])

    assert "updated_at" not in json.loads(postgrest.asked[-1].body)
    assert postgrest.rows["a"]["updated_at"].startswith("2026")


def test_a_newer_version_is_not_overwritten_and_not_deleted(
    remote: PostgrestRemote, postgrest: PostgrestLike
):
    version = postgrest.put("a", title="base")["updated_at"]
    for _ in range(3):
        postgrest.put("a", title="theirs")

    assert remote.push([update("a", version, {"title": "mine"}), delete("a", version)]) == [Stale(), Stale()]
    assert postgrest.rows["a"]["title"] == "theirs"


def test_an_insert_of_an_id_that_is_taken_overwrites_nothing(
    remote: PostgrestRemote, postgrest: PostgrestLike
):
    postgrest.put("a", title="theirs")

    verdicts = remote.push([insert("a", title="mine"), insert("b", title="mine")])

    assert [type(one) for one in verdicts] == [Stale, Accepted]
    assert postgrest.rows["a"]["title"] == "theirs"


def test_merge_lets_an_insert_overwrite(postgrest: PostgrestLike):
    postgrest.put("a", title="theirs")
    with PostgrestRemote(postgrest.table, merge=True) as remote:
        (verdict,) = remote.push([insert("a", title="mine")])

    assert isinstance(verdict, Accepted)
    assert postgrest.rows["a"]["title"] == "mine"


def test_inserts_travel_together_and_the_bad_one_is_found(remote: PostgrestRemote, postgrest: PostgrestLike):
    postgrest.put("other", title="x", code="taken")
    changes = [insert(f"r{number}", title="x", code=f"c{number}") for number in range(16)]
    changes[5] = insert("r5", title="x", code="taken")

    verdicts = remote.push(changes)

    assert [type(one) for one in verdicts] == [Accepted] * 5 + [Rejected] + [Accepted] * 10
    bad = verdicts[5]
    assert isinstance(bad, Rejected)
    assert bad.problem is not None
    assert "tasks_code_key" in bad.problem
    assert len(postgrest.asked) < 16


def test_a_lost_answer_is_found_out_by_looking(remote: PostgrestRemote):
    change = insert("a", title="x")
    assert not remote.dedupes
    assert remote.probe(change) is None
    remote.push([change])

    found = remote.probe(change)

    assert isinstance(found, Accepted)
    assert found.version is not None


def test_a_server_in_trouble_leaves_the_rest_unsent(remote: PostgrestRemote, postgrest: PostgrestLike):
    postgrest.answers = [message(503, {"Retry-After": "7"}, b'{"code":"PGRST001","message":"no connection"}')]

    verdicts = remote.push([delete("a", "1"), delete("b", "1")])

    assert [type(one) for one in verdicts] == [Undelivered, Undelivered]
    assert all(isinstance(one, Undelivered) and isinstance(one.error, Throttled) for one in verdicts)
    assert [one.method for one in postgrest.asked] == ["DELETE"]

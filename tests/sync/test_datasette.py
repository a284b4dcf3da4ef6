"""Datasette 1.0 alpha, as installed: no versions, no tombstones, pages by key, a hundred rows a write."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sync.outgoing import delete, documents, insert, pages, update
from tests.sync.real.datasette import ROWS_MAX, Datasette, DatasetteRemote
from windlass.errors import Unauthorized
from windlass.sync.auth import bearer
from windlass.sync.remote import Accepted, Ask, Document, Gone, Rejected, Undelivered


@pytest.fixture
def remote(datasette: Datasette) -> Iterator[DatasetteRemote]:
    with datasette.remote() as one:
        yield one


def test_every_pull_tells_everything_so_that_what_is_absent_was_deleted(
    remote: DatasetteRemote, datasette: Datasette
):
    remote.push([insert(f"r{number}", title="x", done=0) for number in range(5)])
    told = pages(remote, limit=2)
    assert [len(page.documents) for page in told] == [2, 2, 1]
    assert all(page.complete and page.watermark is None for page in told)

    datasette.call(remote, "r3/-/delete", {})

    assert set(documents(pages(remote, limit=2))) == {"r0", "r1", "r2", "r4"}


def test_there_is_nothing_to_ask_conditionally_with(remote: DatasetteRemote):
    (page,) = pages(remote)

    assert page.validator is None


def test_a_push_inserts_updates_and_deletes(remote: DatasetteRemote):
    (made,) = remote.push([insert("a", title="one", done=0)])
    assert isinstance(made, Accepted)
    assert made.document == {"id": "a", "title": "one", "done": 0}
    assert made.version is None

    (changed,) = remote.push([update("a", None, {"done": 1})])
    assert isinstance(changed, Accepted)
    assert changed.document == {"id": "a", "title": "one", "done": 1}

    (deleted,) = remote.push([delete("a")])
    assert isinstance(deleted, Accepted)
    assert remote.fetch("a") == Document("a", None)


def test_inserts_travel_together_and_each_gets_its_own_row_back(remote: DatasetteRemote):
    changes = [insert(f"r{number}", title=f"row {number}", done=0) for number in reversed(range(ROWS_MAX))]

    verdicts = remote.push(changes)

    for change, verdict in zip(changes, verdicts, strict=True):
        assert isinstance(verdict, Accepted)
        assert verdict.document == change.document
    assert len(documents(pages(remote))) == ROWS_MAX


def test_one_bad_row_of_a_hundred_is_found_and_the_others_go_on(remote: DatasetteRemote):
    changes = [insert(f"r{number}", title="x", done=0) for number in range(20)]
    changes[13] = insert("bad", title=None, done=0)

    verdicts = remote.push(changes)

    assert [type(one) for one in verdicts] == [Accepted] * 13 + [Rejected] + [Accepted] * 6
    bad = verdicts[13]
    assert isinstance(bad, Rejected)
    assert bad.problem is not None
    assert "NOT NULL constraint failed" in bad.problem


def test_more_than_the_server_takes_at_once_is_cut_in_halves(remote: DatasetteRemote):
    changes = [insert(f"r{number}", title="x", done=0) for number in range(ROWS_MAX + 50)]
    object.__setattr__(remote, "envelope", type(remote.envelope)(size=len(changes)))  # more than is allowed

    verdicts = remote.push(changes)

    assert {type(one) for one in verdicts} == {Accepted}


def test_a_resend_has_one_effect(remote: DatasetteRemote):
    change = insert("a", title="x", done=0)

    first, second = remote.push([change])[0], remote.push([change])[0]

    assert remote.dedupes
    assert first == second
    assert len(documents(pages(remote))) == 1


def test_what_is_not_there_is_gone(remote: DatasetteRemote):
    assert remote.push([update("no", None, {"title": "x"}), delete("no")]) == [Gone(), Gone()]


def test_an_id_with_a_slash_is_one_row(remote: DatasetteRemote):
    (made,) = remote.push([insert("a/b", title="x", done=0)])
    assert isinstance(made, Accepted)

    fetched = remote.fetch("a/b")

    assert fetched.document == {"id": "a/b", "title": "x", "done": 0}


def test_a_token_that_is_not_known_stops_the_lane(datasette: Datasette):
    with datasette.remote(auth=bearer("dstok_forged")) as remote:
        verdicts = remote.push([delete("a"), delete("b")])

        assert [type(one) for one in verdicts] == [Undelivered, Undelivered]
        assert all(isinstance(one, Undelivered) and isinstance(one.error, Unauthorized) for one in verdicts)


def test_a_page_is_never_larger_than_was_asked_for(remote: DatasetteRemote):
    remote.push([insert(f"r{number}", title="x", done=0) for number in range(9)])
    first = remote.pull(Ask(None, None, None, 5))

    second = remote.pull(Ask(None, first.next_page, None, 3))

    assert (len(first.documents), len(second.documents)) == (5, 3)

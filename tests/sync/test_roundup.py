"""Roundup, as installed: If-Match on every write, 409, 429, posts that count once, links in the body."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sync.outgoing import delete, documents, insert, pages, update, watermark
from tests.sync.real.roundup import CALLS, PER_S, Roundup, RoundupRemote, by_activity
from windlass.errors import Throttled
from windlass.sync.remote import Accepted, Ask, Document, Gone, Rejected, Stale, Undelivered


@pytest.fixture
def marker() -> str:
    """Every issue of a test has it in its title, and the test sees no others."""
    return uuid.uuid4().hex


@pytest.fixture
def remote(roundup: Roundup, marker: str) -> Iterator[RoundupRemote]:
    with issues(roundup, marker) as one:
        yield one


def issues(roundup: Roundup, marker: str, **settings: Any) -> RoundupRemote:
    parameters = {"@fields": "title,activity", "@sort": "activity", "title": marker}
    return RoundupRemote(roundup, "issue", fields="", **{"parameters": parameters, **settings})


def made(roundup: Roundup, title: str) -> str:
    """A new issue by another client; its id."""
    return roundup.call("POST", "issue", {"title": title})["id"]


def test_a_snapshot_follows_the_links_in_the_body(remote: RoundupRemote, roundup: Roundup, marker: str):
    ids = {made(roundup, f"{number} {marker}") for number in range(5)}

    told = pages(remote, limit=2)

    assert [len(page.documents) for page in told] == [2, 2, 1]
    assert set(documents(told)) == ids
    assert told[0].total == 5
    assert all(page.complete for page in told)


def test_an_incremental_pull_tells_what_was_edited_since(roundup: Roundup, marker: str):
    with issues(roundup, marker, cursor=by_activity()) as remote:
        first = made(roundup, f"first {marker}")
        cursor = watermark(pages(remote))
        assert cursor is not None

        second = made(roundup, f"second {marker}")
        roundup.edit(f"issue/{first}", {"title": f"edited {marker}"})
        told = pages(remote, cursor)

    found = documents(told)
    assert set(found) == {first, second}
    assert found[first].document is not None
    assert found[first].document["title"] == f"edited {marker}"
    assert not told[0].complete


def test_what_is_retired_is_absent_from_a_whole_pull(remote: RoundupRemote, roundup: Roundup, marker: str):
    kept, retired = made(roundup, f"kept {marker}"), made(roundup, f"retired {marker}")
    assert set(documents(pages(remote))) == {kept, retired}
    version = roundup.call("GET", f"issue/{retired}")["@etag"]

    verdicts = remote.push([delete(retired, version)])

    assert isinstance(verdicts[0], Accepted)
    assert set(documents(pages(remote))) == {kept}


def test_a_new_row_gets_the_servers_id(remote: RoundupRemote, marker: str):
    (verdict,) = remote.push([insert(None, title=marker)])

    assert isinstance(verdict, Accepted)
    assert verdict.remote_id is not None
    assert set(documents(pages(remote))) == {verdict.remote_id}


def test_a_posts_address_takes_one_post(remote: RoundupRemote, marker: str):
    request = remote.request_of(insert(None, title=marker))

    answers = [remote.request(request.method, request.url, json=request.json) for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 400]
    assert len(documents(pages(remote))) == 1


def test_a_row_of_a_page_is_fetched_before_it_is_overwritten(
    remote: RoundupRemote, roundup: Roundup, marker: str
):
    issue = made(roundup, marker)
    version = documents(pages(remote))[issue].version
    assert version is None

    (verdict,) = remote.push([update(issue, version, {"title": f"mine {marker}"})])
    assert verdict == Stale()

    current = remote.fetch(issue)
    assert current.document is not None
    assert current.document["title"] == marker
    (verdict,) = remote.push([update(issue, current.version, {"title": f"mine {marker}"})])
    assert isinstance(verdict, Accepted)
    after = remote.fetch(issue).document
    assert after is not None
    assert after["title"] == f"mine {marker}"


def test_a_newer_version_is_not_overwritten(remote: RoundupRemote, roundup: Roundup, marker: str):
    issue = made(roundup, marker)
    version = remote.fetch(issue).version
    roundup.edit(f"issue/{issue}", {"title": f"theirs {marker}"})

    verdicts = remote.push([update(issue, version, {"title": f"mine {marker}"}), delete(issue, version)])

    assert verdicts == [Stale(), Stale()]
    theirs = remote.fetch(issue).document
    assert theirs is not None
    assert theirs["title"] == f"theirs {marker}"


def test_a_duplicate_is_rejected_with_the_servers_words(roundup: Roundup, marker: str):
    with RoundupRemote(roundup, "keyword", fields="name") as remote:
        first, second, third = remote.push(
            [insert(None, name=marker), insert(None, name=marker), insert(None, name=f"other {marker}")]
        )

    assert isinstance(first, Accepted)
    assert isinstance(second, Rejected)
    assert second.problem is not None
    assert f'node with key \\"{marker}\\" exists' in second.problem
    assert isinstance(third, Accepted)


def test_what_is_not_there_is_gone(remote: RoundupRemote):
    assert remote.fetch("987654") == Document("987654", None)
    assert remote.push([update("987654", '"x"', {"title": "t"}), delete("987654", '"x"')]) == [Gone(), Gone()]


def test_a_lost_insert_is_found_by_a_field_that_no_two_rows_share(roundup: Roundup, marker: str):
    with RoundupRemote(roundup, "keyword", fields="name", unique="name") as remote:
        change = insert(None, name=marker)
        assert remote.probe(change) is None
        (accepted,) = remote.push([change])
        assert isinstance(accepted, Accepted)

        found = remote.probe(change)

    assert isinstance(found, Accepted)
    assert found.remote_id == accepted.remote_id


def test_an_insert_that_cannot_be_found_again_is_left_to_a_person(remote: RoundupRemote, marker: str):
    verdict = remote.probe(insert(None, title=marker))

    assert isinstance(verdict, Rejected)
    assert "unique=" in verdict.reason


def test_a_full_limit_leaves_the_rest_unsent_and_says_when(roundup: Roundup, marker: str):
    with issues(roundup, marker) as free:
        ids = [made(roundup, f"{number} {marker}") for number in range(2)]
        assert len(ids) == len(documents(pages(free)))
    with RoundupRemote(roundup, "keyword", fields="name", tracker="limited") as remote:
        # Each insert is two calls: one for its address.
        changes = [insert(None, name=f"{number} {marker}") for number in range(CALLS)]

        verdicts: list[Any] = list(remote.push(changes))

        accepted = [one for one in verdicts if isinstance(one, Accepted)]
        unsent = [one for one in verdicts if isinstance(one, Undelivered)]
        assert len(accepted) + len(unsent) == CALLS
        assert unsent
        assert all(isinstance(one.error, Throttled) for one in unsent)
        assert 0 < (unsent[0].error.after_s or 0) <= PER_S + 1
        with pytest.raises(Throttled, match="asked to be left alone"):
            remote.pull(Ask(None, None, None, 10))
    # One that was not told before is told by a 429.
    with RoundupRemote(roundup, "keyword", fields="name", tracker="limited") as other:
        (verdict,) = other.push([delete("1", '"x"')])
        assert isinstance(verdict, Undelivered)
        assert isinstance(verdict.error, Throttled)
        assert "429" in str(verdict.error)
        assert verdict.error.after_s is not None

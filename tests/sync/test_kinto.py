"""A Kinto server, as installed: snapshots, changes, tombstones, pages, 304, pushes in batches, conflicts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync.outgoing import delete, documents, insert, pages, update, watermark
from tests.sync.real import kinto as kintos
from tests.sync.real.kinto import Kinto
from windlass.errors import Throttled, Unauthorized
from windlass.sync.auth import basic
from windlass.sync.kinto import KintoRemote
from windlass.sync.remote import Accepted, Ask, Document, Gone, Rejected, Stale, Undelivered


@pytest.fixture
def remote(kinto: Kinto) -> Iterator[KintoRemote]:
    with kinto.remote() as one:
        yield one


def version_of(remote: KintoRemote, remote_id: str) -> str:
    version = remote.fetch(remote_id).version
    assert version is not None
    return version


def test_a_snapshot_tells_every_row_over_pages_and_how_many_there_are(remote: KintoRemote):
    remote.push([insert(f"r{number}", title=f"row {number}") for number in range(12)])

    told = pages(remote)

    assert [len(page.documents) for page in told] == [5, 5, 2]
    assert sorted(documents(told)) == sorted(f"r{number}" for number in range(12))
    assert all(page.complete for page in told)
    assert told[0].total == 12
    row = documents(told)["r3"]
    assert row.document is not None
    assert row.document["title"] == "row 3"
    assert row.version == version_of(remote, "r3")


def test_an_incremental_pull_tells_what_changed_and_what_was_deleted(remote: KintoRemote):
    remote.push([insert(name, title="old") for name in ("kept", "edited", "deleted")])
    cursor = watermark(pages(remote))
    remote.push(
        [
            update("edited", version_of(remote, "edited"), {"title": "new"}),
            delete("deleted", version_of(remote, "deleted")),
        ]
    )

    told = pages(remote, cursor)

    assert not told[0].complete
    found = documents(told)
    assert set(found) == {"edited", "deleted"}
    assert found["deleted"].document is None
    assert found["edited"].document is not None
    assert found["edited"].document["title"] == "new"


def test_a_row_deleted_between_two_pages_is_told_by_the_next_pull(remote: KintoRemote, kinto: Kinto):
    remote.push([insert(f"r{number}", title="x") for number in range(8)])
    first = remote.pull(Ask(None, None, None, 5))
    gone = first.documents[0].remote_id
    kinto.call("DELETE", remote.address_of(gone))
    remote.pull(Ask(None, first.next_page, None, 5))

    found = documents(pages(remote, first.watermark))

    assert found[gone].document is None


def test_a_pull_of_nothing_new_is_one_request_answered_304(remote: KintoRemote):
    remote.push([insert(f"r{number}", title="x") for number in range(7)])
    told = pages(remote)
    assert told[0].validator is not None

    again = remote.pull(Ask(watermark(told), None, told[0].validator, 100))

    assert again.not_modified
    assert again.documents == ()
    remote.push([insert("later", title="x")])
    news = remote.pull(Ask(watermark(told), None, told[0].validator, 100))
    assert [one.remote_id for one in news.documents] == ["later"]


def test_a_smaller_page_is_asked_for_in_the_middle_of_a_pull(remote: KintoRemote):
    remote.push([insert(f"r{number}", title="x") for number in range(9)])
    first = remote.pull(Ask(None, None, None, 4))

    second = remote.pull(Ask(None, first.next_page, None, 2))

    assert (len(first.documents), len(second.documents)) == (4, 2)


def test_a_push_gives_back_the_row_and_its_version(remote: KintoRemote):
    (made,) = remote.push([insert("a", title="one", done=False)])
    assert isinstance(made, Accepted)
    assert made.document is not None
    assert made.document["title"] == "one"

    (changed,) = remote.push([update("a", made.version, {"done": True})])
    assert isinstance(changed, Accepted)
    assert changed.document is not None
    assert (changed.document["title"], changed.document["done"]) == ("one", True)
    assert changed.version != made.version

    (deleted,) = remote.push([delete("a", changed.version)])
    assert isinstance(deleted, Accepted)
    assert remote.fetch("a") == Document("a", None)


def test_a_conflict_brings_the_row_that_the_server_has(remote: KintoRemote, kinto: Kinto):
    (made,) = remote.push([insert("a", title="base")])
    assert isinstance(made, Accepted)
    kinto.call("PATCH", remote.address_of("a"), {"data": {"title": "theirs"}})

    (verdict,) = remote.push([update("a", made.version, {"title": "mine"})])

    assert isinstance(verdict, Stale)
    assert verdict.current is not None
    assert verdict.current.document is not None
    assert verdict.current.document["title"] == "theirs"
    assert verdict.current.version == version_of(remote, "a")


def test_a_version_from_a_page_is_one_that_a_conflict_is_found_by(remote: KintoRemote):
    remote.push([insert("a", title="base")])
    version = documents(pages(remote))["a"].version

    (first,) = remote.push([update("a", version, {"title": "first"})])
    (second,) = remote.push([update("a", version, {"title": "second"})])

    assert isinstance(first, Accepted)
    assert isinstance(second, Stale)


def test_an_insert_of_an_id_that_is_taken_overwrites_nothing(remote: KintoRemote):
    remote.push([insert("a", title="theirs")])

    (verdict,) = remote.push([insert("a", title="mine")])

    assert isinstance(verdict, Stale)
    assert verdict.current is not None
    assert verdict.current.document is not None
    assert verdict.current.document["title"] == "theirs"


def test_an_update_of_a_deleted_row_and_a_second_delete_are_gone(remote: KintoRemote):
    (made,) = remote.push([insert("a", title="x")])
    assert isinstance(made, Accepted)
    remote.push([delete("a", made.version)])

    verdicts = remote.push([update("a", made.version, {"title": "y"}), delete("a", made.version)])

    assert verdicts == [Gone(), Gone()]


def test_each_item_of_a_batch_has_its_own_verdict(remote: KintoRemote):
    (made, _) = remote.push([insert("a", title="x"), insert("b", title="x")])
    assert isinstance(made, Accepted)

    verdicts = remote.push(
        [
            insert("c", title="new"),
            update("a", '"1"', {"title": "stale"}),
            update("nowhere", '"1"', {"title": "gone"}),
            insert("spaces are no id here", title="x"),
            delete("b", version_of(remote, "b")),
        ]
    )

    assert [type(one) for one in verdicts] == [Accepted, Stale, Gone, Rejected, Accepted]


def test_a_rejected_row_brings_the_servers_own_words(remote: KintoRemote):
    (verdict,) = remote.push([insert("spaces are no id here", title="x")])

    assert isinstance(verdict, Rejected)
    assert "answered 400 Bad Request" in verdict.reason
    assert verdict.problem is not None
    assert "Invalid object id" in verdict.problem


def test_more_changes_than_a_batch_takes_are_several_batches(remote: KintoRemote):
    verdicts = remote.push([insert(f"r{number}", title="x") for number in range(60)])

    assert {type(one) for one in verdicts} == {Accepted}
    assert len(documents(pages(remote))) == 60


def test_a_batch_larger_than_the_server_allows_is_cut_in_halves(kinto: Kinto):
    with kinto.remote(together=50) as remote:
        verdicts = remote.push([insert(f"r{number}", title="x") for number in range(50)])

    assert {type(one) for one in verdicts} == {Accepted}


def test_a_probe_finds_what_became_of_each_change(remote: KintoRemote, kinto: Kinto):
    lost = insert("a", title="x")
    assert remote.probe(lost) is None
    (made,) = remote.push([lost])
    assert isinstance(made, Accepted)
    arrived = remote.probe(lost)
    assert isinstance(arrived, Accepted)
    assert arrived.version == made.version

    edit = update("a", made.version, {"title": "y"})
    assert remote.probe(edit) is None
    remote.push([edit])
    assert isinstance(remote.probe(edit), Accepted)

    other = update("a", made.version, {"title": "z"})
    verdict = remote.probe(other)
    assert isinstance(verdict, Stale)
    assert verdict.current is not None

    kinto.call("DELETE", remote.address_of("a"))
    assert remote.probe(delete("a", made.version)) == Gone()


def test_wrong_credentials_are_nobodys_rejection(kinto: Kinto):
    with kinto.remote(auth=basic("eve", "pw")) as remote:
        verdicts = remote.push([insert("a", title="x"), insert("b", title="x")])

        assert [type(one) for one in verdicts] == [Undelivered, Undelivered]
        assert all(isinstance(one, Undelivered) and isinstance(one.error, Unauthorized) for one in verdicts)
        with pytest.raises(Unauthorized):
            remote.pull(Ask(None, None, None, 10))


def test_a_server_that_asks_to_be_left_alone_is_left_alone(tmp_path: Path):
    with kintos.serve(tmp_path, backoff="60") as server, server.remote() as remote:
        verdicts = remote.push([insert(f"r{number}", title="x") for number in range(30)])

        assert [type(one) for one in verdicts] == [Accepted] * 25 + [Undelivered] * 5
        unsent = verdicts[-1]
        assert isinstance(unsent, Undelivered)
        assert isinstance(unsent.error, Throttled)
        assert unsent.error.after_s is not None
        assert 0 < unsent.error.after_s <= 60
        assert unsent.applied is False
        assert server.call("GET", remote.url)["data"][0]["title"] == "x"
        with pytest.raises(Throttled):
            remote.pull(Ask(None, None, None, 10))

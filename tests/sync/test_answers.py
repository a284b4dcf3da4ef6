"""What answers mean for each change, what happens to the rest of a push, and what a probe finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.sync.outgoing import delete, insert, update
from tests.sync.servers.scripted import Scripted
from windlass.errors import (
    Offline,
    RemoteError,
    RemoteFault,
    Throttled,
    Unauthorized,
)
from windlass.sync.kinto import KintoBatch
from windlass.sync.places import ETag
from windlass.sync.remote import (
    Accepted,
    Ask,
    Document,
    Faulty,
    Outgoing,
    Rejected,
    Stale,
    Undelivered,
    Verdict,
)
from windlass.sync.reply import Reply
from windlass.sync.rest import RestRemote

EVERYTHING = Ask(None, None, None, 100)


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as one:
        yield one


@pytest.fixture
def remote(server: Scripted) -> Iterator[RestRemote]:
    with RestRemote(server.tasks, version=ETag(), create="PUT") as one:
        yield one


def pushed(remote: RestRemote, *changes: Outgoing) -> list[str]:
    return [type(one).__name__ for one in remote.push(changes)]


def edits(count: int) -> Sequence[Outgoing]:
    return [update(str(number), '"1"', {"t": 1}) for number in range(count)]


# ── what answers mean ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, "Accepted"), (201, "Accepted"), (202, "Accepted"), (204, "Accepted"),
        (400, "Rejected"), (401, "Undelivered"), (403, "Undelivered"), (404, "Gone"), (405, "Rejected"),
        (408, "Faulty"), (409, "Stale"), (410, "Gone"), (412, "Stale"), (413, "Rejected"), (415, "Rejected"),
        (422, "Rejected"), (425, "Faulty"), (428, "Stale"), (429, "Undelivered"), (451, "Rejected"),
        (500, "Faulty"), (501, "Faulty"), (502, "Faulty"), (503, "Faulty"), (504, "Faulty"), (599, "Faulty"),
    ],
)  # fmt: skip
def test_a_status_means(remote: RestRemote, server: Scripted, status: int, verdict: str):
    server.answer(status)

    assert pushed(remote, update("7", '"1"', {"t": 1})) == [verdict]


@pytest.mark.parametrize(
    ("status", "applied"), [(408, False), (425, False), (429, False), (500, None), (502, None), (504, None)]
)
def test_what_may_have_been_applied_is_told_from_what_was_not(
    remote: RestRemote, server: Scripted, status: int, applied: bool | None
):
    server.answer(status)

    (verdict,) = remote.push([update("7", '"1"', {"t": 1})])

    assert isinstance(verdict, Faulty | Undelivered)
    assert verdict.applied is applied


def test_the_servers_own_words_are_kept_with_a_rejection(remote: RestRemote, server: Scripted):
    server.answer(422, {"title": "Invalid", "detail": "t is too long", "password": "hunter2"})

    (verdict,) = remote.push([insert("7", t=1)])

    assert isinstance(verdict, Rejected)
    assert verdict.reason.endswith(
        "/api/tasks/7 was answered 422 Unprocessable Entity: Invalid: t is too long"
    )
    assert verdict.problem is not None
    assert "t is too long" in verdict.problem
    assert "hunter2" not in verdict.problem


def test_status_codes_lie_and_may_be_corrected(server: Scripted):
    server.answer(409, {"error": "name is taken"})
    server.answer(200, {"ok": False, "error": "closed"})
    server.answer(200, {"ok": True, "id": "7"})

    def classify(change: Outgoing, reply: Reply) -> Verdict | None:
        told = reply.json()
        return Rejected(told["error"]) if told.get("ok") is False else None

    with RestRemote(server.tasks, statuses={409: "rejected"}, classify=classify) as remote:
        verdicts = [remote.push([update("7", None, {"t": 1})])[0] for _ in range(3)]

    assert [type(one) for one in verdicts] == [Rejected, Rejected, Accepted]
    assert verdicts[1] == Rejected("closed")


def test_a_conflict_with_the_current_row_needs_no_fetch(server: Scripted):
    server.answer(409, {"current": {"id": "7", "t": 9}}, ETag='"3"')
    with RestRemote(server.tasks, version=ETag(), current="current") as remote:
        (verdict,) = remote.push([update("7", '"1"', {"t": 1})])

    assert verdict == Stale(Document("7", {"id": "7", "t": 9}, '"3"'))


@pytest.mark.parametrize("body", [b"<p>conflict</p>", b"", b'{"current": "gone"}'])
def test_a_conflict_that_does_not_tell_the_row_is_one_all_the_same(server: Scripted, body: bytes):
    server.answer(412, body)
    with RestRemote(server.tasks, version=ETag(), current="current") as remote:
        assert remote.push([update("7", '"1"', {"t": 1})]) == [Stale()]


def test_a_hotels_page_is_not_the_servers_answer(remote: RestRemote, server: Scripted):
    page = b"<html>Welcome! Please accept our terms.</html>"
    for _ in range(3):
        server.answer(200, page, Content_Type="text/html")

    (verdict,) = remote.push([update("7", '"1"', {"t": 1})])

    assert isinstance(verdict, Undelivered)
    assert isinstance(verdict.error, Offline)
    with pytest.raises(Offline):
        remote.pull(EVERYTHING)
    with pytest.raises(Offline):
        remote.fetch("7")


def test_a_success_that_cannot_be_read_settles_nothing(remote: RestRemote, server: Scripted):
    server.answer(200, b'{"id": "7", "t"')

    (verdict,) = remote.push([update("7", '"1"', {"t": 1})])

    assert isinstance(verdict, Faulty)
    assert verdict.applied is None


# ── the rest of a push ───────────────────────────────────────────────────────────────────────────────
def test_a_rejected_row_does_not_stop_the_others(remote: RestRemote, server: Scripted):
    for status in (200, 422, 500, 412, 404, 200):
        server.answer(status)

    assert pushed(remote, *edits(6)) == ["Accepted", "Rejected", "Faulty", "Stale", "Gone", "Accepted"]


@pytest.mark.parametrize(("status", "error"), [(401, Unauthorized), (429, Throttled), (503, RemoteFault)])
def test_when_the_server_as_a_whole_is_in_trouble_the_rest_is_not_sent(
    remote: RestRemote, server: Scripted, status: int, error: type[RemoteError]
):
    server.answer(200)
    server.answer(status)

    verdicts = remote.push(edits(5))

    assert len(server.asked) == 2
    assert isinstance(verdicts[0], Accepted)
    for unsent in verdicts[2:]:
        assert isinstance(unsent, Undelivered)
        assert isinstance(unsent.error, error)
        assert unsent.applied is False


def test_a_connection_that_breaks_says_what_is_known(remote: RestRemote, server: Scripted):
    server.answer(200)
    server.hang_up_next()

    first, second, third = remote.push(edits(3))

    assert isinstance(first, Accepted)
    assert isinstance(second, Undelivered)
    assert isinstance(second.error, Offline)
    assert second.applied is None, "it was sent, and nobody knows"
    assert isinstance(third, Undelivered)
    assert third.applied is False


def test_a_server_that_is_not_there_applied_nothing(server: Scripted):
    with RestRemote(server.tasks) as remote:
        server.down()

        verdicts = remote.push(edits(2))

    assert all(isinstance(one, Undelivered) and one.applied is False for one in verdicts)


# ── probing ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("change", "there", "found"),
    [
        (insert("7", t=1), None, None),
        (insert("7", t=1), {"id": "7", "t": 1, "more": 2}, "Accepted"),
        (insert("7", t=1), {"t": 1}, "Accepted"),
        (insert("7", t=1), {"id": "7", "t": 2}, "Stale"),
        (update("7", '"1"', {"t": 1}), {"id": "7", "t": 1}, "Accepted"),
        (update("7", '"2"', {"t": 1}), {"id": "7", "t": 0}, None),
        (update("7", '"1"', {"t": 1}), {"id": "7", "t": 0}, "Stale"),
        (update("7", '"1"', {"t": 1}), None, "Gone"),
        (delete("7", '"1"'), None, "Gone"),
        (delete("7", '"2"'), {"id": "7"}, None),
        (delete("7", '"1"'), {"id": "7"}, "Stale"),
    ],
)
def test_a_probe_tells_whether_a_change_arrived(
    remote: RestRemote, server: Scripted, change: Outgoing, there: Any, found: str | None
):
    server.answer(404 if there is None else 200, there, ETag='"2"')

    verdict = remote.probe(change)

    assert (None if verdict is None else type(verdict).__name__) == found
    assert server.lines == ["GET /api/tasks/7"]


@pytest.mark.parametrize(("status", "verdict"), [(401, Undelivered), (429, Undelivered), (500, Faulty)])
def test_a_probe_that_gets_no_answer_settles_nothing(
    remote: RestRemote, server: Scripted, status: int, verdict: type[Verdict]
):
    server.answer(status)

    assert isinstance(remote.probe(insert("7", t=1)), verdict)


def test_a_new_row_is_looked_for_by_what_no_two_rows_share(server: Scripted):
    server.answer(200, [{"id": 1, "ref": "other"}, {"id": 2, "ref": "r-9", "t": 1}])
    with RestRemote(server.tasks, unique="ref") as remote:
        verdict = remote.probe(insert(None, ref="r-9", t=1))

    assert server.lines == ["GET /api/tasks?ref=r-9"]
    assert isinstance(verdict, Accepted)
    assert verdict.remote_id == "2"


# ── several in one envelope ──────────────────────────────────────────────────────────────────────────
@pytest.fixture
def together(server: Scripted) -> Iterator[RestRemote]:
    envelope = KintoBatch(f"{server.url}/api", size=4)
    with RestRemote(server.tasks, version=ETag(), create="PUT", envelope=envelope) as one:
        yield one


def responses(*statuses: int) -> dict[str, Any]:
    return {"responses": [{"status": status, "headers": {}, "body": {}} for status in statuses]}


def test_an_envelope_says_nothing_about_what_is_in_it(together: RestRemote, server: Scripted):
    server.answer(200, responses(200, 412, 422, 404))

    assert pushed(together, *edits(4)) == ["Accepted", "Stale", "Rejected", "Gone"]
    assert server.lines == ["POST /api/batch"]


def test_more_than_an_envelope_holds_are_several_and_one_left_over_goes_alone(
    together: RestRemote, server: Scripted
):
    server.answer(200, responses(200, 200, 200, 200))
    server.answer(200)

    assert pushed(together, *edits(5)) == ["Accepted"] * 5
    assert server.lines == ["POST /api/batch", "PATCH /api/tasks/4"]


@pytest.mark.parametrize("status", [400, 404, 405, 413, 422])
def test_a_refused_envelope_is_halved_until_the_guilty_one_is_alone(
    together: RestRemote, server: Scripted, status: int
):
    server.answer(status)
    server.answer(200, responses(200, 200))
    server.answer(status)
    server.answer(422)
    server.answer(200)

    assert pushed(together, *edits(4)) == ["Accepted", "Accepted", "Rejected", "Accepted"]


@pytest.mark.parametrize(
    ("status", "verdict"), [(401, Undelivered), (429, Undelivered), (500, Faulty), (503, Faulty)]
)
def test_an_envelope_that_fails_is_a_failure_of_each(
    together: RestRemote, server: Scripted, status: int, verdict: type[Verdict]
):
    server.answer(status)

    verdicts = together.push(edits(4))

    assert [type(one) for one in verdicts] == [verdict] * 4
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "body",
    [responses(200, 200), {}, {"responses": [1, 2, 3, 4]}, {"responses": [{"status": 200}] * 4}, b"{"],
)
def test_an_envelope_whose_answers_cannot_be_told_apart_settles_nothing(
    together: RestRemote, server: Scripted, body: Any
):
    server.answer(200, body)

    verdicts = together.push(edits(4))

    assert [type(one) for one in verdicts] == [Faulty] * 4
    assert all(isinstance(one, Faulty) and one.applied is None for one in verdicts)


def test_a_lost_answer_to_an_envelope_is_unknown_for_each(together: RestRemote, server: Scripted):
    server.hang_up_next()

    verdicts = together.push([*edits(5)])

    assert [one.applied for one in verdicts if isinstance(one, Undelivered)] == [None] * 4 + [False]


def test_one_item_that_is_throttled_holds_the_next_envelope_back(together: RestRemote, server: Scripted):
    server.answer(200, responses(200, 200, 200, 429))

    assert pushed(together, *edits(8)) == ["Accepted"] * 3 + ["Undelivered"] * 5
    assert len(server.asked) == 1


def test_what_is_no_json_is_rejected_and_its_neighbours_go_on(together: RestRemote, server: Scripted):
    server.answer(200, responses(201, 201))
    server.answer(201)
    rows = [insert("a", t=1), insert("b", t=1), insert("c", t=float("nan")), insert("d", t=1)]

    assert pushed(together, *rows) == ["Accepted", "Accepted", "Rejected", "Accepted"]

"""``RestRemote``: what its requests carry, and what its pulls tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.sync.outgoing import delete, documents, insert, pages, update
from tests.sync.servers.scripted import Scripted
from windlass.errors import (
    BadResponse,
    ConfigError,
    CursorExpired,
    PageTooLarge,
    RemoteError,
    RemoteFault,
    RequestRefused,
    Throttled,
    Unauthorized,
)
from windlass.sync.cursors import Since
from windlass.sync.paginate import LinkHeader, NextLink, Offset
from windlass.sync.places import ETag, Field, Header
from windlass.sync.remote import (
    Accepted,
    Ask,
    Document,
    Outgoing,
    Rejected,
    Remote,
    Stale,
)
from windlass.sync.rest import RestRemote
from windlass.sync.sending import Request

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


# ── what requests carry ──────────────────────────────────────────────────────────────────────────────
def test_it_is_a_remote(remote: RestRemote):
    as_remote: Remote = remote

    assert as_remote.batch == 50
    assert as_remote.origin == remote.url.removesuffix("/api/tasks")
    assert not as_remote.dedupes


def test_a_write_carries_the_version_it_was_made_upon(remote: RestRemote, server: Scripted):
    for status in (201, 200, 204):
        server.answer(status, ETag='"2"')

    verdicts = remote.push([insert("a b", t=1), update("7", '"1"', {"t": 2}, u=3), delete("7", 'W/"1"')])

    assert [type(one) for one in verdicts] == [Accepted, Accepted, Accepted]
    assert server.lines == ["PUT /api/tasks/a%20b", "PATCH /api/tasks/7", "DELETE /api/tasks/7"]
    put, patch, gone = server.asked
    assert put.headers["if-none-match"] == "*"
    assert patch.headers["if-match"] == '"1"'
    assert gone.headers["if-match"] == '"1"', "a weak tag never matches; a proxy that compresses makes one"
    assert msgspec.json.decode(put.body) == {"id": "a b", "t": 1}
    assert msgspec.json.decode(patch.body) == {"t": 2}
    assert gone.body == b""
    assert not any("idempotency-key" in one.headers for one in server.asked)


def test_a_full_update_sends_the_whole_object_in_its_wrapping(server: Scripted):
    server.answer(200, {"data": {"id": "7"}})
    with RestRemote(server.tasks, update="PUT", wrap="data", row="data", version=Field("rev")) as remote:
        remote.push([update("7", "r1", {"t": 2}, u=3)])

    assert server.lines == ["PUT /api/tasks/7"]
    assert server.asked[0].headers["if-match"] == '"r1"'
    assert msgspec.json.decode(server.asked[0].body) == {"data": {"t": 2, "u": 3}}


def test_a_server_that_dedupes_gets_the_same_key_with_every_resend(server: Scripted):
    server.answer(503)
    server.answer(201, {"id": 9})
    change = insert(None, t=1)
    with RestRemote(server.tasks, dedupes=True, key_header="X-Request-Id") as remote:
        assert remote.dedupes
        remote.push([change])
        (verdict,) = remote.push([change])

    assert isinstance(verdict, Accepted)
    assert verdict.remote_id == "9"
    assert [one.headers["x-request-id"] for one in server.asked] == [change.mutation_id] * 2


@pytest.mark.parametrize(
    ("settings", "body", "headers"),
    [
        ({}, {"id": 9}, {}),
        ({"id": "task.key"}, {"task": {"key": "9"}}, {}),
        ({"created": Field("made.0")}, {"made": ["9"]}, {}),
        ({"created": Header("X-Id")}, None, {"X_Id": "9"}),
        ({}, None, {"Location": "/api/tasks/9"}),
    ],
)
def test_the_id_of_a_new_row_is_found_where_it_is_told(
    server: Scripted, settings: dict[str, Any], body: Any, headers: dict[str, str]
):
    server.answer(201, body, **headers)
    with RestRemote(server.tasks, **settings) as remote:
        (verdict,) = remote.push([insert(None, t=1)])

    assert isinstance(verdict, Accepted)
    assert verdict.remote_id == "9"


def test_a_new_row_whose_id_nobody_tells_is_left_to_a_person(server: Scripted):
    server.answer(201)
    with RestRemote(server.tasks) as remote:
        (verdict,) = remote.push([insert(None, t=1)])

    assert isinstance(verdict, Rejected)
    assert "created=" in verdict.reason


def test_an_edit_of_a_version_that_nobody_has_seen_is_not_sent(remote: RestRemote, server: Scripted):
    assert remote.push([update("7", None, {"t": 1}), delete("7", None)]) == [Stale(), Stale()]
    assert server.asked == []


@pytest.mark.parametrize("remote_id", ["", ".", ".."])
def test_an_id_that_would_be_a_step_in_an_address_is_rejected(
    remote: RestRemote, server: Scripted, remote_id: str
):
    (verdict,) = remote.push([delete(remote_id, '"1"')])

    assert isinstance(verdict, Rejected)
    assert server.asked == []


def test_what_is_no_json_is_rejected_alone(remote: RestRemote, server: Scripted):
    server.answer(201)

    assert pushed(remote, insert("a", t=float("nan")), insert("b", t=1)) == ["Rejected", "Accepted"]


def test_an_explicit_operation_is_the_request_that_was_declared_for_it(server: Scripted):
    server.answer(200, {"id": "7"})
    operations = {"close": lambda change: Request("POST", f"{server.tasks}/{change.remote_id}/close")}
    close = update("7", None, {})._replace(op="close")
    with RestRemote(server.tasks, operations=operations) as remote:
        assert pushed(remote, close, close._replace(op="burn")) == ["Accepted", "Rejected"]

    assert server.lines == ["POST /api/tasks/7/close"]


# ── pull ─────────────────────────────────────────────────────────────────────────────────────────────
def test_a_query_in_the_address_goes_with_every_page(server: Scripted):
    server.answer(200, {"items": [{"id": 1}]}, ETag='"9"')
    with RestRemote(
        f"{server.tasks}?project=5",
        rows="items",
        cursor=Since("_since"),
        parameters={"sort": "rev"},
        limit_parameter="n",
        limit_max=40,
    ) as remote:
        page = remote.pull(Ask('"8"', None, None, 100))

    assert server.asked[0].query == {"project": "5", "sort": "rev", "n": "40", "_since": '"8"'}
    assert page.watermark == '"9"'
    assert not page.complete


def test_a_tombstone_is_a_field_or_whatever_the_program_says(server: Scripted):
    rows = [{"id": 1, "gone": True}, {"id": 2, "gone": False}, {"id": 3, "state": "archived"}]
    server.answer(200, rows)
    server.answer(200, rows)
    with RestRemote(server.tasks, deleted=Field("gone")) as remote:
        assert documents([remote.pull(EVERYTHING)])["1"].document is None
    with RestRemote(server.tasks, deleted=lambda row: row.get("state") == "archived") as remote:
        assert documents([remote.pull(EVERYTHING)])["3"] == Document("3", None)


def test_the_validator_of_one_page_among_several_stands_for_nothing(server: Scripted):
    server.answer(200, [{"id": 1}], ETag='"p1"', Link='<?page=2>; rel="next"')
    server.answer(200, [{"id": 2}], ETag='"p2"')
    server.answer(200, [{"id": 1}], ETag='"p1"')
    with RestRemote(server.tasks, page=LinkHeader()) as remote:
        several, alone = pages(remote), pages(remote)

    assert [page.validator for page in several] == [None, None]
    assert [page.validator for page in alone] == ['"p1"']


@pytest.mark.parametrize(
    ("validator", "header"),
    [('"7"', "if-none-match"), ("Sat, 21 Nov 2026 12:00:00 GMT", "if-modified-since")],
)
def test_what_has_not_changed_is_one_answer_without_rows(
    remote: RestRemote, server: Scripted, validator: str, header: str
):
    server.answer(304)

    page = remote.pull(Ask(None, None, validator, 100))

    assert page.not_modified
    assert server.asked[0].headers[header] == validator


def test_a_304_that_nobody_asked_for_is_no_answer(remote: RestRemote, server: Scripted):
    server.answer(304)

    with pytest.raises(RemoteFault):
        remote.pull(EVERYTHING)


@pytest.mark.parametrize(
    ("ask", "status", "error"),
    [
        (EVERYTHING, 401, Unauthorized),
        (EVERYTHING, 403, Unauthorized),
        (EVERYTHING, 429, Throttled),
        (EVERYTHING, 413, PageTooLarge),
        (EVERYTHING, 410, RequestRefused),
        (EVERYTHING._replace(cursor='"1"'), 410, CursorExpired),
        (EVERYTHING._replace(cursor='"1"'), 400, CursorExpired),
        (EVERYTHING, 400, RequestRefused),
        (EVERYTHING, 404, RequestRefused),
        (EVERYTHING, 408, RemoteFault),
        (EVERYTHING, 425, RemoteFault),
        (EVERYTHING, 500, RemoteFault),
        (EVERYTHING, 504, PageTooLarge),
    ],
)
def test_a_refusal_of_a_page_says_what_is_to_be_done(
    server: Scripted, ask: Ask, status: int, error: type[RemoteError]
):
    server.answer(status, {"error": "no"}, Retry_After="7")
    amended = {400: "expired", 504: "too_large"}
    remote = RestRemote(server.tasks, cursor=Since("_since"), statuses=amended)
    with remote, pytest.raises(RemoteError) as caught:
        remote.pull(ask)

    assert type(caught.value) is error
    if error in (Throttled, RemoteFault, RequestRefused):
        assert caught.value.after_s == 7


@pytest.mark.parametrize(
    "body",
    [{"items": 1}, {}, {"items": [1]}, {"items": [{"no": "id"}]}, {"items": [{"id": None}]}, b"[", b""],
)
def test_a_page_that_cannot_be_read_is_a_bad_answer(server: Scripted, body: Any):
    server.answer(200, body)
    with RestRemote(server.tasks, rows="items") as remote, pytest.raises(BadResponse):
        remote.pull(EVERYTHING)


def test_a_link_to_another_origin_is_not_followed(server: Scripted):
    server.answer(200, {"items": [{"id": 1}], "next": "http://169.254.169.254/latest"})
    with RestRemote(server.tasks, rows="items", page=NextLink(Field("next"))) as remote:
        first = remote.pull(EVERYTHING)
        with pytest.raises(BadResponse):
            remote.pull(EVERYTHING._replace(page=first.next_page))

    assert len(server.asked) == 1


def test_an_offset_behind_the_end_is_the_end(server: Scripted):
    server.answer(200, [{"id": 1}])
    server.answer(416)
    with RestRemote(server.tasks, page=Offset()) as remote:
        assert [len(page.documents) for page in pages(remote)] == [1, 0]


def test_a_server_that_asks_to_be_left_alone_in_a_good_answer_is(remote: RestRemote, server: Scripted):
    server.answer(200, [], Backoff="30")
    remote.pull(EVERYTHING)

    with pytest.raises(Throttled) as caught:
        remote.pull(EVERYTHING)

    assert caught.value.after_s is not None
    assert 29 < caught.value.after_s <= 30
    assert len(server.asked) == 1


def test_a_fetched_row_has_its_version_and_a_deleted_one_is_none(server: Scripted):
    server.answer(200, {"id": "7", "gone": False}, ETag='"2"')
    server.answer(200, {"id": "7", "gone": True}, ETag='"3"')
    server.answer(410)
    server.answer(200, [])
    with RestRemote(server.tasks, version=ETag(), deleted=Field("gone")) as remote:
        assert remote.fetch("7") == Document("7", {"id": "7", "gone": False}, '"2"')
        assert remote.fetch("7") == Document("7", None, '"3"')
        assert remote.fetch("7") == Document("7", None)
        with pytest.raises(BadResponse, match="not an object"):
            remote.fetch("7")


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "ftp://example.com/x"},
        {"url": "https://ann:pw@example.com/x"},
        {"page": LinkHeader},
        {"create": "PATCH"},
        {"update": "POST"},
        {"conditional": "always"},
        {"batch": 0},
        {"limit_max": 0},
        {"limit_parameter": "a b"},
        {"unique": ""},
        {"id": ""},
        {"rows": "a..b"},
        {"version": "ETag"},
        {"item": "id"},
        {"statuses": {"409": "stale"}},
        {"statuses": {409: "conflict"}},
        {"key_header": "no header"},
    ],
)
def test_what_cannot_be_right_is_refused_when_it_is_declared(settings: dict[str, Any]):
    url = settings.pop("url", "https://example.com/x")

    with pytest.raises(ConfigError):
        RestRemote(url, **settings)

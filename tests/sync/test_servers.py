"""The good server keeps what it promises: what is tested against it stands on that."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from windlass.demo.server.store import StoreServer
from windlass.sync.http import Reply, Transport


@pytest.fixture
def store() -> Iterator[StoreServer]:
    with StoreServer() as server:
        yield server


@pytest.fixture
def tasks(store: StoreServer) -> Iterator[Transport]:
    with Transport(f"{store.url}/tasks") as transport:
        yield transport


def ids(reply: Reply) -> list[str]:
    return [one["id"] for one in reply.json()["data"]]


def test_a_document_is_made_read_changed_and_deleted(tasks: Transport) -> None:
    made = tasks.request("PUT", "7", json={"title": "a"}, headers={"If-None-Match": "*"})
    assert (made.status, made.headers["etag"], made.headers["location"]) == (201, '"1"', "/tasks/7")
    changed = tasks.request("PATCH", "7", json={"done": True}, headers={"If-Match": '"1"'})
    assert changed.json() == {"id": "7", "title": "a", "done": True, "version": 2}
    assert tasks.request("GET", "7").headers["etag"] == '"2"'
    assert tasks.request("DELETE", "7", headers={"If-Match": '"2"'}).status == 204
    assert tasks.request("GET", "7").status == 410
    assert tasks.request("DELETE", "7").status == 410
    assert tasks.request("GET", "8").status == 404


def test_an_older_version_meets_the_current_document(store: StoreServer, tasks: Transport) -> None:
    store.shelf.edit("tasks", "7", title="a")
    store.shelf.edit("tasks", "7", title="b")
    for method in ("PUT", "PATCH", "DELETE"):
        reply = tasks.request(method, "7", json={"title": "c"}, headers={"If-Match": '"1"'})
        assert (reply.status, reply.json()["title"], reply.headers["etag"]) == (412, "b", '"2"')
    assert tasks.request("PUT", "7", json={}, headers={"If-None-Match": "*"}).status == 412
    assert store.shelf.documents("tasks") == {"7": {"title": "b"}}


def test_a_write_with_one_key_takes_effect_once(store: StoreServer, tasks: Transport) -> None:
    replies = [tasks.request("POST", json={"title": "a"}, headers={"Idempotency-Key": "k"}) for _ in range(3)]
    assert [reply.json()["id"] for reply in replies] == ["s1", "s1", "s1"]
    assert len(store.shelf.effects_of("k")) == 1
    other = tasks.request("POST", json={"title": "b"}, headers={"Idempotency-Key": "k"})
    assert other.status == 422


def test_a_request_that_is_cut_short_is_none(store: StoreServer, tasks: Transport) -> None:
    tasks.request("PUT", "7", json={"title": "tea"})
    with socket.create_connection(("127.0.0.1", store.port)) as connection:
        connection.sendall(b"PATCH /tasks/7 HTTP/1.1\r\nContent-Length: 18\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert store.shelf.version == 1


def test_pages_tell_everything_once_and_the_watermark_is_that_of_the_first(
    store: StoreServer, tasks: Transport
) -> None:
    store.shelf.fill("tasks", ((str(n), {"n": n}) for n in range(25)))
    reply = tasks.request("GET", params={"_limit": 10})
    found, watermarks = ids(reply), [reply.headers["watermark"]]
    store.shelf.edit("tasks", "late", n=99)
    while "next" in reply.links:
        reply = tasks.request("GET", reply.links["next"])
        found += ids(reply)
        watermarks.append(reply.headers["watermark"])
    assert found == [str(n) for n in range(25)]
    assert watermarks == ["25", "25", "25"]
    assert ids(tasks.request("GET", params={"_since": 25})) == ["late"]


def test_what_changed_since_a_version_holds_tombstones(store: StoreServer, tasks: Transport) -> None:
    store.shelf.edit("tasks", "1", title="a")
    store.shelf.edit("tasks", "2", title="b")
    store.shelf.remove("tasks", "1")
    assert tasks.request("GET", params={"_since": 2}).json() == {
        "data": [{"id": "1", "version": 3, "deleted": True}]
    }
    assert ids(tasks.request("GET")) == ["2"]


def test_nothing_new_is_an_answer_without_rows(store: StoreServer, tasks: Transport) -> None:
    store.shelf.edit("tasks", "1", title="a")
    etag = tasks.request("GET").headers["etag"]
    same = tasks.request("GET", headers={"If-None-Match": etag})
    assert (same.status, same.content) == (304, b"")
    store.shelf.remove("tasks", "1")
    assert tasks.request("GET", headers={"If-None-Match": etag}).status == 200


def test_a_cursor_from_before_the_tombstones_were_dropped_has_expired(
    store: StoreServer, tasks: Transport
) -> None:
    store.shelf.edit("tasks", "1", title="a")
    store.shelf.remove("tasks", "1")
    store.shelf.forget("tasks")
    assert tasks.request("GET", params={"_since": 1}).status == 410
    assert tasks.request("GET", params={"_since": 2}).status == 200


def test_a_batch_has_a_status_for_each(store: StoreServer, tasks: Transport) -> None:
    store.shelf.checks.append(lambda _, fields: "A title is needed." if not fields.get("title") else None)
    parts = [
        {"method": "PUT", "path": "/tasks/1", "body": {"title": "a"}, "headers": {"Idempotency-Key": "k1"}},
        {"method": "PUT", "path": "/tasks/2", "body": {"title": ""}},
        {"method": "DELETE", "path": "/tasks/3"},
    ]
    for _ in range(2):
        reply = tasks.request("POST", "/_batch", json={"requests": parts})
        assert [one["status"] for one in reply.json()["responses"]] == [201, 422, 404]
    assert reply.json()["responses"][1]["body"]["detail"] == "A title is needed."
    assert len(store.shelf.effects) == 1


def test_what_is_planned_is_answered_instead(store: StoreServer, tasks: Transport) -> None:
    store.plan(503, {"error": "busy"}, {"Retry-After": "3"}, method="PUT", times=2)
    replies = [tasks.request("PUT", "1", json={"n": 1}) for _ in range(3)]
    assert [reply.status for reply in replies] == [503, 503, 201]
    assert replies[0].retry_after_s == 3
    assert tasks.request("GET").status == 200


def test_updates_can_want_a_version(store: StoreServer, tasks: Transport) -> None:
    store.wants_match = True
    assert tasks.request("PUT", "1", json={"n": 1}).status == 201
    assert tasks.request("PUT", "1", json={"n": 2}).status == 428
    assert tasks.request("PUT", "1", json={"n": 2}, headers={"If-Match": '"1"'}).status == 200

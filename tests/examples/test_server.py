"""The notes server of the example, spoken to as any client would."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from typing import Any, NamedTuple

import pytest

from field_notes.server import NotesServer, colleague_adds, colleague_edits


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: Any


class Client:
    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=5)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, named)
        reply = self._connection.getresponse()
        text = reply.read()
        return Answer(reply.status, dict(reply.headers), json.loads(text) if text else None)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def server() -> Iterator[NotesServer]:
    with NotesServer() as server:
        yield server


@pytest.fixture
def client(server: NotesServer) -> Iterator[Client]:
    client = Client(server.port)
    yield client
    client.close()


def test_a_list_is_told_in_pages_and_each_change_once(server: NotesServer, client: Client):
    titles = [f"note {number}" for number in range(5)]
    for title in titles:
        colleague_adds(server.shelf, title)

    path, told, last = "/notes?since=0&limit=2", [], None
    while path:
        page = client.ask("GET", path)
        told += [note["title"] for note in page.body["notes"]]
        last = last or page.headers["ETag"]
        path = page.headers.get("Link", "").partition(">")[0].removeprefix("<")

    assert told == titles
    assert client.ask("GET", f"/notes?since={last}", If_None_Match=str(last)).status == 304
    colleague_edits(server.shelf)
    (changed,) = client.ask("GET", f"/notes?since={last}", If_None_Match=str(last)).body["notes"]
    assert changed["title"] == "note 4 (seen again)"


def test_a_change_upon_an_older_revision_is_refused_with_the_newer_one(server: NotesServer, client: Client):
    note = colleague_adds(server.shelf, "Owl")
    newer = colleague_edits(server.shelf)
    path = f"/notes/{note['id']}"

    refused = client.ask("PATCH", path, {"title": "Eagle"}, If_Match=f'"{note["rev"]}"')

    assert (refused.status, refused.body["current"]) == (412, newer)
    assert client.ask("PATCH", path, {"title": "Eagle"}).status == 428
    assert newer is not None
    taken = client.ask("PATCH", path, {"title": "Eagle"}, If_Match=f'"{newer["rev"]}"')
    assert (taken.status, taken.body["title"], taken.body["place"]) == (200, "Eagle", "by the gate")


def test_a_deleted_note_leaves_a_tombstone_for_those_who_knew_it(server: NotesServer, client: Client):
    note = colleague_adds(server.shelf, "Owl")
    path = f"/notes/{note['id']}"

    assert client.ask("DELETE", path, If_Match=f'"{note["rev"]}"').status == 204

    assert client.ask("GET", path).status == 404
    (tombstone,) = client.ask("GET", f"/notes?since={note['rev']}").body["notes"]
    assert (tombstone["id"], tombstone["deleted"]) == (note["id"], True)
    assert client.ask("GET", "/notes").body["notes"] == []


def test_a_request_that_is_repeated_under_its_key_has_one_effect(server: NotesServer, client: Client):
    first = client.ask("PUT", "/notes/a", {"title": "Owl"}, If_None_Match="*", Idempotency_Key="k1")
    again = client.ask("PUT", "/notes/a", {"title": "Owl"}, If_None_Match="*", Idempotency_Key="k1")

    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert server.shelf.last() == 1
    assert client.ask("PUT", "/notes/a", {"title": "Owl"}, If_None_Match="*").status == 412


@pytest.mark.parametrize(
    ("title", "said"), [(" ", "A note needs a title."), ("x" * 61, "The title is too long.")]
)
def test_a_bad_title_is_refused_in_words(server: NotesServer, client: Client, title: str, said: str):
    refused = client.ask("PUT", "/notes/a", {"title": title}, If_None_Match="*")

    assert (refused.status, refused.body["title"], refused.body["field"]) == (422, said, "title")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert server.shelf.notes() == []


@pytest.mark.parametrize("body", [[1], {"title": 1}, {"title": "x", "done": "yes"}])
def test_what_is_no_note_is_refused(client: Client, body: Any):
    assert client.ask("PUT", "/notes/a", body, If_None_Match="*").status in (400, 422)


def test_a_cut_network_is_heard_of_and_comes_back_at_the_same_address(server: NotesServer, client: Client):
    url = server.url
    server.cut()
    with pytest.raises(OSError, match="refused"):
        client.ask("GET", "/notes")

    server.mend()

    assert server.url == url
    client.close()  # the connection of before is no more
    assert client.ask("GET", "/notes").status == 200

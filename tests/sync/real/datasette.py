"""Datasette 1.0 alpha: a database in a file, written through its JSON API, a hundred rows at most at once."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from tests.sync.real.running import free_port, program, running
from windlass.sync.auth import bearer
from windlass.sync.paginate import LinkHeader
from windlass.sync.remote import Outgoing
from windlass.sync.reply import Reply
from windlass.sync.rest import RestRemote
from windlass.sync.sending import Request

ROWS_MAX = 100
SECRET = "of-the-tests"


class DatasetteRemote(RestRemote):
    """A table. It has no versions and no tombstones; each kind of write is a POST to an address of its own.

    A write by ``upsert`` has one effect, however often it is sent.
    """

    def __init__(self, url: str, **settings: Any) -> None:
        own: dict[str, Any] = {
            "page": LinkHeader(),
            "limit_parameter": "_size",
            "rows": "rows",
            "row": "rows.0",
            "dedupes": True,
            "envelope": Bulk(),
            "batch": ROWS_MAX,
        }
        super().__init__(f"{url}.json", **own | settings)

    def request_of(self, change: Outgoing) -> Request:
        table, key = self.collection.removesuffix(".json"), change.remote_id or str(change.key)
        match change.op:
            case "insert":
                rows = [dict(change.document)]
                return Request("POST", f"{table}/-/upsert", json={"rows": rows, "return": True})
            case "update":
                body = {"update": dict(change.changed), "return": True}
                return Request("POST", f"{table}/{tilde(key)}/-/update", json=body)
            case _:
                return Request("POST", f"{table}/{tilde(key)}/-/delete", json={})

    def address_of(self, remote_id: str) -> str:
        return f"{self.collection.removesuffix('.json')}/{tilde(remote_id)}.json"


def tilde(key: str) -> str:
    """A key as it stands in an address there: what is no letter, digit, - or _ begins with a tilde."""
    return quote(key, safe="").replace(".", "%2E").replace("~", "%7E").replace("%", "~")


class Bulk(msgspec.Struct, frozen=True):
    """Upserts into one table are one upsert. It is carried out as a whole, or not at all."""

    size: int = ROWS_MAX

    def kind(self, request: Request) -> str | None:
        return request.url if request.url.endswith("/-/upsert") else None

    def envelope(self, requests: Sequence[Request]) -> Request:
        rows = [row for request in requests for row in request.json["rows"]]
        return replace(requests[0], json={"rows": rows, "return": True})

    def replies(self, reply: Reply, requests: Sequence[Request]) -> list[Reply]:
        # They come in the order of the keys, not of the request.
        rows = {row["id"]: row for row in reply.json()["rows"]}
        found = [rows[request.json["rows"][0]["id"]] for request in requests]
        return [Reply(200, {}, json.dumps({"rows": [row]}).encode(), reply.url) for row in found]


class Datasette(NamedTuple):
    """A running server."""

    url: str
    path: Path
    token: str

    def remote(self, **settings: Any) -> DatasetteRemote:
        """A new, empty table of it."""
        name = f"t{uuid.uuid4().hex}"
        with closing(sqlite3.connect(self.path)) as db:
            db.execute(f"CREATE TABLE {name} (id TEXT PRIMARY KEY, title TEXT NOT NULL, done INTEGER)")
        return DatasetteRemote(f"{self.url}/tasks/{name}", **{"auth": bearer(self.token), **settings})

    def call(self, remote: RestRemote, verb: str, body: Any) -> Any:
        """A write of another client's: ``insert``, or ``KEY/-/update`` and the like."""
        table = remote.collection.removesuffix(".json")
        request = urllib.request.Request(
            f"{table}/-/{verb}" if "/" not in verb else f"{table}/{verb}",
            method="POST",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def serve(folder: Path) -> Iterator[Datasette]:
    port, path = free_port(), folder / "tasks.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
    datasette = program("datasette")
    token = subprocess.run(
        [datasette, "create-token", "root", "--secret", SECRET], capture_output=True, text=True, check=True
    )
    command = [
        datasette,
        "serve",
        str(path),
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "--root",
        "--secret",
        SECRET,
    ]
    command += ["--setting", "max_insert_rows", str(ROWS_MAX)]
    url = f"http://127.0.0.1:{port}"
    with running(command, ready=f"{url}/-/versions.json", log=folder / "datasette.log"):
        yield Datasette(url, path, token.stdout.strip())

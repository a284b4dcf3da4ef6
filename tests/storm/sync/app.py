"""One replica under the storm: a program for Windlass, made as its environment says."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.storm.sync import planted
from tests.storm.sync.shape import MERGED, Traits, database
from windlass import Windlass
from windlass.backoff import Backoff
from windlass.sync import origins
from windlass.sync.cursors import Since
from windlass.sync.merge import Policy, latest, merge
from windlass.sync.paginate import LinkHeader
from windlass.sync.places import ETag, Field, Header
from windlass.sync.reply import Reply
from windlass.sync.rest import RestRemote
from windlass.sync.sending import Request

SOON = Backoff.exponential("50ms", cap="400ms")


class Together(msgspec.Struct, frozen=True):
    """The server's ``POST /_batch``."""

    url: str
    replica: str
    size: int = 7

    def kind(self, request: Request) -> str:
        return "any"

    def envelope(self, requests: Sequence[Request]) -> Request:
        parts = [
            {
                "method": one.method,
                "path": urlsplit(one.url).path,
                "headers": {**one.headers, "X-Replica": self.replica},
                "body": one.json,
            }
            for one in requests
        ]
        return Request("POST", f"{self.url}/_batch", json={"requests": parts})

    def replies(self, reply: Reply, requests: Sequence[Request]) -> list[Reply]:
        return [
            Reply(
                told["status"], told["headers"], msgspec.json.encode(told["body"]), one.url, method=one.method
            )
            for told, one in zip(reply.json()["responses"], requests, strict=True)
        ]


def make_app(folder: Path, traits: Traits) -> Windlass:
    """The app of one replica."""
    app = Windlass(database(folder, traits.number), isolates=1, grace=5.0)
    policies: dict[str, Policy] = {
        "client": "client",
        "server": "server",
        "ask": "ask",
        "latest": latest("stamp"),
        "merge": merge(
            {name: latest("stamp") if word == "latest" else word for name, word in MERGED.items()},  # type: ignore[misc]
            default="client",
        ),
    }
    common: dict[str, Any] = {
        "on_conflict": policies[traits.policy],
        "every": "500ms",
        "backoff": SOON,
        "page_size": 20,
        "batch": 20,
        "sweep_share": 1.0,
    }
    app.sync.resource("crates", remote=remote(traits, "crates"), ids="server", **common)
    app.sync.resource("notes", remote=remote(traits, "notes"), **common)
    return app


def remote(traits: Traits, collection: str) -> RestRemote:
    number = str(traits.number)
    return RestRemote(
        f"{traits.url}/{collection}",
        rows="data",
        cursor=Since("_since", Header("Watermark")),
        page=LinkHeader(),
        limit_parameter="_limit",
        version=ETag(field="version"),
        deleted=Field("deleted"),
        create="PUT" if collection == "notes" else "POST",
        update="PATCH" if traits.update == "PATCH" else "PUT",
        dedupes=traits.dedupes,
        unique="uid" if collection == "crates" else None,
        envelope=Together(traits.url, number) if traits.batch else None,
        headers={"X-Replica": number},
    )


def hasten() -> None:
    """No bug: a server that was away is asked again sooner, so that a storm need not wait."""
    origins._OFFLINE = origins._FAILING = SOON


def run_here(app: Windlass) -> None:
    """Until standard input ends."""
    with app.running(threads=2):
        sys.stdin.read()


if "STORM_REPLICA" in os.environ:
    _traits = Traits.of(os.environ["STORM_REPLICA"])
    hasten()
    if _traits.plant:
        planted.plant(_traits.plant)
    app = make_app(Path(os.environ["STORM_FOLDER"]), _traits)

if __name__ == "__main__":
    run_here(app)

"""Roundup: two trackers of its classic template. One limits the calls of a user, the other does not."""

from __future__ import annotations

import json
import os
import re
import shutil
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from tests.sync.real.running import free_port, program, run, running
from windlass.sync.auth import basic
from windlass.sync.cursors import Timestamp
from windlass.sync.paginate import NextLink
from windlass.sync.places import ETag, Field
from windlass.sync.remote import Outgoing
from windlass.sync.rest import RestRemote
from windlass.sync.sending import Request

PASSWORD = "of-the-tests"
CALLS, PER_S = 4, 3
"""What the tracker with a limit allows."""


class RoundupRemote(RestRemote):
    """A class of a tracker. Rows come with few fields unless they are asked for, and without their ETag."""

    def __init__(
        self, server: Roundup, name: str, *, fields: str, tracker: str = "free", **settings: Any
    ) -> None:
        own: dict[str, Any] = {
            "auth": basic("admin", PASSWORD),
            # It takes writes from its own pages alone, or from who can set these.
            "headers": {"Origin": server.url, "X-Requested-With": "rest"},
            "parameters": {"@fields": fields, "@sort": "activity"},
            "page": NextLink(Field("data.@links.next.0.uri")),
            "limit_parameter": "@page_size",
            "rows": "data.collection",
            "row": "data.attributes",
            "total": Field("data.@total_size"),
            "created": Field("data.id"),
            "version": ETag(),
            "statuses": {409: "rejected"},
        }
        super().__init__(server.collection(name, tracker), **own | settings)

    def request_of(self, change: Outgoing) -> Request:
        made = super().request_of(change)
        if made.method != "POST":
            return made
        # An address that takes one post: whatever lies between us repeats it, it makes one row.
        ticket = self.request("POST", f"{self.collection}/@poe", json={})
        return replace(made, url=ticket.json()["data"]["link"])


class Roundup(NamedTuple):
    """A running server."""

    url: str

    def collection(self, name: str, tracker: str = "free") -> str:
        return f"{self.url}/{tracker}/rest/data/{name}"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """A request of another client's: ``path`` is a class, or an item of one."""
        request = urllib.request.Request(
            path if path.startswith("http") else self.collection(path),
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Basic {b64encode(f'admin:{PASSWORD}'.encode()).decode()}",
                "Content-Type": "application/json",
                "Origin": self.url,
                "X-Requested-With": "rest",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)["data"]

    def edit(self, path: str, fields: Mapping[str, Any]) -> None:
        """Another client's edit."""
        self.call("PUT", path, dict(fields), If_Match=self.call("GET", path)["@etag"])


def by_activity() -> Timestamp:
    """What changed since: a range without an end, in the tracker's own spelling of time."""
    return Timestamp(parameter="activity", field="activity", unit="%Y-%m-%d.%H:%M:%S", format="{};")


@contextmanager
def serve(folder: Path) -> Iterator[Roundup]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    admin, free, limited = program("roundup-admin"), folder / "free", folder / "limited"
    web = f"mail_domain=localhost,mail_host=localhost,tracker_web={url}/free/"
    run([admin, "-i", str(free), "install", "classic", "sqlite", web])
    # Hashing the password for every request of a test is what would take most of its time.
    _set(free, password_pbkdf2_default_rounds=1000)
    run([admin, "-i", str(free), "initialise", PASSWORD])
    shutil.copytree(free, limited)
    _set(
        limited,
        web=f"{url}/limited/",
        api_calls_per_interval=CALLS,
        api_interval_in_sec=PER_S,
    )
    # It refuses to run as root unless it is told to.
    as_root = ["-u", "root", "-g", "root"] if os.geteuid() == 0 else []
    command = [program("roundup-server"), *as_root, "-t", "thread", "-n", "127.0.0.1", "-p", str(port)]
    trackers = [f"free={free}", f"limited={limited}"]
    with running([*command, *trackers], ready=f"{url}/free/rest", log=folder / "roundup.log"):
        yield Roundup(url)


def _set(tracker: Path, **settings: Any) -> None:
    path = tracker / "config.ini"
    text = path.read_text(encoding="utf-8")
    for name, value in settings.items():
        text, count = re.subn(rf"^#?{name} = .*$", f"{name} = {value}", text, count=1, flags=re.MULTILINE)
        assert count == 1, f"the tracker's configuration has no {name}"
    path.write_text(text, encoding="utf-8")

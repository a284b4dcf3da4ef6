"""Kinto, in memory, with pages of at most 5 rows and batches of at most 25 requests."""

from __future__ import annotations

import json
import urllib.request
import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.sync.real.running import free_port, program, running
from windlass.sync.auth import basic
from windlass.sync.kinto import KintoRemote

SETTINGS = """
[app:main]
use = egg:kinto
kinto.storage_backend = kinto.core.storage.memory
kinto.cache_backend = kinto.core.cache.memory
kinto.permission_backend = kinto.core.permission.memory
kinto.userid_hmac_secret = a secret of the tests
multiauth.policies = basicauth
kinto.bucket_create_principals = system.Authenticated
kinto.paginate_by = 5
kinto.batch_max_requests = 25
{more}
[server:main]
use = egg:waitress#main
listen = 127.0.0.1:{port}
"""


class Kinto(NamedTuple):
    """A running server."""

    url: str

    def remote(self, **settings: Any) -> KintoRemote:
        """A new, empty collection of it."""
        name = uuid.uuid4().hex
        self.call("PUT", f"/buckets/{name}")
        self.call("PUT", f"/buckets/{name}/collections/tasks")
        return KintoRemote(self.url, name, "tasks", **{"auth": basic("ann", "pw"), **settings})

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A request of another client's, past everything that is tested here."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        request = urllib.request.Request(
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Basic {b64encode(b'ann:pw').decode()}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def serve(folder: Path, **settings: str) -> Iterator[Kinto]:
    port = free_port()
    more = "\n".join(f"kinto.{name} = {value}" for name, value in settings.items())
    path = folder / f"kinto-{port}.ini"
    path.write_text(SETTINGS.format(port=port, more=more), encoding="utf-8")
    url = f"http://127.0.0.1:{port}/v1"
    with running([program("pserve"), str(path)], ready=f"{url}/", log=folder / f"kinto-{port}.log"):
        yield Kinto(url)

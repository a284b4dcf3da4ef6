"""A program whose one table is synced by a service of its own. Where its server is, the environment says."""

from __future__ import annotations

import os

from windlass import RestRemote, Windlass
from windlass.sync import ETag, Field, Header, LinkHeader, Since

TABLE = "CREATE TABLE rows (id TEXT PRIMARY KEY, title TEXT NOT NULL)"

app = Windlass()
app.sync.resource(
    "rows",
    remote=RestRemote(
        f"{os.environ['BENCH_SERVER']}/rows",
        rows="data",
        cursor=Since("_since", Header("Watermark")),
        page=LinkHeader(),
        version=ETag(field="version"),
        deleted=Field("deleted"),
        create="PUT",
        dedupes=True,
    ),
)

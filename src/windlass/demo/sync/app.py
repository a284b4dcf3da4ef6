"""The program of the demo: a table is kept in step with a collection of a server's. All of it is here."""

from __future__ import annotations

from collections.abc import Iterable

from windlass.app import Windlass
from windlass.backoff import Backoff
from windlass.sync.cursors import Since
from windlass.sync.paginate import LinkHeader
from windlass.sync.places import ETag, Field, Header
from windlass.sync.rest import RestRemote

URL = "WINDLASS_DEMO_URL"
"""The environment variable that says where the server is."""


def make_app(database: str, url: str, tables: Iterable[str]) -> Windlass:
    """The app on one database, with the server at that address."""
    app = Windlass(database, isolates=1, grace=5.0)
    for table in tables:
        app.sync.resource(
            table,
            remote=RestRemote(
                f"{url}/{table}",
                rows="data",  # where the rows are in a page
                cursor=Since("_since", Header("Watermark")),  # then only what has changed since
                page=LinkHeader(),
                limit_parameter="_limit",
                version=ETag(field="version"),  # upon which an edit was made: the server refuses a stale one
                deleted=Field("deleted"),
                create="PUT",
                dedupes=True,  # what comes twice with the same Idempotency-Key is done once
            ),
            on_conflict="ask",  # of two edits of one column, a person decides; all else is merged
            every="3s",
            page_size=500,
            backoff=Backoff.linear("400ms", jitter="none"),  # a show has no half minute
        )
    return app

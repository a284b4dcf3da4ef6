"""What is synced, and with whom: the program for Windlass. The service finds it here, too."""

from __future__ import annotations

import os

from windlass import Windlass
from windlass.sync.cursors import Since
from windlass.sync.merge import latest, merge
from windlass.sync.paginate import LinkHeader
from windlass.sync.places import ETag, Field
from windlass.sync.rest import RestRemote

URL = "http://127.0.0.1:8642/notes"


def make_app(database: str | os.PathLike[str], url: str, *, every: str = "5s") -> Windlass:
    """The app on one notebook, kept in step with the notes at that address, which is asked so often."""
    app = Windlass(database)
    app.sync.resource(
        "notes",
        remote=RestRemote(
            url,
            rows="notes",
            cursor=Since("since"),  # the list's ETag is the number of the last change
            page=LinkHeader(),
            limit_parameter="limit",
            version=ETag(field="rev"),
            deleted=Field("deleted"),
            current="current",  # a refusal brings the newer note along
            create="PUT",  # ids are made here, so that a note has one before any server knows it
            dedupes=True,
        ),
        # What two people wrote differently, a person decides. Of two times of editing, it is the later one.
        on_conflict=merge({"updated_at": latest("updated_at")}, default="ask"),
        every=every,
    )
    return app


app = make_app("field_notes.db", os.environ.get("FIELD_NOTES_URL", URL))

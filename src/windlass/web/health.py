"""``/readyz``: may this program be sent work?

``/livez``, which needs no token and says nothing, is answered before the guard asks who it is.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import msgspec

from windlass.app import Windlass
from windlass.errors import WindlassError
from windlass.living import live_dispatchers
from windlass.web.routing import Call, Plain, Routes

routes = Routes("health")

FREE_LEAST = 10_000_000
"""With less room than this an enqueue may be refused at any moment."""


@routes.get("/readyz")
def readyz(call: Call) -> Plain:
    """200 where jobs can be written and are run; 503 with the reasons where not."""
    reasons = list(why_not_ready(call.app))
    told = {"ready": not reasons, "reasons": reasons}
    return Plain(
        content=msgspec.json.encode(told), media_type="application/json", status=503 if reasons else 200
    )


def why_not_ready(app: Windlass) -> Iterator[str]:
    """What keeps jobs from being written or run, each in a sentence; nothing where all is well."""
    try:
        store = app.store
        # Also where it was opened long ago: a newer Windlass may have been here since.
        store.migrate()
        living = live_dispatchers(store)
        with store.transaction():
            pass  # it is the lock, and the right to write, that are asked for
        free = shutil.disk_usage(app.place.disk).free
    except (WindlassError, OSError) as error:
        yield f"the database cannot be used: {error}"
        return
    if free < FREE_LEAST:
        yield f"{free / 1e6:.1f} MB are free beside the database"
    if not living:
        yield "no dispatcher lives: jobs are kept, and nobody runs them"

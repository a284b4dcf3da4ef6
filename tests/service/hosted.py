"""The program of ``test_hosts.py``: its database is on a server, named by the environment."""

from __future__ import annotations

import os
import time
from pathlib import Path

from windlass import Windlass

app = Windlass(isolates=1, poll="100ms")
HERE = Path(__file__).parent


@app.job
def where() -> str:
    """On which host."""
    return os.environ["WINDLASS_HOST"]


@app.job(max_attempts=1)
def guarded() -> str:
    """Runs until it may end: told by a file."""
    (HERE / f"began-{os.environ['WINDLASS_HOST']}").touch()
    while not (HERE / "end").exists():
        time.sleep(0.02)
    return os.environ["WINDLASS_HOST"]


if "HOSTED_NEWER" in os.environ:

    @app.job
    def newer() -> str:
        """What only the next version has."""
        return f"its handler on {os.environ['WINDLASS_HOST']}"


if "HOSTED_FALLBACK" in os.environ:

    @app.fallback
    def anything(key: str) -> str:
        """What this version makes of keys that it does not know."""
        return f"the fallback on {os.environ['WINDLASS_HOST']}"

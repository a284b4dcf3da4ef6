"""An app whose isolates know less than their dispatcher: its code changed under a running service."""

from __future__ import annotations

import os

from windlass import Windlass

app = Windlass()


@app.job
def kept() -> int:
    return os.getpid()


if os.environ.get("WINDLASS_TEST_KNOWS") == str(os.getpid()):

    @app.job
    def removed() -> None: ...

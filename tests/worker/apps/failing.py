"""An app whose start-up callback fails."""

from __future__ import annotations

from typing import Any

from windlass import Service, Windlass

app = Windlass()


@app.on_start
def begin(service: Service, db: Any) -> None:
    raise ValueError("no licence found")


@app.job
def never() -> None: ...

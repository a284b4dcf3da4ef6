"""An app that takes every key."""

from __future__ import annotations

from typing import Any

from windlass import Windlass

app = Windlass()


@app.fallback
def anything(key: str, payload: dict[str, Any] | None) -> list[Any]:
    return [key, payload]

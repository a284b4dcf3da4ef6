"""An app that ends its process while it starts."""

from __future__ import annotations

import os
from typing import Any

from windlass import Service, Windlass

app = Windlass()


@app.on_start
def begin(service: Service, db: Any) -> None:
    os._exit(7)

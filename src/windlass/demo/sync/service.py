"""Where the services of the demo find their program: each is told its own database and address."""

from __future__ import annotations

import os

from windlass.demo.sync.app import URL, make_app
from windlass.demo.sync.tables import find_tables

app = make_app(
    "demo.db", os.environ.get(URL, "http://127.0.0.1:9"), [one.name for one in find_tables().collections]
)

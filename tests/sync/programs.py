"""Whole programs: an app with one synced table, over real HTTP, on a clock that stands until it is moved."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Self

from tests.sync.databases import connected, has_table
from windlass import Windlass
from windlass.clock import Clock
from windlass.events import Event
from windlass.store.ledger import Counts
from windlass.sync.cursors import Since
from windlass.sync.handle import Resource
from windlass.sync.http import Timeouts
from windlass.sync.paginate import LinkHeader
from windlass.sync.places import ETag, Field, Header
from windlass.sync.pulled import Pulled
from windlass.sync.push import Pushed
from windlass.sync.rest import RestRemote
from windlass.testing import ManualClock

SHORT = Timeouts(connect=2, read=0.3, total=0.6)
PATIENT = Timeouts(connect=5, read=20, total=30)
TASKS = "CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT, done INTEGER NOT NULL DEFAULT 0, note TEXT)"


def tasks_at(url: str, **settings: Any) -> RestRemote:
    """``StoreServer``'s collection of tasks as a remote."""
    usual: dict[str, Any] = {
        "rows": "data",
        "cursor": Since("_since", Header("Watermark")),
        "page": LinkHeader(),
        "limit_parameter": "_limit",
        "version": ETag(field="version"),
        "deleted": Field("deleted"),
        "create": "PUT",
        "dedupes": True,
        "timeouts": PATIENT,
    }
    return RestRemote(f"{url}/tasks", **{**usual, **settings})


class Program:
    """A database, an app and its remote; ``remote`` and ``settings`` are theirs, the rest is the table's.

    Its database is a file in ``folder``, or the one that is named. ``clock``: another one than
    ``self.clock``, which stands still.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        clock: Clock | None = None,
        remote: dict[str, Any] | None = None,
        copy_of: Path | None = None,
        database: str | None = None,
        settings: dict[str, Any] | None = None,
        **declaration: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "app.db"
        if copy_of is not None:
            shutil.copy(copy_of, self.path)
        self.clock = ManualClock()
        self.database = database or str(self.path)
        self.db = connected(self.database)
        if not has_table(self.db, "tasks"):
            self.db.execute(TASKS)
        self.app = Windlass(self.database, clock=clock or self.clock, **(settings or {}))
        self.remote = tasks_at(url, **(remote or {}))
        self.tasks: Resource = self.app.sync.resource("tasks", remote=self.remote, **declaration)
        self.events: list[Event] = []
        self.app.on_event(self.events.append)
        self.app.sync.install()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remote.close()
        self.app.close()
        self.db.close()

    def do(self, sql: str, *values: Any) -> None:
        self.db.execute(sql, values)

    def titles(self) -> dict[str, str]:
        return dict(tuple(row) for row in self.db.execute("SELECT id, title FROM tasks ORDER BY id"))

    def sync(self) -> tuple[Pushed, Pulled]:
        return self.tasks.push(), self.tasks.pull()

    def due_push(self) -> Pushed:
        """A push as the service would do it: not before it is time."""
        return self.app.sync.engine.push("tasks")

    def queue(self) -> list[tuple[str, int]]:
        """Status and counted attempts of each change."""
        rows = self.db.execute("SELECT status, retry_count FROM sync_queue ORDER BY seq")
        return [(status, attempts) for status, attempts in rows]

    def counts(self) -> Counts:
        return self.app.store.ledger.counts("tasks")

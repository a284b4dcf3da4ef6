"""One replica: a database, the service that keeps it in step, and the wire to the server."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from windlass.demo.sync.app import URL, make_app
from windlass.demo.sync.tables import Collection
from windlass.demo.sync.wire import Wire
from windlass.demo.victims import children
from windlass.sync.status import Status

Rows = dict[str, dict[str, Any]]


class Replica:
    """Ann's, or Ben's. Its rows are written by plain SQL, as any program would."""

    def __init__(self, name: str, folder: Path, url: str, collections: Sequence[Collection]) -> None:
        self.name = name
        self.wire = Wire(url)
        self.collections = collections
        self._environment = {
            "WINDLASS_DATABASE": str(folder / f"{name}.db"),
            "WINDLASS_ISOLATES": "1",
            "WINDLASS_SERVICE_ENABLED": "true",
            URL: self.wire.url,
        }
        with self._surroundings():
            self.app = make_app(f"{name}.db", self.wire.url, [one.name for one in collections])
            _ = self.app.settings  # read now: whatever the person's own settings say, it is this database
        self.run(*(one.create for one in collections))

    # ── its service ────────────────────────────────────────────────────────────────────────────
    def start(self) -> int:
        """Starts its service; the supervisor's process id."""
        with self._surroundings():
            return self.app.service.start("windlass.demo.sync.service:app", wait="1m")

    def pids(self) -> set[int]:
        """The processes of its service."""
        status = self.app.service.status()
        if status is None:
            return set()
        found = {pid for pid in (status.pid, status.dispatcher) if pid}
        return found | set(children(status.dispatcher)) if status.dispatcher else found

    def close(self) -> None:
        """Ends its service and its wire."""
        try:
            self.app.service.stop()
        finally:
            self.app.close()
            self.wire.down()

    # ── its tables ─────────────────────────────────────────────────────────────────────────────
    def run(self, *statements: str) -> int:
        """Carries statements out, each in a transaction of its own; how many rows they wrote."""
        connection = self.app.store.connect()
        try:
            before = connection.total_changes
            for statement in statements:
                connection.execute(statement)
                connection.commit()
            return connection.total_changes - before
        finally:
            self.app.store.disconnect(connection)

    def rows(self) -> dict[str, Rows]:
        """Every row, by table and id."""
        connection = self.app.store.connect()
        try:
            found: dict[str, Rows] = {}
            for one in self.collections:
                cursor = connection.execute(one.select)
                names = [column[0] for column in cursor.description]
                rows = (dict(zip(names, row, strict=True)) for row in cursor)
                found[one.name] = {row.pop("id"): row for row in rows}
            return found
        finally:
            self.app.store.disconnect(connection)

    def count(self) -> int:
        """How many rows there are in all tables."""
        connection = self.app.store.connect()
        try:
            return sum(connection.execute(one.how_many).fetchone()[0] for one in self.collections)
        finally:
            self.app.store.disconnect(connection)

    # ── how it stands ──────────────────────────────────────────────────────────────────────────
    def statuses(self) -> list[Status]:
        """Of each of its tables."""
        return self.app.sync.status()

    @contextmanager
    def _surroundings(self) -> Generator[None]:
        """The environment that its processes are started in."""
        before = {name: os.environ.get(name) for name in (*self._environment, "WINDLASS_APP")}
        os.environ.pop("WINDLASS_APP", None)
        os.environ.update(self._environment)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


class Standing:
    """How all tables of a replica stand together."""

    def __init__(self, statuses: Sequence[Status]) -> None:
        self.waiting = sum(one.pending for one in statuses)
        """Changes that are not at the server, for whatever reason."""
        self.sendable = sum(one.pending - one.held for one in statuses)
        self.conflicts = sum(one.conflicts for one in statuses)
        self.failed = sum(one.failed for one in statuses)
        self.quarantined = sum(one.quarantined for one in statuses)
        self._statuses = statuses

    @property
    def is_drained(self) -> bool:
        """Nothing waits to be sent but what waits for a person."""
        return not self.sendable

    @property
    def is_quiet(self) -> bool:
        """Nothing waits for anything."""
        return not (self.waiting or self.conflicts or self.failed or self.quarantined)

    @property
    def trouble(self) -> Status | None:
        """A table whose server cannot be asked now, with the reason."""
        return next((one for one in self._statuses if one.reason is not None), None)

    @property
    def activity(self) -> str:
        """In a word."""
        states = {one.state for one in self._statuses}
        for state in ("offline", "throttled", "failing", "unauthorized", "paused", "pushing", "pulling"):
            if state in states:
                return state
        return "idle"

    def pulled_since(self, moment: datetime) -> bool:
        """Whether each table was pulled to its end after that."""
        return all(one.last_pull is not None and one.last_pull > moment for one in self._statuses)

"""Unique keys in the SQLite store against their model: every sequence of steps that Hypothesis thinks of."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings

from tests.store.line_model import LineMachine
from windlass.store.protocol import Store
from windlass.store.sqlite.store import SqliteStore
from windlass.testing import ManualClock


class SqliteLineMachine(LineMachine):
    """On a real file, in memory where there is such a place."""

    @staticmethod
    def open_store(clock: ManualClock) -> Store:
        shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
        store = SqliteStore(Path(tempfile.mkdtemp(prefix="windlass-line-", dir=shared)) / "app.db", clock)
        store.migrate()
        return store

    def teardown(self) -> None:
        super().teardown()
        assert isinstance(self.store, SqliteStore)
        shutil.rmtree(Path(self.store.path).parent)


SqliteLineMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestLineModel = SqliteLineMachine.TestCase

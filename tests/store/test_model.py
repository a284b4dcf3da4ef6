"""Both stores against the one model: every sequence of steps that Hypothesis thinks of."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings

from tests.store.model import StoreMachine
from windlass.store.protocol import Store
from windlass.store.sqlite.store import SqliteStore
from windlass.testing import ManualClock


class SqliteMachine(StoreMachine):
    """On a real file, in memory where there is such a place: thousands of steps, each with its commits."""

    @staticmethod
    def open_store(clock: ManualClock) -> Store:
        shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
        store = SqliteStore(Path(tempfile.mkdtemp(prefix="windlass-model-", dir=shared)) / "app.db", clock)
        store.migrate()
        return store

    def teardown(self) -> None:
        super().teardown()
        assert isinstance(self.store, SqliteStore)
        shutil.rmtree(Path(self.store.path).parent)


SqliteMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestModel = SqliteMachine.TestCase

"""The SQLite store keeps the contract of every store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.conformance import ManualClock, StoreConformance
from windlass.store.sqlite.store import SqliteStore


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "app.db", clock)
    store.migrate()
    yield store
    store.close()


class TestSqliteStore(StoreConformance):
    """Runs the suite on a real file."""

"""The SQLite store keeps the contract of every store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.conformance import StoreConformance
from tests.store.conformance.managing import Managing
from windlass.store.sqlite.borrowed import BorrowedStore
from windlass.store.sqlite.store import SqliteStore
from windlass.testing import ManualClock


class TestSqliteStore(StoreConformance):
    """Runs the suite on a real file."""


class TestOnACallersConnection(Managing):
    """The job manager's part of the suite, on a connection that a program already has."""

    @pytest.fixture
    def store(self, store: SqliteStore, path: Path, clock: ManualClock) -> Iterator[BorrowedStore]:
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            yield BorrowedStore(connection, clock)


class TestInsideACallersTransaction(Managing):
    """And inside a transaction of that program's own."""

    @pytest.fixture
    def store(self, store: SqliteStore, path: Path, clock: ManualClock) -> Iterator[BorrowedStore]:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield BorrowedStore(connection, clock)
            connection.execute("ROLLBACK")
            assert sum(store.counts().values()) == 0

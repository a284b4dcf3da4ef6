"""The ledger of a store on a real file, and another program's connection to the same file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from windlass.store.ledger import Ledger
from windlass.store.sqlite.store import SqliteStore


@pytest.fixture
def ledger(store: SqliteStore) -> Ledger:
    return store.ledger


@pytest.fixture
def db(store: SqliteStore, path: Path) -> Iterator[sqlite3.Connection]:
    """As any program opens it; each statement commits by itself unless it says BEGIN."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection

"""The PostgreSQL store keeps the contract of every store."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from tests.store.conformance import StoreConformance
from tests.store.conformance.managing import Managing
from windlass.store.postgres.borrowed import BorrowedPostgresStore
from windlass.store.postgres.store import PostgresStore
from windlass.testing import ManualClock


@contextmanager
def made(url: str, clock: ManualClock) -> Generator[PostgresStore]:
    """A store on an empty database."""
    store = PostgresStore(url, clock)
    store.migrate()
    yield store
    store.close()


class TestPostgresStore(StoreConformance):
    """Runs the suite on a real server."""

    @pytest.fixture
    def store(self, postgres_url: str, clock: ManualClock) -> Iterator[PostgresStore]:
        with made(postgres_url, clock) as store:
            yield store


class TestOnACallersConnection(Managing):
    """The job manager's part of the suite, on a connection that a program already has."""

    @pytest.fixture
    def store(self, postgres_url: str, clock: ManualClock) -> Iterator[BorrowedPostgresStore]:
        with made(postgres_url, clock), psycopg.connect(postgres_url, row_factory=dict_row) as connection:
            yield BorrowedPostgresStore(connection, clock)
            assert connection.info.transaction_status == TransactionStatus.IDLE


class TestInsideACallersTransaction(Managing):
    """And inside a transaction of that program's own."""

    @pytest.fixture
    def store(self, postgres_url: str, clock: ManualClock) -> Iterator[BorrowedPostgresStore]:
        with made(postgres_url, clock), psycopg.connect(postgres_url) as connection:
            connection.execute("SELECT 1")
            store = BorrowedPostgresStore(connection, clock)
            yield store
            connection.rollback()
            assert sum(store.counts().values()) == 0

"""The PostgreSQL store keeps the contract of every store."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from tests.store.conformance import StoreConformance
from tests.store.conformance.managing import Managing
from tests.store.postgres_schemas import Schemas, migrated
from windlass.store.postgres.borrowed import BorrowedPostgresStore
from windlass.store.postgres.store import PostgresStore
from windlass.testing import ManualClock


class TestPostgresStore(StoreConformance):
    """Runs the suite on a real server."""

    @pytest.fixture
    def store(self, postgres_store: PostgresStore) -> PostgresStore:
        return postgres_store


class TestWithoutHints(StoreConformance):
    """And without NOTIFY and advisory locks, as on servers that speak PostgreSQL's language and have none."""

    @pytest.fixture
    def store(self, postgres_schemas: Schemas, clock: ManualClock) -> Iterator[PostgresStore]:
        with postgres_schemas.empty(windlass_hints="off") as url, migrated(url, clock) as store:
            yield store


class TestOnACallersConnection(Managing):
    """The job manager's part of the suite, on a connection that a program already has."""

    @pytest.fixture
    def store(
        self, postgres_schema: str, postgres_store: PostgresStore, clock: ManualClock
    ) -> Iterator[BorrowedPostgresStore]:
        with psycopg.connect(postgres_schema, row_factory=dict_row) as connection:
            yield BorrowedPostgresStore(connection, clock)
            assert connection.info.transaction_status == TransactionStatus.IDLE


class TestInsideACallersTransaction(Managing):
    """And inside a transaction of that program's own."""

    @pytest.fixture
    def store(
        self, postgres_schema: str, postgres_store: PostgresStore, clock: ManualClock
    ) -> Iterator[BorrowedPostgresStore]:
        with psycopg.connect(postgres_schema) as connection:
            connection.execute("SELECT 1")
            store = BorrowedPostgresStore(connection, clock)
            yield store
            connection.rollback()
            assert sum(store.counts().values()) == 0

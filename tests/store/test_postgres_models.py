"""The PostgreSQL store against the models of every store: jobs, unique keys, and who waits for whom."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from tests.store.line_model import LineMachine
from tests.store.model import StoreMachine
from tests.store.postgres_schemas import Schemas
from tests.store.test_flow_model import FlowMachine
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import Store
from windlass.testing import ManualClock

pytestmark = pytest.mark.slow

place: list[str] = []
"""The URL of the schema in which the machines run, one after another."""


@pytest.fixture(scope="module", autouse=True)
def schema(postgres_schemas: Schemas) -> Iterator[None]:
    with postgres_schemas.empty() as url:
        # What a crash would leave is not asked here, and a commit that waits for the disk takes longest.
        place.append(url.replace("-csearch_path", "-csynchronous_commit%3Doff%20-csearch_path"))
        yield
        place.clear()


def empty(clock: ManualClock) -> Store:
    """A store with nothing in it, and ids that begin at 1."""
    store = PostgresStore(place[0], clock)
    if not store.migrate():
        with psycopg.connect(place[0], autocommit=True) as connection:
            connection.execute(
                "TRUNCATE background_service_jobs, windlass_attempts, windlass_queues, windlass_limits, "
                "windlass_dependencies, windlass_dispatchers RESTART IDENTITY"
            )
    return store


class PostgresMachine(StoreMachine):
    open_store = staticmethod(empty)


class PostgresLineMachine(LineMachine):
    open_store = staticmethod(empty)


class PostgresFlowMachine(FlowMachine):
    open_store = staticmethod(empty)


some = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
PostgresMachine.TestCase.settings = some
PostgresLineMachine.TestCase.settings = some
PostgresFlowMachine.TestCase.settings = some
TestModel = PostgresMachine.TestCase
TestLineModel = PostgresLineMachine.TestCase
TestFlows = PostgresFlowMachine.TestCase

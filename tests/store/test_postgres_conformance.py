"""The PostgreSQL store keeps the contract of every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import msgspec
import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from tests.postgres.programs import MAIN, NAMES
from tests.store.conformance import StoreConformance
from tests.store.conformance.limiting import turn, wait
from tests.store.conformance.managing import Managing
from tests.store.conformance.scheduling import due, next_s, put
from tests.store.conformance.steps import SECOND, add
from tests.store.postgres_schemas import Schemas, migrated
from windlass.rate import Rate
from windlass.schedule import Spec
from windlass.store.postgres.borrowed import BorrowedPostgresStore
from windlass.store.postgres.store import PostgresStore
from windlass.store.postgres.timing import ServerClock
from windlass.store.protocol import Store
from windlass.testing import ManualClock


class TestPostgresStore(StoreConformance):
    """Runs the suite on a real server."""

    @pytest.fixture
    def store(self, postgres_store: PostgresStore) -> PostgresStore:
        return postgres_store


class TestOnOlderServers(StoreConformance):
    """And on those that systems still come with."""

    @pytest.fixture(params=[name for name in NAMES if name != MAIN])
    def store(
        self,
        request: pytest.FixtureRequest,
        postgres_schemas_of: Callable[[str], Schemas],
        clock: ManualClock,
    ) -> Iterator[PostgresStore]:
        with postgres_schemas_of(request.param).empty() as url, migrated(url, clock) as store:
            yield store


class TestWithoutHints(StoreConformance):
    """And without NOTIFY and advisory locks, as on servers that speak PostgreSQL's language and have none.

    And by the clock of the server, as it is outside of tests: what is moved here is that clock.
    """

    @pytest.fixture
    def store(self, postgres_schemas: Schemas, clock: ManualClock) -> Iterator[PostgresStore]:
        server = ServerClock(clock, lambda: clock.wall_us() - clock.boot_us())
        with postgres_schemas.empty(windlass_hints="off") as url, migrated(url, server) as store:
            assert store.instant().boot_id is None
            yield store
            with store.database.read() as connection:
                for table in ("background_service_jobs", "windlass_schedules", "windlass_limits"):
                    found = connection.execute(f"SELECT count(*) FROM {table} WHERE boot_id IS NOT NULL")
                    assert found.fetchone()[0] == 0, table

    def test_a_delay_follows_elapsed_time_when_the_wall_clock_jumps(
        self, store: Store, clock: ManualClock
    ) -> None:
        """Nobody tells time that passes from a server's clock that is set; and no delay is lost by it."""
        add(store, delay_us=60 * SECOND)
        clock.jump(clock.now - timedelta(days=90))
        assert store.promote() == (0, 60 * SECOND + 90 * 86_400 * SECOND)
        clock.jump(clock.now + timedelta(days=180))
        assert store.promote().promoted == 1

    @pytest.mark.parametrize("days", [90, -90])
    def test_a_jump_of_the_wall_clock_moves_no_slot(
        self, store: Store, clock: ManualClock, days: int
    ) -> None:
        """Backwards: where nobody tells a jump from time, no slot is farther away than a rate can put it."""
        store.set_limit("key", "sms", rate=Rate(2, SECOND))
        for _ in range(2):
            add(store, "sms")
        turn(store)
        clock.jump(clock.now + timedelta(days=days))
        came = turn(store)
        assert bool(came.claimed) == (days > 0)
        wait(clock, came.slot_in_us or 0)
        assert came.claimed or len(turn(store).claimed) == 1

    def test_each_is_due_on_its_own_clock(self, store: Store, clock: ManualClock) -> None:
        put(store, "elapsed", 10)
        put(store, "wall", 20, cron="0 3 * * *", tz="UTC")
        assert [row.next_boot_us for row in store.schedules()] == [None, None]
        assert (due(store), next_s(store)) == ([], 10)
        clock.advance(10)
        assert (due(store), next_s(store)) == ([("elapsed", False)], 10)

    def test_another_boots_times_are_found(self, store: Store, clock: ManualClock) -> None:
        """Every boot is another one: those of a file that was moved here."""
        row = put(store, "a", 10)
        assert store.strange_schedules() == []
        strange = msgspec.structs.replace(row, next_boot_us=5, boot_id="of a file", turn=1)
        store.put_schedule(strange, replaces=0)
        assert store.strange_schedules() == [strange]
        here = strange.on_this_boot(Spec(every=3600 * SECOND), store.instant())
        assert (here.next_boot_us, here.boot_id) == (None, None)
        assert store.put_schedule(here, replaces=1)

    def test_what_goes_by_elapsed_time_is_told_anew_where_the_clock_was_set(
        self, store: Store, clock: ManualClock
    ) -> None:
        """There is nothing to tell anew; what waits for a clock that was set back is drawn near."""
        row = put(store, "elapsed", 10)
        clock.jump(clock.now - timedelta(days=90))
        assert store.retell_schedules(store.instant()) == 0
        near = row.on_this_boot(Spec(every=3600 * SECOND), store.instant())
        assert near.next_at_us == store.instant().wall_us + 3600 * SECOND


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

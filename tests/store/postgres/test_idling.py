"""Who is stopped or cut off in a transaction: the server ends it before others lose patience."""

from __future__ import annotations

from contextlib import closing, suppress

import psycopg
import pytest

from tests.postgres.bouncer import before
from tests.postgres.server import Server
from tests.service.waiting import until
from tests.store.conformance.steps import add, claim, register, settlement, the
from tests.store.postgres_schemas import migrated
from windlass.errors import StoreError, StoreUnavailable
from windlass.job import JobStatus
from windlass.outcome import Completed
from windlass.store.postgres.faults import is_lost
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import Claim, ClaimRequest
from windlass.testing import ManualClock


def writes(store: PostgresStore) -> bool:
    """May somebody have a turn alone?"""
    with suppress(StoreUnavailable), store.database.write(full=False):
        return True
    return False


def test_who_stops_in_a_turn_holds_up_nobody_for_longer_than_they_wait(
    postgres_url: str, clock: ManualClock
) -> None:
    """A host that is stopped, or vanishes, with the lock that all turns need."""
    with migrated(postgres_url, clock) as store:
        with store.database.write(full=False) as connection:
            (turn,) = connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()
            (patience,) = connection.execute("SHOW lock_timeout").fetchone()
        assert (turn, patience) == ("8s", "10s")
        with store.database.transaction(full=False, turn=None) as connection:
            assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("1min",)


def test_who_stops_between_a_completion_and_its_commit_holds_up_nobody_either(
    postgres_url: str, clock: ManualClock
) -> None:
    """A handler's own transaction has the lock that all turns need from its completion on."""
    with closing(PostgresStore(postgres_url, clock, lock_timeout_s=1.0)) as store:
        store.migrate()
        add(store)
        [one] = claim(store)
        connection = store.connect()
        store.begin(connection)
        assert store.complete_on(connection, settlement(one, Completed()))

        until(lambda: writes(store), patience_s=30)
        with pytest.raises((StoreError, psycopg.Error)):
            store.commit(connection)
        assert the(store, one.job_id).status is JobStatus.RUNNING
        store.disconnect(connection)


@pytest.mark.parametrize("pooled", [False, True])
def test_who_stops_between_the_round_trips_of_a_turn_holds_up_nobody_either(
    postgres_server: Server, postgres_database: str, clock: ManualClock, pooled: bool
) -> None:
    """What the driver sends behind a pipeline is no sign of life: the server would not count any more."""
    with before(postgres_server) as bouncer:
        url = (bouncer if pooled else postgres_server).url(postgres_database)
        with closing(PostgresStore(url, clock, lock_timeout_s=1.0)) as store:
            store.migrate()
            owner = register(store)
            add(store)
            [one] = claim(store, owner)
            # Which of several lanes has the best job is found out before any is taken.
            add(store)
            add(store, key="other")
            lanes = dict.fromkeys(store.lanes(), 1)
            stopped: list[bool] = []

            def accept(claim: Claim) -> bool:
                stopped.append(until(lambda: writes(store), patience_s=30))
                return True

            with pytest.raises(StoreError):
                store.settle_and_claim([settlement(one, Completed())], ClaimRequest(owner, 1, lanes, accept))
            assert stopped == [True]
            counts = store.counts()
            assert (counts[JobStatus.PENDING], counts[JobStatus.RUNNING]) == (2, 1)


def test_who_is_cut_off_behind_a_pooler_while_he_reads_leaves_others_his_session(
    postgres_server: Server, postgres_database: str, clock: ManualClock
) -> None:
    """The pooler does not hear of it, and has few."""
    with (
        before(postgres_server, pool=1) as bouncer,
        closing(PostgresStore(bouncer.url(postgres_database), clock, lock_timeout_s=1.0)) as store,
    ):
        store.migrate()
        with store.database.read() as connection:
            until(lambda: postgres_server.sessions(postgres_database) == 0, patience_s=30)
            with pytest.raises(psycopg.Error) as raised:
                connection.execute("SELECT 1")
        assert is_lost(raised.value)
        assert store.counts()[JobStatus.PENDING] == 0

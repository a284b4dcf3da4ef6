"""Several at once on one PostgreSQL: who excludes whom, and who does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.store.conformance.steps import accept_any, add, claim, settlement, the
from tests.store.postgres_schemas import migrated
from windlass.errors import InvalidJob, StoreError
from windlass.job import JobStatus
from windlass.outcome import Completed
from windlass.store import open_store
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import ClaimRequest, NewJob
from windlass.testing import ManualClock

PATIENCE_S = 60.0


@pytest.fixture
def other(postgres_schema: str, postgres_store: PostgresStore, clock: ManualClock) -> Iterator[PostgresStore]:
    """A second store on the same schema, as another process has one."""
    with migrated(postgres_schema, clock) as store:
        yield store


def together(*calls: Callable[[], object]) -> None:
    """Calls them all at once, and raises what one of them raised."""
    gate = threading.Barrier(len(calls))
    failed: list[BaseException] = []

    def run(call: Callable[[], object]) -> None:
        try:
            gate.wait(PATIENCE_S)
            call()
        except BaseException as error:  # noqa: BLE001 - raised by the test
            failed.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    if failed:
        raise failed[0]


def test_two_that_claim_at_once_never_share_a_job(
    postgres_store: PostgresStore, other: PostgresStore
) -> None:
    postgres_store.insert([NewJob(key=key, priority=n % 3) for n in range(100) for key in "abc"])
    taken: dict[int, list[int]] = {1: [], 2: []}

    def work(store: PostgresStore, owner: int) -> None:
        done: list[Any] = []
        while True:
            request = ClaimRequest(owner, 7, dict.fromkeys(store.lanes(), 7), accept_any)
            turn = store.settle_and_claim([settlement(one, Completed("1")) for one in done], request)
            assert not turn.stale
            done = turn.claimed
            taken[owner] += [one.job_id for one in done]
            if not done and not store.counts()[JobStatus.PENDING]:
                return

    together(lambda: work(postgres_store, 1), lambda: work(other, 2))
    assert len(taken[1] + taken[2]) == 300
    assert len({*taken[1], *taken[2]}) == 300
    assert postgres_store.counts()[JobStatus.COMPLETED] == 300


def test_a_claim_goes_on_while_another_has_rows_locked(
    postgres_store: PostgresStore, postgres_schema: str
) -> None:
    first, second = add(postgres_store), add(postgres_store)
    with psycopg.connect(postgres_schema) as connection:
        connection.execute("SELECT 1 FROM background_service_jobs WHERE id = %s FOR UPDATE", [first])
        assert [one.job_id for one in claim(postgres_store)] == [second]
    assert [one.job_id for one in claim(postgres_store)] == [first]


def test_two_parents_that_complete_at_once_release_their_child_once(
    postgres_store: PostgresStore, other: PostgresStore
) -> None:
    for _ in range(10):
        parents = [one.job_id for one in postgres_store.insert([NewJob(key="parent")] * 2)]
        child = add(postgres_store, "child", after=tuple(parents))
        one, two = claim(postgres_store, limit=1), claim(other, 2, limit=1)
        freed: list[bool] = []

        def settle(store: PostgresStore, claimed: list[Any], freed: list[bool] = freed) -> None:
            freed.append(store.settle_and_claim([settlement(claimed[0], Completed())]).freed)

        together(lambda one=one: settle(postgres_store, one), lambda two=two: settle(other, two))
        assert sorted(freed) == [False, True]
        assert the(postgres_store, child).waits_for == 0
        assert [job.job_id for job in claim(postgres_store)] == [child]


def test_two_handlers_transactions_that_complete_parents_release_the_child_once(
    postgres_store: PostgresStore, other: PostgresStore
) -> None:
    parents = [one.job_id for one in postgres_store.insert([NewJob(key="parent")] * 2)]
    child = add(postgres_store, "child", after=tuple(parents))
    claimed = claim(postgres_store)

    def complete(store: PostgresStore, one: Any) -> None:
        connection = store.connect()
        store.begin(connection)
        assert store.complete_on(connection, settlement(one, Completed()))
        store.commit(connection)
        store.disconnect(connection)

    together(lambda: complete(postgres_store, claimed[0]), lambda: complete(other, claimed[1]))
    assert (the(postgres_store, child).waits_for, the(postgres_store, child).hold) == (0, None)


def test_a_unique_key_that_two_transactions_meet_at_once_has_one_job(
    postgres_store: PostgresStore, postgres_schema: str
) -> None:
    """J2."""
    with psycopg.connect(postgres_schema) as one, psycopg.connect(postgres_schema) as two:
        first = postgres_store.insert([NewJob(key="work", unique="u")], connection=one)[0]
        told: list[Any] = []
        thread = threading.Thread(
            target=lambda: told.extend(
                postgres_store.insert([NewJob(key="work", unique="u")], connection=two)
            )
        )
        thread.start()
        one.commit()
        thread.join(PATIENCE_S)
        two.commit()
    assert [(row.job_id, row.created) for row in told] == [(first.job_id, False)]


@pytest.mark.parametrize("existing", ["keep", "update", "replace", "append", "append_or_replace"])
def test_a_key_whose_job_ends_while_another_meets_it_is_never_lost(
    postgres_store: PostgresStore, other: PostgresStore, existing: Any
) -> None:
    for _ in range(10):
        held = add(postgres_store, unique="u")
        (one,) = claim(postgres_store)
        assert one.job_id == held
        together(
            lambda one=one: postgres_store.settle_and_claim([settlement(one, Completed())]),
            lambda: other.insert([NewJob(key="work", unique="u", existing=existing)]),
        )
        for late in claim(postgres_store):
            other.settle_and_claim([settlement(late, Completed())])
        assert postgres_store.counts()[JobStatus.PENDING] == postgres_store.counts()[JobStatus.RUNNING] == 0


def test_an_open_transaction_with_an_enqueue_holds_up_no_dispatcher(
    postgres_store: PostgresStore, postgres_schema: str
) -> None:
    ready = add(postgres_store)
    with psycopg.connect(postgres_schema) as connection:
        told = postgres_store.insert(
            [NewJob(key="work"), NewJob(key="work", unique="u")], connection=connection
        )
        (one,) = claim(postgres_store)
        assert one.job_id == ready
        assert not postgres_store.settle_and_claim([settlement(one, Completed())]).stale
        assert postgres_store.cancel([ready]) == {ready: JobStatus.COMPLETED}
        postgres_store.promote()
        connection.commit()
    assert [one.job_id for one in claim(postgres_store)] == [row.job_id for row in told]


def test_two_transactions_in_each_others_way_are_sorted_out(
    postgres_store: PostgresStore, postgres_schema: str
) -> None:
    first, second = add(postgres_store), add(postgres_store)
    lock = "SELECT 1 FROM background_service_jobs WHERE id = %s FOR UPDATE"
    found: list[Any] = []
    with psycopg.connect(postgres_schema) as connection:
        connection.execute(lock, [second])
        thread = threading.Thread(target=lambda: found.append(postgres_store.cancel([first, second])))
        thread.start()
        _until_somebody_waits(postgres_schema)
        try:
            connection.execute(lock, [first])
            connection.commit()
        except psycopg.errors.DeadlockDetected:
            connection.rollback()
        thread.join(PATIENCE_S)
    assert found == [{first: JobStatus.CANCELLED, second: JobStatus.CANCELLED}]


def _until_somebody_waits(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as onlooker:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while not onlooker.execute(waiting).fetchone()[0]:  # type: ignore[index]
            pass


def test_a_write_beside_the_own_transaction_of_the_same_thread_is_refused(
    postgres_store: PostgresStore,
) -> None:
    with postgres_store.transaction(), pytest.raises(StoreError, match=r"inside app\.transaction"):
        add(postgres_store)


def test_a_connection_to_another_schema_is_refused(
    postgres_store: PostgresStore, postgres_schemas: Any, clock: ManualClock
) -> None:
    with (
        postgres_schemas.empty() as url,
        migrated(url, clock),
        psycopg.connect(url) as connection,
        pytest.raises(InvalidJob, match="its own database and schema"),
    ):
        postgres_store.insert([NewJob(key="work")], connection=connection)


def test_a_programs_connection_is_opened_as_a_store(
    postgres_store: PostgresStore, postgres_schema: str
) -> None:
    job_id = add(postgres_store)
    with psycopg.connect(postgres_schema) as connection:
        store = open_store(connection)
        assert store.borrowed
        assert the(store, job_id).key == "work"
        store.close()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_url_is_taken_as_sqlalchemy_spells_it_too(postgres_schema: str, scheme: str) -> None:
    store = open_store(postgres_schema.replace("postgresql", scheme, 1))
    assert isinstance(store, PostgresStore)
    assert store.migrate()
    store.close()


def test_many_jobs_go_through_a_pipeline_that_a_caller_has_open(
    postgres_store: PostgresStore, postgres_schema: str
) -> None:
    """There they go one by one: nothing streams through a pipeline."""
    jobs = [NewJob(key="work", payload=f'{{"n":{n}}}') for n in range(20)]
    with psycopg.connect(postgres_schema) as mine:
        with mine.pipeline():
            told = postgres_store.insert(jobs, connection=mine)
        assert postgres_store.counts()[JobStatus.PENDING] == 0
    assert [the(postgres_store, row.job_id).payload for row in told] == [{"n": n} for n in range(20)]

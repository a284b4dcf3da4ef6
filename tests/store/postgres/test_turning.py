"""A turn in two round trips: what is done while the server marks and commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.service.waiting import until
from tests.store.conformance.steps import accept_any, add, claim, settlement, the
from tests.store.postgres_schemas import migrated
from windlass.errors import StoreError
from windlass.job import JobStatus
from windlass.outcome import Completed
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import Claim, ClaimRequest, Lane, Turn
from windlass.testing import ManualClock

PENDING, RUNNING, COMPLETED = JobStatus.PENDING, JobStatus.RUNNING, JobStatus.COMPLETED
WORK = Lane(alone=False, queue="default", key="work")
JOB = "INSERT INTO background_service_jobs (job_key, payload"


@pytest.fixture
def other(postgres_schema: str, postgres_store: PostgresStore, clock: ManualClock) -> Iterator[PostgresStore]:
    """A second store on the same schema, as another process has one."""
    with migrated(postgres_schema, clock) as store:
        yield store


def turn_of(
    store: PostgresStore, accept: Callable[[Claim], bool], limit: int = 10
) -> tuple[Callable[[], Turn], Claim]:
    """A turn that settles a job and claims others, and the job that it settles."""
    add(store)
    [one] = claim(store, lanes=[WORK])
    request = ClaimRequest(1, limit, {WORK: limit}, accept)
    return (lambda: store.settle_and_claim([settlement(one, Completed())], request)), one


def test_jobs_are_placed_while_the_server_marks_them_and_commits(
    postgres_store: PostgresStore, other: PostgresStore
) -> None:
    def accept(claim: Claim) -> bool:
        # Nobody waits for the pool: what it is asked about is committed by and by.
        until(lambda: the(other, claim.job_id).status is RUNNING)
        return True

    turn, settled = turn_of(postgres_store, accept)
    ids = [add(postgres_store, payload=f"[{number}]") for number in range(3)]
    done = turn()
    assert [(one.job_id, one.payload, one.attempt) for one in done.claimed] == [
        (job_id, f"[{number}]", 1) for number, job_id in enumerate(ids)
    ]
    assert all(waited is not None and waited >= 0 for waited in done.waited_us)
    assert the(postgres_store, settled.job_id).status is COMPLETED


def test_what_the_pool_declines_then_goes_back_unspent(postgres_store: PostgresStore) -> None:
    turn, settled = turn_of(postgres_store, lambda claim: claim.job_id % 2 == 0)
    ids = [add(postgres_store, max_attempts=1) for _ in range(4)]
    done = turn()
    taken = [one for one in ids if one % 2 == 0]
    assert [one.job_id for one in done.claimed] == taken
    assert len(done.waited_us) == len(taken)
    for job in (the(postgres_store, one) for one in ids):
        assert (job.status, job.attempts) == ((RUNNING, 1) if job.id in taken else (PENDING, 0))
    assert the(postgres_store, settled.job_id).status is COMPLETED
    again = postgres_store.settle_and_claim([], ClaimRequest(1, 10, {WORK: 10}, accept_any))
    assert [one.job_id for one in again.claimed] == [one for one in ids if one % 2]


@pytest.mark.parametrize(
    ("columns", "hold"),
    [
        (", created_at) VALUES ('work', '{}', '2026-01-02 03:04')", False),
        (", created_at, updated_at) VALUES ('work', '{}', '2026-01-02 03:04', '2026-01-02 03:04')", False),
        (", created_at, updated_at) VALUES ('work', '{}', 'lately', 'lately')", True),
        (", created_at, updated_at) VALUES ('work', '{}', '', '')", True),
        (", attempts) VALUES ('work', '{}', -1)", True),
        (", max_attempts) VALUES ('work', '{}', 0)", True),
    ],
)
def test_a_row_that_others_wrote_differently_is_looked_at_before_any_is_marked(
    postgres_store: PostgresStore, columns: str, hold: bool
) -> None:
    turn, _ = turn_of(postgres_store, accept_any)
    good = [add(postgres_store)]
    with postgres_store.transaction() as connection:
        odd = connection.execute(f"{JOB}{columns} RETURNING id".encode()).fetchone()[0]
    good += [add(postgres_store)]
    done = turn()
    assert [one.job_id for one in done.claimed] == (good if hold else [good[0], odd, good[1]])
    job = the(postgres_store, odd)
    assert job.status is (PENDING if hold else RUNNING)
    assert (job.hold is not None) == hold


@pytest.mark.parametrize("code", ["raise_exception", "serialization_failure", "deadlock_detected"])
def test_what_was_placed_for_a_commit_that_failed_is_not_claimed(
    postgres_store: PostgresStore, postgres_schema: str, code: str
) -> None:
    """Whoever placed it hears of that, and forgets it, before there is another turn."""
    placed: list[int] = []

    def accept(claim: Claim) -> bool:
        placed.append(claim.job_id)
        return True

    turn, settled = turn_of(postgres_store, accept)
    job_id = add(postgres_store)
    broken: Any = """
    CREATE FUNCTION {0}.refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
            IF NEW.status = 'RUNNING' THEN RAISE EXCEPTION 'no' USING ERRCODE = '{1}'; END IF;
            RETURN NEW;
        END $$;
    CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON {0}.background_service_jobs
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {0}.refuse()
    """
    with postgres_store.transaction() as connection:
        schema = connection.execute("SELECT current_schema()").fetchone()[0]
    with psycopg.connect(postgres_schema, autocommit=True) as connection:
        connection.execute(broken.format(schema, code))
    with pytest.raises((StoreError, psycopg.Error)):
        turn()
    assert placed == [job_id]
    assert (the(postgres_store, job_id).status, the(postgres_store, job_id).attempts) == (PENDING, 0)
    assert the(postgres_store, settled.job_id).status is RUNNING

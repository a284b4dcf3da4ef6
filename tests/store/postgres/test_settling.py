"""Jobs that were claimed together and gave nothing back: settled by one walk, but each by its own lease."""

from __future__ import annotations

import pytest

from tests.store.conformance.steps import add, claim, settlement, the
from windlass.job import JobStatus
from windlass.outcome import Completed, Released
from windlass.store.postgres.settling import _ALIKE_LEAST
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import Claim

PENDING, RUNNING, COMPLETED = JobStatus.PENDING, JobStatus.RUNNING, JobStatus.COMPLETED
MANY = 2 * _ALIKE_LEAST


def claimed(store: PostgresStore, count: int) -> list[Claim]:
    """So many jobs, claimed together."""
    for _ in range(count):
        add(store)
    found = claim(store, limit=count)
    assert len({one.token for one in found}) == 1
    return found


def change(store: PostgresStore, claims: list[Claim], what: str) -> None:
    with store.transaction() as connection:
        for one in claims:
            statement = f"UPDATE background_service_jobs SET {what} WHERE id = {one.job_id}"
            connection.execute(statement.encode())


def statuses(store: PostgresStore, claims: list[Claim]) -> set[JobStatus]:
    return {the(store, one.job_id).status for one in claims}


def test_all_of_them_are_settled(postgres_store: PostgresStore) -> None:
    claims = claimed(postgres_store, MANY)
    change(postgres_store, claims[:1], "result = '[\"of an earlier run\"]'")
    turn = postgres_store.settle_and_claim([settlement(one, Completed()) for one in claims])
    assert (turn.stale, turn.unsettled) == ([], [])
    jobs = [the(postgres_store, one.job_id) for one in claims]
    assert {(job.status, job.result, job.attempts) for job in jobs} == {(COMPLETED, None, 1)}
    assert all(job.finished_at is not None for job in jobs)


@pytest.mark.parametrize(
    "what",
    [
        "lease_token = lease_token + 1",
        "attempts = attempts + 1",
        "status = 'PENDING'",
        "status = 'COMPLETED'",
    ],
)
def test_those_that_are_no_longer_ours_are_named_and_left_alone(
    postgres_store: PostgresStore, what: str
) -> None:
    claims = claimed(postgres_store, MANY)
    lost, kept = claims[::7], [one for place, one in enumerate(claims) if place % 7]
    change(postgres_store, lost, what)
    before = [the(postgres_store, one.job_id) for one in lost]
    turn = postgres_store.settle_and_claim([settlement(one, Completed()) for one in claims])
    assert [one.job_id for one in turn.stale] == [one.job_id for one in lost]
    assert [the(postgres_store, one.job_id) for one in lost] == before
    assert statuses(postgres_store, kept) == {COMPLETED}


def test_all_of_them_may_be_stale(postgres_store: PostgresStore) -> None:
    claims = claimed(postgres_store, MANY)
    change(postgres_store, claims, "lease_token = 7")
    turn = postgres_store.settle_and_claim([settlement(one, Completed()) for one in claims])
    assert [one.job_id for one in turn.stale] == [one.job_id for one in claims]
    assert statuses(postgres_store, claims) == {RUNNING}


def test_several_claims_and_kinds_go_in_one_turn(postgres_store: PostgresStore) -> None:
    first, second, few = (claimed(postgres_store, count) for count in (MANY, MANY, 3))
    told, back = first[:5], second[:5]
    turn = postgres_store.settle_and_claim([
        *(settlement(one, Completed("[1]")) for one in told),
        *(settlement(one, Released("no room")) for one in back),
        *(settlement(one, Completed()) for one in [*first[5:], *second[5:], *few]),
    ])  # fmt: skip
    assert (turn.stale, turn.unsettled) == ([], [])
    assert statuses(postgres_store, [*first, *second[5:], *few]) == {COMPLETED}
    assert statuses(postgres_store, back) == {PENDING}
    assert [the(postgres_store, one.job_id).result for one in first[4:6]] == [[1], None]

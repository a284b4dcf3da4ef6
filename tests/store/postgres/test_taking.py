"""A claim in one round trip: when it is taken, and what it leaves as it was."""

from __future__ import annotations

import pytest

from tests.store.conformance.steps import accept_any, add, claim, settle, the
from windlass.job import JobStatus
from windlass.outcome import Completed
from windlass.store.postgres import dispatching
from windlass.store.postgres.shelves import CROWDED, Shelf, Visited
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import Claim, ClaimRequest, Lane

PENDING, RUNNING = JobStatus.PENDING, JobStatus.RUNNING
JOB = "INSERT INTO background_service_jobs (job_key, payload"
WORK = Lane(alone=False, queue="default", key="work")


@pytest.fixture
def only_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole turn fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("that was to be taken in one round trip")

    monkeypatch.setattr(dispatching, "beside_others", refuse)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[ClaimRequest | None]:
    """Notes the whole turns."""
    seen: list[ClaimRequest | None] = []
    whole = dispatching.beside_others

    def noted(database: object, request: ClaimRequest | None, *rest: object, **how: object) -> object:
        seen.append(request)
        return whole(database, request, *rest, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(dispatching, "beside_others", noted)
    return seen


@pytest.mark.usefixtures("only_taken")
def test_where_nothing_stands_in_the_way_the_best_are_taken_in_their_order(
    postgres_store: PostgresStore,
) -> None:
    low, high, usual, late = (add(postgres_store, priority=priority) for priority in (-1, 5, 0, 5))
    request = ClaimRequest(7, 3, {WORK: 10}, accept_any)
    turn = postgres_store.settle_and_claim([], request)
    assert [one.job_id for one in turn.claimed] == [high, late, usual]
    assert (turn.more, turn.freed, turn.slot_in_us) == (True, False, None)
    assert all(waited is not None and waited >= 0 for waited in turn.waited_us)
    job = the(postgres_store, high)
    assert (job.status, job.attempts) == (RUNNING, 1)
    with postgres_store.transaction() as connection:
        owned = connection.execute("SELECT id FROM background_service_jobs WHERE lease_owner = 7").fetchall()
    assert {one for (one,) in owned} == {high, late, usual}
    turn = postgres_store.settle_and_claim([], request)
    assert ([one.job_id for one in turn.claimed], turn.more) == ([low], False)
    assert postgres_store.settle_and_claim([], request).claimed == []


@pytest.mark.usefixtures("only_taken")
def test_what_others_left_out_is_no_obstacle(postgres_store: PostgresStore) -> None:
    columns = "priority, attempts, max_attempts, updated_at) VALUES ('work', NULL, NULL, NULL, NULL"
    with postgres_store.transaction() as connection:
        connection.execute(f"{JOB}, {columns}, '2026-01-02T03:04:05.678Z')".encode())
    [one] = claim(postgres_store, lanes=[WORK])
    assert (one.payload, one.attempt, one.max_attempts) == (None, 1, 3)


@pytest.mark.usefixtures("only_taken")
def test_it_begins_at_the_floors_where_there_are_any(postgres_store: PostgresStore) -> None:
    ids = [add(postgres_store, priority=priority) for priority in (0, 5, 0, -1, 5, 0)]
    shelves = postgres_store.shelves
    heads = {Shelf(0, "default", "work", priority): ids[2] for priority in (0, 5)}
    for moment in (1.0, 2.0):
        shelves.looked_whole(heads, ids[-1], Visited(CROWDED + 10, 0), 1e6, moment)
    shelves._moved_at = shelves._whole_at = float("inf")
    assert [one.job_id for one in claim(postgres_store, lanes=[WORK])] == [ids[4], ids[2], ids[5], ids[3]]


def test_what_was_taken_is_settled_as_ever(postgres_store: PostgresStore) -> None:
    job_id = add(postgres_store, payload='{"a":1}', max_attempts=2, timeout_us=5)
    [one] = claim(postgres_store)
    assert one[:5] == (job_id, "work", '{"a":1}', 1, 2)
    assert (one.timeout_us, one.queue, one.alone, one.crashes) == (5, "default", False, 0)
    assert settle(postgres_store, one, Completed())
    assert the(postgres_store, job_id).status == JobStatus.COMPLETED


def test_what_is_declined_goes_back_as_it_was(postgres_store: PostgresStore) -> None:
    ids = [add(postgres_store) for _ in range(4)]

    def every_other(one: Claim) -> bool:
        return one.job_id % 2 == 0

    turn = postgres_store.settle_and_claim([], ClaimRequest(1, 10, {WORK: 10}, every_other))
    assert [one.job_id for one in turn.claimed] == [one for one in ids if one % 2 == 0]
    for job in (the(postgres_store, one) for one in ids if one % 2):
        assert (job.status, job.attempts) == (PENDING, 0)


@pytest.mark.parametrize(
    "obstacle",
    [
        f"{JOB}, created_at) VALUES ('work', '{{}}', '2026-01-02 03:04')",
        f"{JOB}, created_at, updated_at) VALUES ('work', '{{}}', '2026-01-02 03:04', '2026-01-02 03:04')",
        f"{JOB}, attempts) VALUES ('work', '{{}}', -1)",
        f"{JOB}, max_attempts) VALUES ('work', '{{}}', 0)",
        "INSERT INTO windlass_queues (queue, paused) VALUES ('another', 1)",
    ],
)
def test_what_stands_in_the_way_is_left_to_a_whole_turn(
    postgres_store: PostgresStore, turns: list[ClaimRequest | None], obstacle: str
) -> None:
    with postgres_store.transaction() as connection:
        connection.execute(obstacle.encode())
    good = add(postgres_store)
    claimed = claim(postgres_store, lanes=[WORK])
    assert good in [one.job_id for one in claimed]
    assert len(turns) == 1
    # It is not tried again at once: the next claim would only say so again.
    claim(postgres_store, lanes=[WORK])
    assert len(turns) == 2


def test_a_lane_that_was_limited_a_moment_ago_is_seen_to_be(postgres_store: PostgresStore) -> None:
    """Whoever waits for the turn sees what was written meanwhile."""
    ids = [add(postgres_store) for _ in range(3)]
    assert len(claim(postgres_store, limit=1)) == 1
    postgres_store.set_queue("default", concurrency=1)
    assert claim(postgres_store) == []
    assert [the(postgres_store, one).status for one in ids].count(RUNNING) == 1


def test_several_lanes_take_a_whole_turn(
    postgres_store: PostgresStore, turns: list[ClaimRequest | None]
) -> None:
    ids = [add(postgres_store, key="work"), add(postgres_store, key="other")]
    assert [one.job_id for one in claim(postgres_store)] == ids
    assert len(turns) == 1

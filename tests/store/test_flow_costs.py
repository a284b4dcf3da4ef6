"""What flows cost: nothing to who has no part in them, and no more for having many parents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.store.conformance.steps import claim, settlement
from windlass.outcome import Completed, Failed
from windlass.store.protocol import NewJob
from windlass.store.sqlite.store import SqliteStore


@contextmanager
def traced(store: SqliteStore) -> Iterator[list[str]]:
    """The statements that are run on the connection that writes."""
    told: list[str] = []
    with store.database.write(full=False) as connection:
        connection.set_trace_callback(told.append)
    try:
        yield told
    finally:
        connection.set_trace_callback(None)


@contextmanager
def counted(store: SqliteStore) -> Iterator[list[int]]:
    """The steps of SQLite's machine on that connection."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    with store.database.write(full=False) as connection:
        connection.set_progress_handler(count, 1)
    try:
        yield steps
    finally:
        connection.set_progress_handler(None, 1)


def test_without_flows_a_turn_looks_once_whether_there_is_one(store: SqliteStore) -> None:
    store.insert([NewJob(key="work") for _ in range(100)])
    claimed = claim(store, limit=100)
    with traced(store) as statements:
        store.settle_and_claim([settlement(one, Completed()) for one in claimed[:50]])
        store.settle_and_claim([settlement(one, Failed("no")) for one in claimed[50:]])
    looks = [one for one in statements if "windlass_dependencies" in one]
    assert len(looks) == 2
    assert all("EXISTS" in one for one in looks)


def test_plain_jobs_are_inserted_without_a_look_at_flows(store: SqliteStore) -> None:
    with traced(store) as statements:
        store.insert([NewJob(key="work") for _ in range(100)])
    assert not [one for one in statements if "windlass_dependencies" in one]


@pytest.mark.parametrize("outcome", [Completed("1"), Failed("no")], ids=["completed", "failed"])
def test_the_end_of_one_of_many_parents_costs_what_it_costs_of_two(
    store: SqliteStore, outcome: Completed | Failed
) -> None:
    def steps_for(parents: int) -> int:
        jobs = [NewJob(key="work") for _ in range(parents)]
        made = store.insert([*jobs, NewJob(key="end", follows=tuple(range(parents)))], durability="fast")
        (one,) = claim(store, limit=1)
        with counted(store) as steps:
            store.settle_and_claim([settlement(one, outcome)])
        spent = steps[0]
        store.cancel([job.job_id for job in made])
        return spent

    few, many = steps_for(2), steps_for(3000)
    assert many < few + 100

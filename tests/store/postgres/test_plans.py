"""No hot statement reads the whole table: not a full one, nor one in which nobody has counted yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from windlass.store.postgres.dialect import SQL, respelled
from windlass.store.postgres.shelves import CROWDED, Shelf, Shelves, Visited
from windlass.store.postgres.store import PostgresStore
from windlass.store.protocol import Lane
from windlass.store.relational.statements import SQL as REFERENCE

pytestmark = pytest.mark.slow

FILL = """
ALTER TABLE background_service_jobs SET (autovacuum_enabled = off);
INSERT INTO background_service_jobs
    (job_key, payload, priority, status, run_at, finished_at, lease_owner, lease_token, attempts)
SELECT 'k' || i % 3, '{}', i % 5,
       CASE WHEN i % 10 < 5 THEN 'PENDING' WHEN i % 1000 = 7 THEN 'RUNNING' ELSE 'COMPLETED' END,
       CASE WHEN i % 10 = 4 THEN 4000000000000000 + i END, CASE WHEN i % 10 >= 5 THEN i END,
       CASE WHEN i % 1000 = 7 THEN 1 END, 5, 1
FROM generate_series(1, 100000) AS i
"""
LANES = {"alones": [0, 0], "queues": ["default"] * 2, "keys": ["k0", "k1"], "mosts": [100, 100]}
BEYOND = {
    "alones": [0], "queues": ["default"], "keys": ["k1"], "priorities": [3], "floors": [7],
    "gap_alones": [0], "gap_queues": ["default"], "gap_keys": ["k1"], "below": [3], "above": [-9],
    "after_alones": [0], "after_queues": ["default"], "after_keys": ["k1"],
    "until_alones": [9], "until_queues": [""], "until_keys": [""],
}  # fmt: skip
ENDED = {"now_us": 1, "now": "x", "ids": [7], "attempts": [1], "tokens": [5], "results": [None]}
HOT: dict[str, Any] = {
    "claim_lane": (0, "default", "k1", 100),
    "claim_lanes": LANES,
    "shares": LANES | {"most": 100},
    "heads": (),
    "heads_beyond": BEYOND,
    "shares_beyond": {
        "most": 100, "places": [1], "alones": [0], "queues": ["default"], "keys": ["k1"], "mosts": [100],
        "priorities": [3], "floors": [7], "gap_places": [1], "gap_alones": [0], "gap_queues": ["default"],
        "gap_keys": ["k1"], "gap_mosts": [100], "below": [3], "above": [-9],
    },
    "settle_many": ENDED,
    "settle_alike": {"now_us": 1, "now": "x", "ids": "{7,8}", "attempt": 1, "token": 5, "count": 2},
    "settle_owned": (7, 1, 5),
    "claim": {"p1": 1, "p2": 2, "p3": "x", "p4": "[1, 2]"},
    "first_lane": {"p1": 0, "p2": "default", "p3": "k0"},
    "first_conditioned_lane": {"p1": 0, "p2": "default", "p3": "k0", "p4": ""},
    "next_due_wall": (),
    "next_due_boot": ("boot",),
    "other_boots": {"p1": "boot"},
    "promote_wall": {"p1": "x", "p2": 5, "p3": 100},
    "odd": (1,),
    "cancellations": (1,),
    "reclaim_select": (1, "[]", 10),
    "find_unique": ("u",),
    "find_idempotent": ("k", "i"),
    "line_any": (),
    "flow_any": (),
    "next_deadline": (),
    "expired": (1, 10),
    "prune_doomed": ("COMPLETED", 100, 5, 10),
}  # fmt: skip


@pytest.fixture(scope="module")
def full(postgres_module_url: str) -> Iterator[PostgresStore]:
    """A store whose table nobody has counted."""
    with closing(PostgresStore(postgres_module_url)) as store:
        store.migrate()
        with store.transaction() as connection:
            connection.execute(FILL.encode())
        yield store


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_goes_by_an_index(full: PostgresStore, name: str) -> None:
    text = SQL[name] if name not in REFERENCE else respelled(REFERENCE[name]).text
    with full.database.read() as connection:
        plan = "\n".join(row[0] for row in connection.run(f"EXPLAIN {text}", HOT[name]).fetchall())
    assert "Seq Scan on background_service_jobs" not in plan, plan
    assert "background_service_jobs" not in plan or "Index" in plan, plan


def test_a_claim_from_floors_goes_by_the_index_of_its_lane(full: PostgresStore) -> None:
    shelves = Shelves()
    heads = {Shelf(0, "default", "k1", priority): 7 for priority in (3, 1)}
    for moment in (1.0, 2.0):
        shelves.looked_whole(heads, 100_000, Visited(CROWDED + 10, 0), 0.1, moment)
    text, values = shelves.claim(Lane(alone=False, queue="default", key="k1"), 100)
    with full.database.read() as connection:
        plan = "\n".join(row[0] for row in connection.run(f"EXPLAIN {text}", values).fetchall())
    assert plan.count("Index Scan using windlass_jobs_ready") == 5, plan
    assert plan.count("id >=") == 2, plan
    assert "Sort" not in plan, plan

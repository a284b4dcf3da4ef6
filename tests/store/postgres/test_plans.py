"""No hot statement reads the whole table: not a full one, nor one in which nobody has counted yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from windlass.store.postgres.dialect import SQL, respelled
from windlass.store.postgres.store import PostgresStore
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
ENDED = {"now_us": 1, "now": "x", "ids": [7], "attempts": [1], "tokens": [5], "results": [None]}
HOT: dict[str, Any] = {
    "claim_lane": (0, "default", "k1", 100),
    "claim_lanes": LANES,
    "shares": LANES | {"most": 100},
    "settle_many": ENDED,
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
}


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

"""What a cycle asks of PostgreSQL finds its rows by an index, however much waits: nothing is walked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.postgres.plain import Plain
from windlass.store.ledger import Ledger
from windlass.store.postgres.ledger.ground import PostgresGround
from windlass.store.postgres.ledger.statements import LedgerStatements, spelled
from windlass.store.postgres.store import PostgresStore
from windlass.store.relational.ledger.statements import SQL, keyed

pytestmark = pytest.mark.slow

TABLES = """
CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT);
CREATE TABLE numbered (id INT4 PRIMARY KEY, title TEXT);
CREATE TABLE parts (whole UUID, place INT4, title TEXT, PRIMARY KEY (whole, place));
INSERT INTO tasks SELECT 'k' || i, 'title' FROM generate_series(1, 2000) AS i;
INSERT INTO numbered SELECT i, 'title' FROM generate_series(1, 2000) AS i;
INSERT INTO parts SELECT gen_random_uuid(), i, 'title' FROM generate_series(1, 2000) AS i;
"""
FILL = """
INSERT INTO windlass_sync_shadows (resource, key, row, remote_id)
    SELECT 1 + i % 2, to_jsonb('k' || i), '{}', CASE WHEN i % 3 = 0 THEN 'r' || i END
    FROM generate_series(1, 4000) AS i;
INSERT INTO sync_queue
    (id, type, table_name, local_id, resource, key, captured, mutation_id, due_at, hold, status)
    SELECT 'c' || i, 'update', 'tasks', 'k' || i, 1, to_jsonb('k' || i), 1,
        CASE WHEN i % 7 = 0 THEN 'm' || i END, CASE WHEN i % 5 = 0 THEN i ELSE 0 END,
        CASE WHEN i % 11 = 0 THEN 'conflict' END, CASE WHEN i % 13 = 0 THEN 'failed' ELSE 'pending' END
    FROM generate_series(1, 2000) AS i;
INSERT INTO windlass_sync_conflicts (resource, key, raised_at)
    SELECT 1, to_jsonb('k' || i), i FROM generate_series(1, 1000) AS i;
INSERT INTO windlass_sync_arrivals (resource, keys) SELECT 1 + i % 2, '[]' FROM generate_series(1, 1000) AS i;
"""
LANE, SHADOWS = ("windlass_queue_lane", "resource", "key"), ("windlass_sync_shadows_pkey", "resource", "key")
JOURNAL = ("windlass_journal_by_key", "resource")
BY_NAME = ("windlass_sync_resources_name_key", "name")

HOT: dict[str, tuple[Any, tuple[str, ...]]] = {
    "resource": (("tasks",), BY_NAME),
    "resource_held": (("tasks",), BY_NAME),
    "fence": ((1,), ("windlass_sync_resources_pkey", "id")),
    "news": ((), ("windlass_journal_by", "resource")),
    "journal_keys": ((1, 500), ("windlass_journal_pkey",)),
    "journal_moved": (None, ("windlass_journal_by_birth", "resource", "born")),
    "journal_remove": (None, (*JOURNAL, "key")),
    "journal_has": ((1,), ("windlass_journal_by", "resource")),
    "known_journaled": ((1, "k1", "k2"), (*JOURNAL, "key")),
    "known_busy": ((1, "k1", "k2"), LANE),
    "known_disputed": ((1, "k1", "k2"), ("windlass_sync_conflicts_pkey", "resource", "key")),
    "look_mark": ({"resource": 1}, ("windlass_sync_conflicts_pkey", "resource")),
    "changes_of": ((1, "k1", "k2"), LANE),
    "change_remove": ((1, 7), ("sync_queue_pkey", "seq")),
    "change_remove_sealed": ((1, "k1", 7), LANE),
    "change_remove_unsealed": ((1, "k1", 7), LANE),
    "conflicts_of": ((1, "k1", "k2"), ("windlass_sync_conflicts_pkey", "resource", "key")),
    "due": ((1, 5, 100), ("windlass_queue_ready", "resource")),
    "next_due": ((1, 5), ("windlass_queue_waiting", "resource", "due_at")),
    "held": ((1, 0, 100), ("windlass_queue_held", "resource", "seq")),
    "unsent": ((1, "k1", "k2"), LANE),
    "queue_has": ((1,), ("sync_queue", "resource")),
    "adopt": ({"resource": 1, "numeric": 0, "table": "more"}, ("windlass_queue_strange", "table_name")),
    "shadows": ((1, "k1", "k2"), SHADOWS),
    "shadow_remote_ids": ((1, "k1", "k2"), SHADOWS),
    "shadow_keys": ((1, "r1", "r2"), ("windlass_shadows_by_remote_id", "resource", "remote_id")),
    "maps_ids": ((1,), ("windlass_shadows_by_remote_id", "resource")),
    "shadow_remove": ((1, "k1"), SHADOWS),
    "shadow_seen": ((2, 1, "k1", 2), SHADOWS),
    "shadow_taken": (("{}", "v", 1, "k1"), SHADOWS),
    "unseen": ((1, 2, 500), ("windlass_sync_shadows_pkey", "resource")),
    "unseen_after": ((1, "k1", 2, 500), SHADOWS),
    "arrivals": ((1, 7), ("windlass_arrivals_by_resource", "resource", "seq")),
    "batches": ((1,), ("windlass_batches_by_resource", "resource")),
    "batch_remove": ((1,), ("windlass_sync_batches_pkey", "number")),
    "origin": (("memory:",), ("windlass_sync_origins_pkey", "origin")),
    "notes": ((1,), ("windlass_sync_notes_pkey", "resource")),
}
"""Statements of a cycle: values, the index that finds the rows, and the columns it is asked by."""

IN_ORDER = ("journal_keys", "due", "next_due", "held", "unseen", "unseen_after", "arrivals")
"""These are read up to a limit, or in their order: sorting would read everything that waits."""


@pytest.fixture(scope="module")
def full(postgres_module_url: str) -> Iterator[PostgresStore]:
    """A store with much that waits, in tables that nobody has counted."""
    with closing(PostgresStore(postgres_module_url)) as store, Plain.at(postgres_module_url) as db:
        store.migrate()
        db.execute(TABLES)
        for table in ("tasks", "numbered", "parts"):
            store.ledger.install(table, store.ledger.describe(table))
        db.execute(FILL)
        yield store


def plan(connection: LedgerStatements, sql: str, values: Any) -> str:
    statement = spelled(sql)
    named = {f"p{at}": value for at, value in enumerate(values, 1)} if statement.numbered else values
    told: Any = f"EXPLAIN {statement.text}"
    rows = connection.cursor().execute(told, values if isinstance(values, dict) else named)
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("name", HOT)
def test_what_a_cycle_asks_goes_by_an_index(full: PostgresStore, name: str) -> None:
    values, (index, *columns) = HOT[name]
    with ground(full.ledger).reading() as connection:
        if values is None:
            (mark,) = connection.raw.execute("SELECT pg_current_snapshot()::text").fetchone() or ()
            values = (1, '["k1"]', mark) if name == "journal_remove" else (1, mark)
        sql = keyed(name, 2) if ":keys" in SQL[name] else SQL[name]
        found = plan(connection, sql, values)
    assert "Seq Scan" not in found, found
    assert index in found, found
    conditions = " ".join(line for line in found.splitlines() if "Index Cond" in line)
    assert all(column in conditions for column in columns), found
    assert name not in IN_ORDER or "Sort" not in found, found


def ground(ledger: Ledger) -> PostgresGround:
    found = ledger.ground  # type: ignore[attr-defined]
    assert isinstance(found, PostgresGround)
    return found


KEYS: dict[str, list[Any]] = {
    "tasks": ["k1", "k2"],
    "numbered": [1, 2],
    "parts": ['["0d9d4a3e-3b3b-4b6e-9a52-0d6f0d3f4f11",1]'],
}


@pytest.mark.parametrize("table", KEYS)
def test_a_programs_table_is_read_and_written_by_its_primary_key(full: PostgresStore, table: str) -> None:
    with ground(full.ledger).reading() as connection:
        explained = Explained(connection)
        found = full.ledger.resource(connection, table)  # type: ignore[attr-defined]
        found.user_table.rows(explained, KEYS[table])
        found.user_table.remove(explained, KEYS[table])
        first = ("0d9d4a3e-3b3b-4b6e-9a52-0d6f0d3f4f11", 1) if table == "parts" else (KEYS[table][0],)
        found.user_table.page(explained, found.id, first, 100)
    assert len(explained.plans) == 3
    for one in explained.plans:
        assert f"{table}_pkey" in one, one
        assert f"Seq Scan on {table}" not in one, one
    assert "Sort" not in explained.plans[-1], "a page is read in the key's order"


class Explained:
    """A connection that plans what it is asked, and runs nothing."""

    def __init__(self, connection: LedgerStatements) -> None:
        self.plans: list[str] = []
        self._connection = connection

    def run(self, sql: str, parameters: Any = ()) -> Any:
        rows = self._connection.run(f"EXPLAIN {sql}", parameters).fetchall()
        self.plans.append("\n".join(row[0] for row in rows))
        return Nothing()


class Nothing:
    """No rows."""

    rowcount = 0

    def fetchall(self) -> list[Any]:
        return []

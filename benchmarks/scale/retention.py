"""``python -m benchmarks.scale.retention``: what it costs a server to forget finished jobs.

Three ways for the same rows: upkeep deletes them in steps, as it does; they were written to the partition of
their day, which is dropped; and upkeep moves them from the jobs to such a partition, which is dropped later.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from tests.postgres.server import Server
from windlass.store.postgres.store import PostgresStore

_JOBS = "background_service_jobs"
_FILL = """
INSERT INTO background_service_jobs (job_key, payload, status, attempts, result, finished_at, last_attempt_at)
SELECT 'send', '{"order_id": ' || n || ', "email": "somebody@example.com"}', 'COMPLETED', 1, '{"sent": true}',
       1700000000000000 + n, created
FROM generate_series(%(first)s, %(last)s) AS n, (SELECT '2026-01-01T00:00:00.000Z' AS created) AS c
"""
_DAY = f"""
CREATE TABLE finished (LIKE {_JOBS} INCLUDING DEFAULTS) PARTITION BY RANGE (finished_at);
CREATE TABLE finished_day PARTITION OF finished FOR VALUES FROM (0) TO (9000000000000000);
CREATE UNIQUE INDEX ON finished (id, finished_at);
CREATE INDEX ON finished (status, finished_at, id)
"""
_MOVE = f"""
WITH gone AS (
    DELETE FROM {_JOBS} WHERE id IN (
        SELECT id FROM {_JOBS} WHERE status = 'COMPLETED'
        ORDER BY status, finished_at NULLS FIRST, id LIMIT 500)
    RETURNING *)
INSERT INTO finished SELECT * FROM gone
"""
_STAND = """
SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, pg_total_relation_size('background_service_jobs'),
       (SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables
        WHERE relname = 'background_service_jobs')
"""


class _Bench:
    def __init__(self, server: Server, raw: psycopg.Connection[Any]) -> None:
        self._server = server
        self._raw = raw

    def ask(self, sql: str) -> Any:
        return self._raw.execute(sql).fetchone()  # pyright: ignore[reportArgumentType,reportCallIssue]

    def cpu_s(self) -> float:
        """Of the whole server: what ended, and what runs."""
        ticks = 0
        for folder in Path("/proc").iterdir():
            try:
                told = (folder / "stat").read_text().rpartition(")")[2].split()
                if folder.name == str(self._server.pid) or told[1] == str(self._server.pid):
                    ticks += sum(map(int, told[11:15]))
            except (OSError, IndexError):
                continue
        return ticks / os.sysconf("SC_CLK_TCK")

    def measured(self, name: str, rows: int, do: Callable[[], object]) -> None:
        before, began, spent = self.ask(_STAND), time.perf_counter(), self.cpu_s()
        do()
        took, spent = time.perf_counter() - began, self.cpu_s() - spent
        after = self.ask(_STAND)
        told = {
            "what": name,
            "seconds": round(took, 2),
            "server_cpu_s": round(spent, 2),
            "log_bytes_a_row": round(float(after[0] - before[0]) / rows, 1),
            "log_mb": round(float(after[0] - before[0]) / 2**20, 1),
            "jobs_mb": round(after[1] / 2**20, 1),
            "dead_rows": int(after[2]),
        }
        print(json.dumps(told), flush=True)


def main(arguments: list[str]) -> int:
    """Prints a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args(arguments).rows
    settings = {"shared_buffers": "256MB", "max_wal_size": "8GB", "autovacuum": "on"}
    with Server.made(settings=settings) as server, server.database() as name:
        url = server.url(name)
        store = PostgresStore(url)
        store.migrate()
        with psycopg.connect(url, autocommit=True) as raw:
            bench = _Bench(server, raw)

            def fill(first: int) -> None:
                for start in range(first, first + rows, 100_000):
                    last = min(start + 100_000, first + rows) - 1
                    raw.execute(_FILL, {"first": start, "last": last})
                raw.execute(f"VACUUM ANALYZE {_JOBS}")  # pyright: ignore[reportArgumentType,reportCallIssue]

            def prune() -> None:
                while store.prune(older_than_us=0, keep=0):
                    pass

            def move() -> None:
                raw.execute("SET enable_seqscan = off")
                while raw.execute(_MOVE).rowcount:  # pyright: ignore[reportArgumentType,reportCallIssue]
                    pass

            bench.measured("written", rows, lambda: fill(1))
            bench.measured("deleted in steps of 500", rows, prune)
            bench.measured("vacuumed", rows, lambda: raw.execute(f"VACUUM {_JOBS}"))  # type: ignore[arg-type]
            bench.measured("written again, into what was freed", rows, lambda: fill(rows + 1))
            raw.execute(_DAY)
            bench.measured("moved to a partition in steps of 500", rows, move)
            bench.measured("partition dropped", rows, lambda: raw.execute("DROP TABLE finished_day"))
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

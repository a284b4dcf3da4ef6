"""What a real server spends on each thing that Windlass asks of it: processor time and bytes.

Processor time, not time on the clock: so it tells the same on a machine that does something else, too.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import psutil

from benchmarks.scale.model import Costs
from tests.postgres.server import Server
from windlass.outcome import Completed
from windlass.store import open_store
from windlass.store.protocol import Claim, ClaimRequest, Lane, NewJob, Settlement

JOBS, BATCH, ROUNDS = 2000, 20, 5
PAYLOAD = '{"user": 12345, "address": "someone@example.com"}'
LANE = Lane(False, "default", "work")


def measured() -> Costs:
    """Starts a server, and measures: the medians of some rounds. Takes about a minute."""
    settings = {"shared_buffers": "256MB", "max_wal_size": "4GB", "autovacuum": "off"}
    with Server.made(settings=settings) as server, server.database() as name:
        store = open_store(server.url(name))
        try:
            meter = _Meter(server, name, store)
            rounds = [meter.round() for _ in range(ROUNDS)]
        finally:
            store.close()
    return Costs(**{field: median(getattr(one, field) for one in rounds) for field in rounds[0].as_json()})


class _Meter:
    def __init__(self, server: Server, database: str, store: Any) -> None:
        self._server, self._database, self._store = server, database, store
        store.migrate()
        self._owner = store.register(
            host="here", pid=1, lock_file="/nowhere", version="1", mode="service", job_keys=None
        )

    def round(self) -> Costs:
        """One round, from an empty table to an empty table."""
        logged, grown = self._log_position(), self._bytes()
        enqueue_s = self._spent(lambda: self._enqueue(JOBS, 1)) / JOBS
        single_s = self._spent(lambda: self._work(1)) / JOBS
        wal_bytes = (self._log_position() - logged) / JOBS
        row_bytes = (self._bytes() - grown) / JOBS
        self._enqueue(JOBS, 500)
        batched_s = self._spent(lambda: self._work(BATCH)) / (JOBS / BATCH)
        # A turn of one spends t + x, one of twenty t + 20x, where x settles and claims one.
        each_s = max((batched_s - single_s) / (BATCH - 1), 0)
        vacuum_s = self._spent(lambda: self._sql("VACUUM background_service_jobs")) / (2 * JOBS)
        pulse_s = self._spent(lambda: [self._store.pulse(self._owner, "here") for _ in range(JOBS)]) / JOBS
        prune_s = self._spent(self._prune) / (2 * JOBS)
        self._sql("VACUUM FULL background_service_jobs")
        return Costs(
            enqueue_s=enqueue_s, turn_s=max(single_s - each_s, 0), settle_s=each_s / 2, claim_s=each_s / 2,
            pulse_s=pulse_s, prune_s=prune_s, vacuum_s=vacuum_s, wal_bytes=wal_bytes, row_bytes=row_bytes,
        )  # fmt: skip

    def _enqueue(self, jobs: int, at_once: int) -> None:
        for _ in range(jobs // at_once):
            self._store.insert([NewJob(key="work", payload=PAYLOAD)] * at_once)

    def _work(self, batch: int) -> None:
        """Turns, until nothing is left: each settles what the one before has claimed."""
        done: list[Settlement] = []
        request = ClaimRequest(self._owner, batch, {LANE: batch}, lambda _: True)
        while True:
            claimed: list[Claim] = self._store.settle_and_claim(done, request).claimed
            if not (claimed or done):
                return
            done = [Settlement(one.job_id, one.attempt, one.token, Completed(None)) for one in claimed]

    def _prune(self) -> None:
        while self._store.prune(older_than_us=0, keep=0):
            pass

    def _spent(self, do: Callable[[], object]) -> float:
        before = self._processor_s()
        do()
        return self._processor_s() - before

    def _processor_s(self) -> float:
        """Of all the server's processes, those that have ended too."""
        first = psutil.Process(self._server.pid)
        own = first.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for child in first.children():
            used = child.cpu_times()
            total += used.user + used.system
        return total

    def _log_position(self) -> int:
        return int(self._sql("SELECT pg_current_wal_insert_lsn() - '0/0'")[0][0])

    def _bytes(self) -> int:
        return int(self._sql("SELECT pg_total_relation_size('background_service_jobs')")[0][0])

    def _sql(self, sql: str) -> list[tuple[Any, ...]]:
        return self._server.execute(sql, database=self._database)

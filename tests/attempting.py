"""Attempts for tests: a real store, a job really claimed from it, and a performer around a few functions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg

from tests import outsider
from windlass.handlers import Registry
from windlass.job import JobStatus
from windlass.outcome import AnyOutcome
from windlass.store import open_store
from windlass.store.postgres.location import is_postgres
from windlass.store.protocol import Claim, ClaimRequest, Lane, NewJob, Settlement
from windlass.worker.executor import Performer


class Workshop:
    """A database with one dispatcher registered, and the ``Resources`` of its worker."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.store = open_store(database)
        self.store.migrate()
        self.service = RecordingService()
        self.registry = Registry()
        self.performer = Performer(self.registry, self)
        self.progress: list[str] = []
        self.transaction_limit_s = 2.0
        self.owner = self.store.register(
            host="here", pid=1, lock_file="lock", version="test", mode="embedded", job_keys=None
        )

    def open_log(self, claim: Claim) -> None:
        del claim

    def report_progress(self, claim: Claim, progress: str) -> None:
        self.progress.append(progress)

    @property
    def connection_type(self) -> Any:
        """What ``ctx.db`` is here."""
        return psycopg.Connection if is_postgres(self.database) else sqlite3.Connection

    def job(self, fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Registers a function under its own name."""
        if fn is None:
            return lambda given: self.job(given, **options)
        self.registry.add(fn.__name__, fn, **options)
        return fn

    def claim(self, key: str, payload: str | None = "{}", **fields: Any) -> Claim:
        """Inserts a job and claims it."""
        self.store.insert([NewJob(key=key, payload=payload, **fields)])
        request = ClaimRequest(
            owner=self.owner,
            limit=1,
            caps={Lane(False, "default", key): 1},
            accept=lambda claim: True,
        )
        [claim] = self.store.settle_and_claim([], request).claimed
        return claim

    def perform(self, key: str, payload: str | None = "{}", **fields: Any) -> AnyOutcome:
        """Inserts, claims and runs a job; its outcome."""
        return self.performer.perform(self.claim(key, payload, **fields))

    def perform_on_a_loop(self, claim: Claim) -> AnyOutcome:
        """Runs a claimed job as async ones are run."""
        import asyncio

        return asyncio.run(self.performer.aperform(claim))

    def settle(self, claim: Claim, outcome: AnyOutcome) -> bool:
        """Settles as a dispatcher does; False where the attempt was stale."""
        settlement = Settlement(claim.job_id, claim.attempt, claim.token, outcome)
        return not self.store.settle_and_claim([settlement]).stale

    def make_reports_table(self) -> None:
        """A table of the program's own, for handlers to write to."""
        outsider.run(self.database, "CREATE TABLE reports (day TEXT)")

    def reports(self) -> list[str]:
        """What handlers have committed there."""
        return [row[0] for row in outsider.run(self.database, "SELECT day FROM reports ORDER BY day")]

    def status(self, job_id: int) -> JobStatus:
        """Where the job stands in the database."""
        job = self.store.get(job_id)
        assert job is not None
        return job.status

    def close(self) -> None:
        self.store.close()


class RecordingService:
    """The worker's side of the service: keeps what it was told."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.stopped = False

    def on(self, name: str, callback: Callable[[Any], Any]) -> None:
        raise AssertionError("no handler here listens")

    def send(self, name: str, data: Any = None) -> None:
        self.sent.append((name, data))

    def stop(self) -> None:
        self.stopped = True

"""A dispatcher on a thread of the test, over real isolates, on a real database; and a view of it all."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import outsider
from tests.service.waiting import PATIENCE_S, gone, until
from windlass import Job, JobStatus, Windlass
from windlass.clock import Clock, SystemClock
from windlass.handlers import Registry
from windlass.service.traits import traits_of
from windlass.store.postgres.location import is_postgres
from windlass.store.postgres.store import PostgresStore
from windlass.store.sqlite.store import SqliteStore
from windlass.testing import FakeDevice
from windlass.worker.dispatcher import Dispatcher
from windlass.worker.isolates import IsolatePool
from windlass.worker.pool import Pool
from windlass.worker.sources import Source

ROOT = Path(__file__).resolve().parent.parent.parent


class Rig:
    """A database, the programs around it, and the dispatchers that a test starts on it."""

    def __init__(self, folder: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.database = database
        # The isolates' helper apps find the same database and diary; so does this process.
        monkeypatch.setenv("WINDLASS_DATABASE", database)
        monkeypatch.setenv("RIG_FOLDER", str(folder))
        self.app = Windlass(self.database)
        self.app.store.migrate()
        self.jobs = self.app.jobs
        self.queues = self.app.queues
        self.crews: list[Crew] = []
        self.pids: set[int] = set()

    # ── work ───────────────────────────────────────────────────────────────────────────────────
    def enqueue(self, key: str, *, options: dict[str, Any] | None = None, **payload: Any) -> int:
        """Enqueues by key; the job's id."""
        return self.app.enqueue(key, payload, **(options or {})).id

    def enqueue_many(self, key: str, payloads: list[dict[str, Any]]) -> list[int]:
        """Enqueues all in one commit."""
        return [job.id for job in self.app.enqueue_many(key, payloads)]

    def ended(self, *job_ids: int, patience_s: float = PATIENCE_S) -> list[Job]:
        """Those jobs, once all of them are over."""
        for job_id in job_ids:
            self.jobs.wait(job_id, patience_s)
        return [self.job(job_id) for job_id in job_ids]

    def job(self, job_id: int) -> Job:
        """The job as it stands."""
        job = self.jobs.get(job_id)
        assert job is not None
        return job

    def status(self, job_id: int) -> JobStatus:
        """Where the job stands."""
        return self.job(job_id).status

    def outcomes(self, job_id: int) -> list[str]:
        """What the attempts that went wrong came to, oldest first."""
        return [attempt.outcome for attempt in self.jobs.attempts(job_id)]

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """What another program reads in the database, or writes to it."""
        return outsider.run(self.database, statement, *values)

    # ── the diary that handlers write ──────────────────────────────────────────────────────────
    def diary(self, what: str | None = None, name: str | None = None) -> list[dict[str, Any]]:
        """What handlers have written so far."""
        path = Path(self.folder, "diary")
        lines = path.read_text().splitlines() if path.exists() else []
        entries = [json.loads(line) for line in lines]
        return [
            entry
            for entry in entries
            if (what is None or entry["what"] == what) and (name is None or entry["name"] == name)
        ]

    def begun(self, name: str, times: int = 1) -> int:
        """Waits until the handler of that name has started; the process that runs it."""
        return until(lambda: [e["pid"] for e in self.diary("start", name)][times - 1 : times])[0]

    def open(self, name: str) -> None:
        """Opens a gate that handlers wait at."""
        Path(self.folder, f"gate-{name}").touch()

    # ── dispatchers ────────────────────────────────────────────────────────────────────────────
    def crew(self, module: str = "handlers", *, isolates: int = 1, **options: Any) -> Crew:
        """A dispatcher over isolates that load the helper app of that name, ready to work."""
        app = importlib.import_module(f"tests.worker.apps.{module}").app
        app.registry.prepare()
        its_own = ("clock", "job_keys", "poll_s", "busy_timeout_s", "store", "sources", "device")
        dispatcher_options = {name: options.pop(name) for name in its_own if name in options}
        target = f"{ROOT}/tests.worker.apps.{module}:app"
        pool = IsolatePool(target, traits_of(app.registry), count=isolates, **options)
        crew = Crew(self.app.state_dir, self.database, pool, app.registry, **dispatcher_options)
        self.crews.append(crew)
        crew.start()
        until(lambda: crew.failure or len(crew.isolates()) == isolates)
        crew.check()
        self.pids.update(crew.isolates())
        return crew

    def close(self) -> None:
        """Stops everything; fails when a dispatcher had failed, or an isolate is left."""
        for crew in self.crews:
            crew.stop()
        for crew in self.crews:
            crew.store.close()
        self.app.close()
        assert [pid for pid in self.pids if not gone(pid)] == []


class Crew:
    """One dispatcher on a thread, with a store of its own as another process would have it."""

    def __init__(
        self,
        state_dir: Path,
        database: str,
        pool: Pool,
        registry: Registry,
        *,
        clock: Clock | None = None,
        job_keys: tuple[str, ...] | None = (),
        poll_s: float = 0.5,
        busy_timeout_s: float = 10.0,
        store: SqliteStore | PostgresStore | None = None,
        sources: Sequence[Source] = (),
        device: FakeDevice | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.store = store or opened(database, self.clock, busy_timeout_s)
        self.pool = pool
        self.ready = threading.Event()
        self.messages: list[tuple[str, Any]] = []
        self.failure: BaseException | None = None
        self.dispatcher = Dispatcher(
            self.store,
            pool,
            state_dir=state_dir,
            job_keys=registry.keys() if job_keys == () else job_keys,
            version="test",
            clock=self.clock,
            poll_s=poll_s,
            sources=sources,
            open_device=None if device is None else device.open,
            on_message=lambda name, data, _: self.messages.append((name, data)),
            on_ready=self.ready.set,
        )
        self.thread = threading.Thread(target=self._run, name="test-dispatcher")

    def start(self) -> None:
        """Begins, and waits until the first worker is ready."""
        self.thread.start()
        until(lambda: self.ready.is_set() or not self.thread.is_alive())

    def _run(self) -> None:
        try:
            self.dispatcher.run()
        except BaseException as error:  # noqa: BLE001 - told to the test by check()
            self.failure = error

    def isolates(self) -> list[int]:
        """The processes that take jobs now."""
        assert isinstance(self.pool, IsolatePool)
        return [
            child.process.pid
            for child in list(self.pool._children)
            if child.ready and child.process.is_alive and not (child.worn or child.for_suspects)
        ]

    def on_its_thread(self, do: Callable[[], Any]) -> Any:
        """What ``do`` gives on the dispatcher's own thread, between two turns of its loop."""
        answers: list[Any] = []
        self.dispatcher._orders.give(lambda: answers.append(do()))
        until(lambda: answers or not self.thread.is_alive())
        assert answers, "the dispatcher ended before it could do that"
        return answers[0]

    def stop(self, grace_s: float = 0.0) -> None:
        """Ends it, and tells what it had failed with."""
        self.dispatcher.stop(grace_s)
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive(), "the dispatcher does not stop"
        self.check()

    def check(self) -> None:
        """Tells what it failed with, once."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure


def opened(database: str, clock: Clock, busy_timeout_s: float) -> SqliteStore | PostgresStore:
    """A store that waits so long for the locks of others."""
    if is_postgres(database):
        return PostgresStore(database, clock, lock_timeout_s=busy_timeout_s)
    return SqliteStore(database, clock, busy_timeout_s=busy_timeout_s)


@contextmanager
def exclusive(database: str) -> Generator[Any]:
    """Another program that keeps everybody out while the block lasts."""
    with outsider.connected(database, autocommit=True) as connection:
        if is_postgres(database):
            connection.execute("BEGIN")
            connection.execute("LOCK TABLE background_service_jobs IN ACCESS EXCLUSIVE MODE")
        else:
            connection.execute("BEGIN EXCLUSIVE")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")

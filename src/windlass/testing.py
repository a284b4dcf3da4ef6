"""Testing kit: a clock you move, jobs run in the test's own thread, and claims about what was enqueued.

>>> import tempfile
>>> from windlass.app import Windlass
>>> clock = ManualClock()
>>> app = Windlass(tempfile.mkdtemp() + "/app.db", clock=clock)
>>> @app.job
... def remind(who: str) -> str:
...     return f"wake up, {who}"
>>> _ = remind.using(delay="1h").enqueue(who="Ada")
>>> assert_enqueued(app, "remind", who="Ada").priority
0
>>> drain(app)
[]
>>> clock.advance("1h")
>>> [job.result for job in drain(app)]
['wake up, Ada']
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from windlass.app import Windlass
from windlass.clock import from_us, to_wall_us
from windlass.duration import Duration, to_us
from windlass.job import Job, JobStatus
from windlass.store.protocol import Claim, ClaimRequest, ProgressNote, Settlement
from windlass.version import VERSION
from windlass.worker.isolate import WorkerService
from windlass.worker.lease import Lease
from windlass.worker.sources import Source

__all__ = ["ManualClock", "assert_enqueued", "drain", "enqueued", "inline", "refute_enqueued"]


class ManualClock:
    """A clock that stands still until it is moved. Pass it as ``Windlass(..., clock=clock)``."""

    def __init__(self, now: datetime | None = None) -> None:
        self._wall_us = to_wall_us(now or datetime(2026, 1, 1, tzinfo=UTC))
        self._boot_us = 1_000_000_000
        self._boots = 1

    @property
    def now(self) -> datetime:
        """What the wall clock shows, in UTC."""
        return from_us(self._wall_us)

    def advance(self, span: Duration) -> None:
        """Lets time pass."""
        span_us = to_us(span, name="span")
        self._wall_us += span_us
        self._boot_us += span_us

    def jump(self, to: datetime) -> None:
        """Sets the wall clock, forward or back, while no time passes."""
        self._wall_us = to_wall_us(to)

    def reboot(self) -> None:
        """Restarts the machine: the boot clock begins again."""
        self._boots += 1
        self._boot_us = 0

    def wall_us(self) -> int:
        return self._wall_us

    def boot_us(self) -> int:
        return self._boot_us

    def boot_id(self) -> str:
        return f"manual-boot-{self._boots}"


def drain(app: Windlass, *, limit: int = 10_000) -> list[Job]:
    """Runs what is due, one job after another in this thread, until nothing is; the jobs as they then stand.

    Jobs that they enqueue run, too, and those that schedules and sync make by now. Paused queues stay paused.
    Handlers of every kind run here, in process.

    Raises:
        RuntimeError: more than ``limit`` runs: something enqueues itself for ever.
    """
    store = app.store
    service = _Recorder()
    lease = Lease(app.state_dir / "dispatchers", app.clock)
    lease.take()
    owner = store.register(
        host=socket.gethostname(), pid=os.getpid(), lock_file=str(lease.path), version=VERSION, mode="drain",
        job_keys=app.registry.keys(),
    )  # fmt: skip

    def report(claim: Claim, progress: str) -> None:
        note = ProgressNote(claim.job_id, claim.attempt, claim.token, progress)
        store.settle_and_claim([], None, [note])

    performer = app.make_performer(service, report)
    sources = app.make_sources()
    ran: dict[int, None] = {}
    runs = 0
    try:
        while (claim := _claim(app, owner) or _claim_made(app, owner, sources)) is not None:
            runs += 1
            if runs > limit:
                raise RuntimeError(
                    f"drain ran {limit} jobs and there are more: does one enqueue itself for ever?"
                )
            outcome = performer.perform(claim)
            store.settle_and_claim([Settlement(claim.job_id, claim.attempt, claim.token, outcome)])
            ran[claim.job_id] = None
    finally:
        store.reclaim(owner)
        store.unregister(owner)
        lease.give_up()
    return [job for job_id in ran if (job := store.get(job_id)) is not None]


@contextmanager
def inline(app: Windlass) -> Generator[None]:
    """Runs each job inside the enqueue that makes it, while the block lasts; delayed ones wait for ``drain``.

    A job enqueued on a caller's connection runs at the next enqueue or ``drain``, once it is committed.
    """
    client = app.client
    wanted = threading.Semaphore(0)
    drains = threading.Lock()

    def run() -> None:
        wanted.release()
        # A handler's own enqueue, on whatever thread, is left to the drain that runs the handler.
        while wanted.acquire(blocking=False):
            if drains.acquire(blocking=False):
                try:
                    drain(app)
                finally:
                    drains.release()
            else:
                wanted.release()
                if drains.locked():
                    return

    before, client.submitted = client.submitted, run
    try:
        yield
    finally:
        client.submitted = before


def enqueued(app: Windlass, key: str | None = None, **fields: Any) -> list[Job]:
    """The jobs that wait, oldest first, of that key and with those payload fields."""
    waiting = app.jobs.list(status=JobStatus.PENDING, key=key, order="id", limit=100_000)
    return [
        job
        for job in waiting
        if all((job.payload or {}).get(name) == value for name, value in fields.items())
    ]


def assert_enqueued(app: Windlass, key: str, *, count: int | None = None, **fields: Any) -> Job:
    """Asserts that a job of that key waits, with those payload fields; returns the newest one.

    ``count``: exactly so many.
    """
    found = enqueued(app, key, **fields)
    if not found or (count is not None and len(found) != count):
        wanted = f"{'a job' if count is None else count} {key!r} with {fields}"
        there = [f"{job.key}({job.payload})" for job in enqueued(app)][-10:] or ["nothing"]
        raise AssertionError(
            f"expected {wanted} to be enqueued, found {len(found)}; waiting are: {', '.join(there)}"
        )
    return found[-1]


def refute_enqueued(app: Windlass, key: str, **fields: Any) -> None:
    """Asserts that no job of that key with those payload fields waits."""
    found = enqueued(app, key, **fields)
    if found:
        raise AssertionError(
            f"expected no {key!r} with {fields} to be enqueued, found {len(found)}: {found[-1]}"
        )


def _claim(app: Windlass, owner: int) -> Claim | None:
    store = app.store
    store.promote()
    known = app.registry.keys()
    lanes = [lane for lane in store.lanes() if known is None or lane.key in known]
    request = ClaimRequest(owner, 1, dict.fromkeys(lanes, 1), _accept_any)
    claimed = store.settle_and_claim([], request).claimed
    return claimed[0] if claimed else None


def _claim_made(app: Windlass, owner: int, sources: Sequence[Source]) -> Claim | None:
    for source in sources:
        source.look()
    return _claim(app, owner)


def _accept_any(_: Claim) -> bool:
    return True


class _Recorder(WorkerService):
    """The service of a drain: what handlers send out goes nowhere."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)

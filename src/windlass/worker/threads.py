"""The pool of the embedded mode: threads of this process for sync handlers, one event loop for async ones."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from windlass.clock import monotonic, stopwatch_ns
from windlass.context import Service, StopReason
from windlass.context.joblog import fields_of
from windlass.context.kept import LogBook
from windlass.outcome import AnyOutcome, Failed, Released
from windlass.store.protocol import Claim, Lane
from windlass.target import PerformerLike
from windlass.worker.alone import Alone
from windlass.worker.estimate import AHEAD_US, Estimates
from windlass.worker.eventloop import EventLoop
from windlass.worker.isolate import FAREWELL_S
from windlass.worker.isolates import OVERDUE_S, QUEUE_MOST
from windlass.worker.local import Asks, LocalService, News
from windlass.worker.pool import Inbox
from windlass.worker.slots import LATE, Yields
from windlass.worker.stopped import stopped
from windlass.worker.traits import TraitsOf

log = logging.getLogger("windlass.worker")

_CLEANUP_S = 1.0
_SUSPECT_WAITS_S = 2.0
"""So long a suspect waits for the threads to come free; then it runs beside others."""


class MakePerformer(Protocol):
    """Builds the performer from the service, the function that takes progress, and where logs are kept."""

    def __call__(
        self, service: Service, report_progress: Callable[[Claim, str], None], logs: LogBook | None = None, /
    ) -> PerformerLike:
        """Once for each pool."""
        ...


class ThreadPool:
    """Runs handlers in this process. A thread cannot be killed: timeouts and cancellations only ask."""

    def __init__(
        self,
        make_performer: MakePerformer,
        traits: TraitsOf,
        *,
        threads: int = 4,
        async_concurrency: int = 32,
        on_start: Callable[[LocalService], None] | None = None,
    ) -> None:
        self._make_performer = make_performer
        self._traits = traits
        self._threads = threads
        self._async_concurrency = async_concurrency
        self._on_start = on_start
        self._news = News()
        self._logs = LogBook(self._news.logged)
        self._queue: queue.SimpleQueue[Claim | None] = queue.SimpleQueue()
        self._placed: list[tuple[Claim, bool]] = []
        self._rooms: dict[str, int] = {}
        """For each sync key of this turn: how many may come."""
        self._sync: dict[int, Claim] = {}
        self._async: dict[int, Claim] = {}
        self._deadlines: dict[int, float] = {}
        self._estimates = Estimates()
        self._yields = Yields()
        self._unmeasured: set[int] = set()
        self._started = 0
        self._leaving = 0
        """Threads that are to end, and have not been told yet."""
        self._stuck = False
        self._moved_at = 0.0
        self._alone = Alone(_SUSPECT_WAITS_S)
        self._stopping = False
        self._killed = False
        self._loop = EventLoop()
        self._pid = os.getpid()

    # ── life ───────────────────────────────────────────────────────────────────────────────────
    def start(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._service = LocalService(self._news)
        self._performer = self._make_performer(self._service, self._news.progressed, self._logs)
        self._asks = Asks(self._performer)
        if self._on_start is not None:
            self._on_start(self._service)
        self._start_threads(self._threads)
        inbox.ready()

    def _start_threads(self, count: int) -> None:
        for _ in range(count):
            self._started += 1
            threading.Thread(target=self._work, name=f"windlass-{self._started}", daemon=True).start()

    def scale(self, count: int) -> None:
        more, self._threads = count - self._threads, count
        self._start_threads(more)
        for _ in range(-more):
            self._leaving += 1
            self._queue.put(None)
        self._inbox.ready()

    def filenos(self) -> Sequence[int]:
        return [self._news.fileno()]

    def held(self) -> list[int]:
        return [*self._sync, *self._async]

    def stop(self, *, interrupt: bool) -> None:
        self._stopping = True
        for job_id in self.held():
            self._asks.ask(job_id, "shutdown", interrupt=interrupt)

    def kill(self) -> None:
        if self._killed:
            return
        self._killed = self._stopping = True
        self.recall()
        for _ in range(self._threads):
            self._queue.put(None)
        # What is interrupted only now has a moment to clean up, and its outcome is heard.
        self._loop.close(_CLEANUP_S if self._async else 0.0)
        self._news.deliver(self._inbox)
        # A thread cannot be ended from outside: its job goes back, and its late result will be discarded.
        for claim in (*self._sync.values(), *self._async.values()):
            self._tell_log(self._inbox, claim)
            self._inbox.settled(claim, Released("the service stopped"))
        self._performer.close(FAREWELL_S)
        self._logs.end()
        self._sync.clear()
        self._async.clear()
        self._news.close()

    # ── placing ────────────────────────────────────────────────────────────────────────────────
    def cap(self, lane: Lane) -> int:
        traits = self._traits(lane.key)
        if traits is None or self._stopping:
            return 0
        if traits.is_async:
            room = max(self._async_concurrency - len(self._async), 0)
        else:
            room = self._rooms[lane.key] = self._sync_room(self._estimates.of(lane.key))
        return self._alone.cap(lane, held=len(self._sync) + len(self._async), room=room)

    def place(self, claim: Claim) -> bool:
        traits = self._traits(claim.key)
        if traits is None or not self._alone.admits(claim, held=len(self._sync) + len(self._async)):
            return False
        if traits.is_async:
            if len(self._async) >= self._async_concurrency:
                return False
            self._async[claim.job_id] = claim
        else:
            # As it was asked for this turn, less what has come since, of whatever key.
            if self._rooms[claim.key] <= len(self._placed):
                return False
            if claim.start_by_us is not None:
                # What is under a rate starts at once or not at all.
                self._yields.told(came_in=len(self._sync) < self._threads)
                if self._yields:
                    return False
            self._sync[claim.job_id] = claim
            if self._estimates.of(claim.key) is None:
                self._unmeasured.add(claim.job_id)
        timeout_us = claim.timeout_us if claim.timeout_us is not None else traits.timeout_us
        if timeout_us is not None:
            self._deadlines[claim.job_id] = monotonic() + timeout_us / 1_000_000
        self._alone.placed(claim)
        self._placed.append((claim, traits.is_async))
        return True

    def unplace(self) -> None:
        for claim, _ in self._placed:
            self._over(claim)
        self._placed.clear()
        self._rooms.clear()

    def flush(self) -> None:
        placed, self._placed = self._placed, []
        self._rooms.clear()
        if not self._waiting:
            self._moved_at = monotonic()
        for claim, is_async in placed:
            if is_async:
                self._loop.run(self._perform_async(claim))
            else:
                self._queue.put(claim)

    def _sync_room(self, estimate_us: float | None) -> int:
        held, waiting = len(self._sync), self._waiting
        free = self._threads - held
        # Ahead of time only where some thread is known to come free soon.
        turning_over = self._threads - len(self._unmeasured)
        if estimate_us is None or self._stuck or turning_over <= 0 or self._yields:
            return free
        return max(free, min(int(AHEAD_US * turning_over / estimate_us), QUEUE_MOST) - waiting)

    # ── running ────────────────────────────────────────────────────────────────────────────────
    def _work(self) -> None:
        take, perform, clock = self._queue.get, self._performer.perform, stopwatch_ns
        while (claim := take()) is not None:
            began, took_us = clock(), None
            try:
                outcome = perform(claim)
            except BaseException as error:
                # Nothing a handler does gets here; a fault of ours must not take thread and job with it.
                log.exception("job %d could not be performed", claim.job_id, extra=fields_of(claim))
                outcome = Failed(f"Windlass could not perform it: {type(error).__name__}: {error}")
            if outcome != LATE:
                took_us = (clock() - began) // 1000
                self._estimates.learn(claim.key, took_us)
            self._tell(claim, outcome, took_us)
        self._news.tell(self._left)

    def _left(self, inbox: Inbox) -> None:
        del inbox
        self._leaving -= 1

    async def _perform_async(self, claim: Claim) -> None:
        began = stopwatch_ns()
        outcome = await self._performer.aperform(claim)
        self._tell(claim, outcome, (stopwatch_ns() - began) // 1000)

    def _tell(self, claim: Claim, outcome: AnyOutcome, took_us: int | None) -> None:
        if os.getpid() != self._pid:
            os.write(2, b"windlass: a handler forked, and its child returned: end it with os._exit()\n")
            os._exit(1)
        self._news.tell(self._settled, claim, outcome, took_us)

    # ── hearing and minding ────────────────────────────────────────────────────────────────────
    def collect(self) -> None:
        self._news.deliver(self._inbox)

    def _settled(self, inbox: Inbox, claim: Claim, outcome: AnyOutcome, took_us: int | None) -> None:
        if self._over(claim):
            self._tell_log(inbox, claim)
            inbox.settled(claim, outcome, took_us)

    def _tell_log(self, inbox: Inbox, claim: Claim) -> None:
        chunk = self._logs.close(claim)
        if chunk is not None:
            inbox.logged(chunk)

    def _over(self, claim: Claim) -> bool:
        """Notes that a job is over; False where nobody waits for it any more."""
        job_id = claim.job_id
        held = self._sync if job_id in self._sync else self._async
        if held.get(job_id) is not claim:
            return False
        del held[job_id]
        if self._deadlines:
            self._deadlines.pop(job_id, None)
        self._asks.over(job_id)
        self._alone.gone(claim)
        if held is self._sync:
            self._unmeasured.discard(job_id)
            self._moved_at = monotonic()
            self._stuck = False
        return True

    def tick(self, now: float) -> float | None:
        wishes: list[float | None] = [self._asks.again(now)]
        if self._waiting:
            if now >= self._moved_at + OVERDUE_S:
                # Every thread is busy with something that takes long after all.
                self._release(self._take_back(), "recalled: what runs takes long")
                self._stuck = True
            else:
                wishes.append(self._moved_at + OVERDUE_S)
        for job_id, deadline in list(self._deadlines.items()):
            if now >= deadline:
                del self._deadlines[job_id]
                self._asks.ask(job_id, "timeout", interrupt=True)
            else:
                wishes.append(deadline)
        changed, wish = self._alone.tick(now, held=len(self._sync) + len(self._async))
        if changed:
            self._inbox.ready()
        return min((wish for wish in (*wishes, wish) if wish is not None), default=None)

    def recall(self) -> None:
        self._release(self._take_back(), "recalled before it started")

    def cancel(self, job_id: int, reason: StopReason) -> None:
        taken = self._take_back()
        for claim in taken:
            if claim.job_id == job_id:
                self._inbox.settled(claim, stopped(reason, "before it started"))
        self._release([claim for claim in taken if claim.job_id != job_id], "recalled before it started")
        if job_id in self._sync or job_id in self._async:
            self._asks.ask(job_id, reason, interrupt=True)

    def _release(self, claims: Sequence[Claim], reason: str) -> None:
        for claim in claims:
            self._inbox.settled(claim, Released(reason))

    def broadcast(self, name: str, data: Any, request_id: int | None) -> None:
        self._service.deliver(name, data, request_id)

    def _take_back(self) -> list[Claim]:
        found: list[Claim | None] = []
        with suppress(queue.Empty):  # all there was
            while True:
                found.append(self._queue.get_nowait())
        taken = [claim for claim in found if claim is not None]
        for claim in taken:
            self._over(claim)
        for _ in range(len(found) - len(taken)):
            self._queue.put(None)
        return taken

    @property
    def _waiting(self) -> int:
        return max(self._queue.qsize() - self._leaving, 0)

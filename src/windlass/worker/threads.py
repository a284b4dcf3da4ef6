"""The pool of the embedded mode: threads of this process for sync handlers, one event loop for async ones."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from windlass.clock import monotonic, stopwatch_ns
from windlass.context import Service, StopReason
from windlass.outcome import AnyOutcome, Cancelled, Failed, Released
from windlass.store.protocol import Claim, Lane
from windlass.target import PerformerLike
from windlass.worker.estimate import AHEAD_US, Estimates
from windlass.worker.isolates import OVERDUE_S, QUEUE_MOST
from windlass.worker.local import LocalService, News
from windlass.worker.pool import Inbox
from windlass.worker.traits import TraitsOf

log = logging.getLogger("windlass.worker")

MakePerformer = Callable[[Service, Callable[[Claim, str], None]], PerformerLike]
"""Builds the performer from the service and the function that takes progress."""


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
        self._queue: queue.SimpleQueue[Claim | None] = queue.SimpleQueue()
        self._placed: list[tuple[Claim, bool]] = []
        self._sync: dict[int, Claim] = {}
        self._async: dict[int, Claim] = {}
        self._deadlines: dict[int, float] = {}
        self._estimates = Estimates()
        self._finished_at = 0.0
        self._stopping = False
        self._killed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    # ── life ───────────────────────────────────────────────────────────────────────────────────
    def start(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._service = LocalService(self._news)
        self._performer = self._make_performer(self._service, self._news.progressed)
        if self._on_start is not None:
            self._on_start(self._service)
        for number in range(self._threads):
            threading.Thread(target=self._work, name=f"windlass-{number}", daemon=True).start()
        inbox.ready()

    def filenos(self) -> Sequence[int]:
        return [self._news.fileno()]

    def held(self) -> list[int]:
        return [*self._sync, *self._async]

    def stop(self, reason: StopReason) -> None:
        self._stopping = True
        for job_id in self.held():
            self._performer.cancel(job_id, reason)

    def kill(self) -> None:
        if self._killed:
            return
        self._killed = self._stopping = True
        self.recall()
        for _ in range(self._threads):
            self._queue.put(None)
        self._news.deliver(self._inbox)
        # A thread cannot be ended from outside: its job goes back, and its late result will be discarded.
        for claim in (*self._sync.values(), *self._async.values()):
            self._inbox.settled(claim, Released("the service stopped"))
        self._sync.clear()
        self._async.clear()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None
        self._news.close()

    # ── placing ────────────────────────────────────────────────────────────────────────────────
    def cap(self, lane: Lane) -> int:
        traits = self._traits(lane.key)
        if traits is None or self._stopping:
            return 0
        if traits.is_async:
            return max(self._async_concurrency - len(self._async), 0)
        return self._sync_room(self._estimates.of(lane.key))

    def place(self, claim: Claim) -> bool:
        traits = self._traits(claim.key)
        if traits is None:
            return False
        estimate_us = self._estimates.of(claim.key)
        if traits.is_async:
            if len(self._async) >= self._async_concurrency:
                return False
            self._async[claim.job_id] = claim
        else:
            if self._sync_room(estimate_us) <= 0:
                return False
            self._sync[claim.job_id] = claim
        timeout_us = claim.timeout_us if claim.timeout_us is not None else traits.timeout_us
        if timeout_us is not None:
            self._deadlines[claim.job_id] = monotonic() + timeout_us / 1_000_000
        self._placed.append((claim, traits.is_async))
        return True

    def unplace(self) -> None:
        for claim, is_async in self._placed:
            (self._async if is_async else self._sync).pop(claim.job_id, None)
            self._deadlines.pop(claim.job_id, None)
        self._placed.clear()

    def flush(self) -> None:
        placed, self._placed = self._placed, []
        if placed and not self._sync:
            self._finished_at = monotonic()
        for claim, is_async in placed:
            if is_async:
                asyncio.run_coroutine_threadsafe(self._perform_async(claim), self._running_loop())
            else:
                self._queue.put(claim)

    def _sync_room(self, estimate_us: float | None) -> int:
        held, waiting = len(self._sync), self._queue.qsize() + len(self._placed)
        if estimate_us is None:
            return self._threads - held
        ahead = min(int(AHEAD_US * self._threads / estimate_us), QUEUE_MOST)
        return max(self._threads - held, ahead - waiting)

    # ── running ────────────────────────────────────────────────────────────────────────────────
    def _work(self) -> None:
        take, perform, clock = self._queue.get, self._performer.perform, stopwatch_ns
        while (claim := take()) is not None:
            began = clock()
            try:
                outcome = perform(claim)
            except BaseException as error:
                # Nothing a handler does gets here; a fault of ours must not take thread and job with it.
                log.exception("job %d could not be performed", claim.job_id)
                outcome = Failed(f"Windlass could not perform it: {type(error).__name__}: {error}")
            self._estimates.learn(claim.key, (clock() - began) / 1000)
            self._tell(claim, outcome)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="windlass-async", daemon=True).start()
        return self._loop

    async def _perform_async(self, claim: Claim) -> None:
        outcome = await self._performer.aperform(claim)
        self._tell(claim, outcome)

    def _tell(self, claim: Claim, outcome: AnyOutcome) -> None:
        self._news.tell(lambda inbox: inbox.settled(claim, outcome) if self._over(claim) else None)

    # ── hearing and minding ────────────────────────────────────────────────────────────────────
    def collect(self) -> None:
        self._news.deliver(self._inbox)

    def _over(self, claim: Claim) -> bool:
        """Notes that a job is over; False where nobody waits for it any more."""
        held = self._sync if claim.job_id in self._sync else self._async
        if held.get(claim.job_id) is not claim:
            return False
        del held[claim.job_id]
        self._deadlines.pop(claim.job_id, None)
        if held is self._sync:
            self._finished_at = monotonic()
        return True

    def tick(self, now: float) -> float | None:
        wishes: list[float] = []
        if self._queue.qsize():
            stuck_at = self._finished_at + OVERDUE_S
            if now >= stuck_at:
                self.recall()
            else:
                wishes.append(stuck_at)
        for job_id, deadline in list(self._deadlines.items()):
            if now >= deadline:
                del self._deadlines[job_id]
                self._performer.cancel(job_id, "timeout")
            else:
                wishes.append(deadline)
        return min(wishes, default=None)

    def recall(self) -> None:
        for claim in self._take_back():
            self._inbox.settled(claim, Released("recalled before it started"))

    def cancel(self, job_id: int, reason: StopReason) -> None:
        for claim in self._take_back():
            gone = claim.job_id == job_id
            self._inbox.settled(claim, Cancelled(reason) if gone else Released("recalled before it started"))
        self._performer.cancel(job_id, reason)

    def broadcast(self, name: str, data: Any, request_id: int | None) -> None:
        self._service.deliver(name, data, request_id)

    def _take_back(self) -> list[Claim]:
        taken: list[Claim] = []
        while True:
            try:
                claim = self._queue.get_nowait()
            except queue.Empty:
                return taken
            if claim is not None:
                self._over(claim)
                taken.append(claim)

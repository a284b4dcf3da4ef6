"""The pool of isolates: places jobs, minds deaths, timeouts and recalls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from windlass.clock import monotonic
from windlass.context import StopReason
from windlass.outcome import AnyOutcome, Cancelled, Crashed, Released
from windlass.store.protocol import Claim, Lane
from windlass.worker.child import Child
from windlass.worker.estimate import AHEAD_US, Estimates
from windlass.worker.pool import Inbox
from windlass.worker.timeouts import timed_out
from windlass.worker.traits import TraitsOf

log = logging.getLogger("windlass.worker")

OVERDUE_S = 0.01
"""A job that runs this much longer than jobs behind it may wait: those go back, for whoever is free."""
QUEUE_MOST = 200
_YOUNG_DEATHS_ALLOWED = 3


class IsolatePool:
    """Child processes that run handlers: one sync job at a time each, and async ones beside it."""

    def __init__(
        self,
        target: str,
        traits: TraitsOf,
        *,
        count: int,
        async_concurrency: int = 32,
        cancel_grace_s: float = 5.0,
        recycle_after_jobs: int | None = None,
        recycle_memory_mb: int | None = None,
    ) -> None:
        self._target = target
        self._traits = traits
        self._count = count
        self._async_concurrency = async_concurrency
        self._cancel_grace_s = cancel_grace_s
        self._recycle_after_jobs = recycle_after_jobs
        self._recycle_memory_mb = recycle_memory_mb
        self._children: list[Child] = []
        self._estimates = Estimates()
        self._young_deaths = 0
        self._stopping = False
        self._respawn_at = 0.0

    # ── life ───────────────────────────────────────────────────────────────────────────────────
    def start(self, inbox: Inbox) -> None:
        self._inbox = inbox
        for _ in range(self._count):
            self._children.append(Child(self._target))

    def filenos(self) -> Sequence[int]:
        return [fileno for child in self._children for fileno in child.filenos()]

    def pids(self) -> list[int]:
        """The process ids of the isolates."""
        return [child.pid for child in self._children]

    def held(self) -> list[int]:
        return [claim.job_id for child in self._children for claim in child.claims()]

    def stop(self, reason: StopReason) -> None:
        self._stopping = True
        for child in self._children:
            child.tell(["stop", reason])

    def kill(self) -> None:
        self._stopping = True
        for child in self._children:
            self._bury(child, _stopped)
        self._children.clear()

    # ── placing ────────────────────────────────────────────────────────────────────────────────
    def cap(self, lane: Lane) -> int:
        traits = self._traits(lane.key)
        if traits is None or self._stopping:
            return 0
        if lane.alone:
            free = sum(child.is_free for child in self._children)
            if not free:
                self._reserve_one()
            return free
        if traits.is_async:
            return sum(self._async_room(child) for child in self._children)
        took_us = self._estimates.of(lane.key)
        if took_us is None:
            return sum(self._is_open(child) for child in self._children)
        return sum(self._sync_room(child, took_us) for child in self._children)

    def place(self, claim: Claim) -> bool:
        traits = self._traits(claim.key)
        if traits is None:
            return False
        if claim.alone:
            child = next((child for child in self._children if child.is_free), None)
        elif traits.is_async:
            child = max(self._children, key=self._async_room, default=None)
            child = child if child is not None and self._async_room(child) > 0 else None
        else:
            child = min(
                (child for child in self._children if self._is_open(child)), key=_backlog, default=None
            )
        if child is None:
            return False
        timeout_us = claim.timeout_us if claim.timeout_us is not None else traits.timeout_us
        child.place(claim, self._estimates.of(claim.key), timeout_us=timeout_us, is_async=traits.is_async)
        return True

    def flush(self) -> None:
        for child in self._children:
            child.flush()

    def unplace(self) -> None:
        for child in self._children:
            child.unplace()

    def _is_open(self, child: Child) -> bool:
        """May a sync job be put there, to start within the time that may be handed out ahead?"""
        return (
            child.takes_work
            and not child.has_unmeasured
            and child.backlog_us < AHEAD_US
            and child.queued < QUEUE_MOST
        )

    def _sync_room(self, child: Child, took_us: float) -> int:
        if not self._is_open(child):
            return 0
        return max(min(int((AHEAD_US - child.backlog_us) / took_us), QUEUE_MOST - child.queued), 1)

    def _async_room(self, child: Child) -> int:
        return max(self._async_concurrency - child.async_count, 0) if child.takes_work else 0

    def _reserve_one(self) -> None:
        # A suspect waits for an isolate to itself: without this, one that is always busy never comes free.
        if not any(child.reserved for child in self._children):
            candidates = [child for child in self._children if child.takes_work]
            if candidates:
                min(candidates, key=_backlog).reserved = True

    # ── hearing ────────────────────────────────────────────────────────────────────────────────
    def collect(self) -> None:
        for child in list(self._children):
            # Messages first: a job's last progress comes before its result.
            for message in child.messages():
                self._hear(child, message)
            for claim, result in child.results():
                self._estimates.learn(claim.key, result.took_us)
                self._inbox.settled(claim, result.outcome)
            if not child.is_alive:
                self._died(child)
            elif child.is_idle and self._is_worn(child):
                child.retire()

    def _hear(self, child: Child, message: list[Any]) -> None:
        match message:
            case ["ready"]:
                child.ready = True
                self._inbox.ready()
            case ["failed", reason]:
                self._inbox.failed(reason)
            case ["started", job_id, token]:
                child.started(job_id, token)
            case ["progress", job_id, token, progress]:
                claim = child.claim_of(job_id, token)
                if claim is not None:
                    self._inbox.progressed(claim, progress)
            case ["message", name, data, request_id]:
                self._inbox.message(name, data, request_id)
            case ["stop"]:
                self._inbox.stop_asked()
            case _:
                log.error("isolate %d said something unknown: %r", child.pid, message[:1])

    # ── minding ────────────────────────────────────────────────────────────────────────────────
    def tick(self, now: float) -> float | None:
        wishes: list[float] = []
        for child in list(self._children):
            overrun = child.overrun(now)
            if overrun is not None:
                self._overran(child, overrun)
                continue
            stuck_at = child.head_since + OVERDUE_S
            if child.behind_head and now >= stuck_at:
                self._take_back(child)
            elif child.behind_head:
                wishes.append(stuck_at)
            if child.next_deadline is not None:
                wishes.append(child.next_deadline)
        if len(self._children) < self._count and not self._stopping:
            if now >= self._respawn_at:
                self._children.append(Child(self._target))
            else:
                wishes.append(self._respawn_at)
        return min(wishes, default=None)

    def recall(self) -> None:
        for child in self._children:
            for claim in child.recall():
                self._inbox.settled(claim, Released("recalled before it started"))

    def cancel(self, job_id: int, reason: StopReason) -> None:
        for child in self._children:
            for claim in child.claims():
                if claim.job_id != job_id:
                    continue
                for taken in child.recall():
                    gone = taken.job_id == job_id
                    self._inbox.settled(
                        taken, Cancelled(reason) if gone else Released("recalled before it started")
                    )
                if child.claim_of(job_id, claim.token) is not None:
                    child.tell(["cancel", job_id, reason])
                    child.end_by(claim, monotonic() + self._cancel_grace_s, cancelled=True)
                return

    def broadcast(self, name: str, data: Any, request_id: int | None) -> None:
        for child in self._children:
            child.tell(["message", name, data, request_id])

    def _take_back(self, child: Child) -> None:
        head = child.head
        if head is not None:
            self._estimates.forget(head.key)
        for claim in child.recall():
            self._inbox.settled(claim, Released("recalled: the job before it takes long"))

    def _overran(self, child: Child, culprit: Claim) -> None:
        cancelled = child.is_cancelled(culprit)
        what = "ignored its cancellation" if cancelled else "ran into its timeout"
        log.warning("job %d (%s) %s; its isolate %d is killed", culprit.job_id, culprit.key, what, child.pid)
        verdict = (
            Cancelled("cancelled, and killed since it did not stop")
            if cancelled
            else timed_out(culprit, self._traits)
        )
        # The others in there are innocent: they go back as they were.
        innocent = Released("its isolate was killed for another job")
        self._bury(child, lambda claim: verdict if claim is culprit else innocent)
        self._children.remove(child)

    def _died(self, child: Child) -> None:
        started = child.started_claims()
        status = child.exit_status()
        if not child.retired:
            log.warning("isolate %d %s with %d started jobs", child.pid, status, len(started))
        sole = len(started) == 1
        doomed = {(claim.job_id, claim.token) for claim in started}

        def verdict(claim: Claim) -> Crashed | Released:
            if (claim.job_id, claim.token) in doomed:
                return Crashed(f"the process that ran it {status}", sole=sole)
            return Released("its isolate died before it started")

        if not child.ready and not self._stopping:
            self._young_deaths += 1
            self._respawn_at = monotonic() + 0.2 * 2**self._young_deaths
            if self._young_deaths >= _YOUNG_DEATHS_ALLOWED:
                self._inbox.failed(f"isolates die while they start: the last one {status}")
        elif child.ready:
            self._young_deaths = 0
        self._bury(child, verdict)
        self._children.remove(child)

    def _bury(self, child: Child, verdict: Callable[[Claim], AnyOutcome]) -> None:
        child.kill()
        for message in child.messages():
            self._hear(child, message)
        for claim, result in child.results():
            self._inbox.settled(claim, result.outcome)
        for claim in child.claims():
            self._inbox.settled(claim, verdict(claim))
        child.close()

    def _is_worn(self, child: Child) -> bool:
        if child.retired:
            return False
        if self._recycle_after_jobs is not None and child.done >= self._recycle_after_jobs:
            return True
        return (
            self._recycle_memory_mb is not None
            and child.done % 64 == 1
            and child.memory_mb() > self._recycle_memory_mb
        )


def _stopped(claim: Claim) -> Released:
    return Released("the service stopped", alone=claim.alone)


def _backlog(child: Child) -> float:
    return child.backlog_us

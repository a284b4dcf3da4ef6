"""The pool of isolates: places jobs, minds deaths, timeouts and recalls."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from windlass.clock import monotonic
from windlass.context import StopReason
from windlass.outcome import AnyOutcome, Crashed, Released
from windlass.store.protocol import Claim, Lane
from windlass.worker.alone import ALONE_MOST_S
from windlass.worker.child import Child, part_from
from windlass.worker.estimate import AHEAD_US, Estimates
from windlass.worker.given import Given
from windlass.worker.pool import Inbox
from windlass.worker.slots import LATE, Yields
from windlass.worker.stopped import stopped
from windlass.worker.timeouts import timed_out
from windlass.worker.traits import TraitsOf

log = logging.getLogger("windlass.worker")

OVERDUE_S = 0.01
"""A job that runs so much longer than jobs behind it may wait sends those back, for whoever is free."""
LOOP_OVERDUE_S = 0.1
"""An event loop that starts nothing for this long is blocked: what it has not started goes back."""
QUEUE_MOST = 800
"""Jobs that one is given at most: their tokens, of four bytes each, are taken back by one read."""
_YOUNG_DEATHS_ALLOWED = 3
_PUSH_S = 0.001
_SUSPECTS_COME_S = 5.0  # so long without any, and the isolate for suspects ends
_MEMORY_LOOK_S = 0.05


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
        self._unheard: deque[list[Any]] = deque(maxlen=1000)
        self._estimates = Estimates()
        self._yields = Yields()
        self._young_deaths = 0
        self._stopping = False
        self._respawn_at = 0.0
        self._suspects_wait = False

    # ── life ───────────────────────────────────────────────────────────────────────────────────
    def start(self, inbox: Inbox) -> None:
        self._inbox = inbox
        for _ in range(self._count):
            self._spawn()

    def _spawn(self, *, for_suspects: bool = False) -> None:
        child = Child(self._target, for_suspects=for_suspects)
        self._children.append(child)
        while self._unheard:
            child.tell(self._unheard.popleft())

    def filenos(self) -> Sequence[int]:
        return [fileno for child in self._children for fileno in child.process.filenos()]

    def pids(self) -> list[int]:
        """The process ids of the isolates."""
        return [child.process.pid for child in self._children]

    def held(self) -> list[int]:
        return [given.claim.job_id for child in self._children for given in child.everything()]

    def stop(self, *, interrupt: bool) -> None:
        self._stopping = True
        for child in self._children:
            for given in child.everything():
                child.ask(given, "shutdown", interrupt=interrupt)

    def kill(self) -> None:
        self._stopping = True
        part_from(self._children)
        for child in self._children:
            self._bury(child, _let_go)
        self._children.clear()

    # ── placing ────────────────────────────────────────────────────────────────────────────────
    def cap(self, lane: Lane) -> int:
        traits = self._traits(lane.key)
        if traits is None or self._stopping:
            return 0
        if lane.alone:
            free = sum(child.is_free for child in self._children)
            self._suspects_wait = self._suspects_wait or not free
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
            # What is under a rate starts at once or not at all.
            rated = claim.start_by_us is not None
            child = None
            for one in self._children:
                if (child is None or one.backlog_us < child.backlog_us) and self._is_open(one):
                    child = child if rated and one.queued else one
            if rated:
                self._yields.told(came_in=child is not None)
        if child is None:
            self._suspects_wait = self._suspects_wait or claim.alone
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
        return child.has_room(1 if self._yields else self._queue_most(child))

    def _queue_most(self, child: Child) -> int:
        if self._recycle_after_jobs is None:
            return QUEUE_MOST
        return min(self._recycle_after_jobs - child.done - child.async_count, QUEUE_MOST)

    def _sync_room(self, child: Child, took_us: float) -> int:
        if not self._is_open(child):
            return 0
        return max(
            min(int((AHEAD_US - child.backlog_us) / took_us), self._queue_most(child) - child.queued), 1
        )

    def _async_room(self, child: Child) -> int:
        if not child.takes_work or child.loop_blocked:
            return 0
        room = self._async_concurrency - child.async_count
        if self._recycle_after_jobs is not None:
            room = min(room, self._recycle_after_jobs - child.done - child.queued - child.async_count)
        return max(room, 0)

    # ── hearing ────────────────────────────────────────────────────────────────────────────────
    def collect(self) -> None:
        for child in list(self._children):
            # Whether it lives is asked first: what a dead one has said is then all there is to read.
            is_alive = child.process.is_alive
            self._hear_all(child)
            if not is_alive:
                self._died(child)

    def _hear_all(self, child: Child) -> None:
        # What a job said comes before its end: an isolate that speaks between these two is heard next time.
        child.receive_results()
        for message in child.messages():
            self._hear(child, message)
        for claim, result in child.results():
            if result.outcome != LATE:
                self._estimates.learn(claim.key, result.took_us)
            if result.log is not None:
                self._inbox.logged(result.log)
            self._inbox.settled(claim, result.outcome, result.took_us)

    def _hear(self, child: Child, message: list[Any]) -> None:
        match message:
            case ["ready"]:
                child.ready = True
                self._young_deaths = 0
                self._inbox.ready()
            case ["failed", reason]:
                self._inbox.failed(reason)
            case ["started", job_id, token]:
                child.started(job_id, token)
            case ["heard", job_id, token]:
                child.heard(job_id, token)
            case ["back", job_id, token]:
                given = child.came_back(job_id, token)
                if given is not None:
                    self._inbox.settled(given.claim, stopped(given.reason, "before it started"))
            case ["pong"]:
                child.deaf = False
                self._inbox.ready()
            case ["awake"]:
                child.loop_blocked = False
                self._inbox.ready()
            case ["progress", job_id, token, progress]:
                given = child.find(job_id, token)
                if given is not None:
                    self._inbox.progressed(given.claim, progress)
            case ["log", chunk]:
                # Also where its attempt is over by now: it has its place among what came with the result.
                self._inbox.logged(chunk)
            case ["message", name, data, request_id]:
                self._inbox.message(name, data, request_id)
            case ["stop"]:
                self._inbox.stop_asked()
            case _:
                log.error("isolate %d said something unknown: %r", child.process.pid, message[:1])

    # ── minding ────────────────────────────────────────────────────────────────────────────────
    def tick(self, now: float) -> float | None:
        wishes: list[float | None] = []
        for child in list(self._children):
            overrun = child.overrun(now)
            if overrun is not None:
                self._overran(child, overrun)
                continue
            wishes.append(self._mind_waiting(child, now))
            wishes += [child.next_deadline, child.ask_again(now), child.take_back_async(now, LOOP_OVERDUE_S)]
            if child.push():
                wishes.append(now + _PUSH_S)
            if child.reserved or child.for_suspects or self._is_worn(child, now):
                wishes.append(self._mind_closed(child, now))
        if not self._stopping:
            wishes += [self._replace(now), self._start_one_for_suspects(now)]
        return min((wish for wish in wishes if wish is not None), default=None)

    def _mind_waiting(self, child: Child, now: float) -> float | None:
        since = child.waiting_since
        if since is None or now < since + OVERDUE_S:
            return None if since is None else since + OVERDUE_S
        back = child.take_back()
        if (slow := child.last) is not None:
            self._estimates.forget(slow.claim.key)
        for claim in back:
            self._inbox.settled(claim, Released("recalled: what was to run before it takes long"))
        return None

    def _mind_closed(self, child: Child, now: float) -> float | None:
        """Ends what is worn, and lets nothing stay closed for ever."""
        if child.worn:
            if child.is_idle:
                child.process.let_go()
            return None
        patience_s = ALONE_MOST_S if child.reserved else _SUSPECTS_COME_S
        if not (child.reserved or child.is_free):
            child.closed_since = None
            return None
        child.closed_since = child.closed_since or now
        if now < child.closed_since + patience_s:
            return child.closed_since + patience_s
        child.closed_since = None
        child.worn = not child.reserved
        child.reserved = False
        self._inbox.ready()
        return now

    def _replace(self, now: float) -> float | None:
        while sum(not (child.worn or child.for_suspects) for child in self._children) < self._count:
            if now < self._respawn_at:
                return self._respawn_at
            self._spawn()
        return None

    def _start_one_for_suspects(self, now: float) -> float | None:
        if not self._suspects_wait or now < self._respawn_at:
            return self._respawn_at if self._suspects_wait else None
        self._suspects_wait = False
        regular = [child for child in self._children if not child.for_suspects]
        if len(regular) == len(self._children) and any(one.ready and not one.worn for one in regular):
            # Nobody need wait for those that are always busy, or are killed whenever they start.
            self._spawn(for_suspects=True)
        return None

    def _is_worn(self, child: Child, now: float) -> bool:
        """Takes an isolate that has done or grown enough out of service, busy or not: another takes over."""
        if child.worn or not child.ready:
            return child.worn
        if self._recycle_after_jobs is not None and child.done >= self._recycle_after_jobs:
            child.worn = True
        elif self._recycle_memory_mb is not None and now >= child.memory_look_at:
            child.memory_look_at = now + _MEMORY_LOOK_S
            child.worn = child.process.memory_mb() > self._recycle_memory_mb
        if child.worn:
            self._retire(child)
        return child.worn

    def scale(self, count: int) -> None:
        self._count = count
        regular = [child for child in self._children if not (child.worn or child.for_suspects)]
        # Who has the least to do goes first.
        regular.sort(key=lambda child: len(child.everything()))
        for child in regular[: max(len(regular) - count, 0)]:
            self._retire(child)

    def _retire(self, child: Child) -> None:
        child.worn = True
        for claim in child.recall():
            self._inbox.settled(claim, Released("recalled before it started"))

    def recall(self) -> None:
        for child in self._children:
            for claim in child.recall():
                self._inbox.settled(claim, Released("recalled before it started"))

    def cancel(self, job_id: int, reason: StopReason) -> None:
        for child in self._children:
            given = child.find(job_id)
            if given is None:
                continue
            given.ask(reason)
            for taken in child.recall():
                gone = taken.job_id == job_id
                self._inbox.settled(taken, stopped(given.reason if gone else None, "before it started"))
            if child.find(job_id) is given:
                child.ask(given, reason, interrupt=True)
                given.end_by(monotonic() + self._cancel_grace_s)
            return

    def broadcast(self, name: str, data: Any, request_id: int | None) -> None:
        message = ["message", name, data, request_id]
        for child in self._children:
            child.tell(message)
        if not self._children:
            # Between a death and its successor: the next one hears it.
            self._unheard.append(message)

    def _overran(self, child: Child, culprit: Given) -> None:
        claim = culprit.claim
        reason = None if culprit.reason == "shutdown" else culprit.reason
        what = "ran into its timeout" if reason is None else f"did not stop when it was asked to ({reason})"
        log.warning(
            "job %d (%s) %s; its isolate %d is killed", claim.job_id, claim.key, what, child.process.pid
        )
        how = "while it ran, and it did not stop"
        verdict = timed_out(claim, self._traits) if reason is None else stopped(reason, how)
        # The others in there are innocent: they go back as they were.
        innocent = Released("its isolate was killed for another job")
        self._bury(child, lambda one: verdict if one is claim else innocent)
        self._children.remove(child)

    def _died(self, child: Child) -> None:
        started = child.started_claims()
        status = child.process.exit_status
        if started or not child.worn:
            log.warning("isolate %d %s with %d started jobs", child.process.pid, status, len(started))
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
        self._bury(child, verdict)
        self._children.remove(child)

    def _bury(self, child: Child, verdict: Callable[[Claim], AnyOutcome]) -> None:
        child.process.kill()
        self._hear_all(child)
        for given in child.everything():
            self._inbox.settled(given.claim, verdict(given.claim))
        child.process.close()


def _let_go(claim: Claim) -> Released:
    return Released("the service stopped", alone=claim.alone)

"""One isolate as the dispatcher sees it: the jobs it holds, and what passes between them."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from windlass.clock import monotonic
from windlass.context import StopReason
from windlass.store.logbook import LogChunk
from windlass.store.protocol import Claim
from windlass.worker.channel import TOKEN, Frames, Outbox, Result, decode_message, decode_result, frame
from windlass.worker.estimate import AHEAD_US
from windlass.worker.given import Given
from windlass.worker.isolate import FAREWELL_S
from windlass.worker.process import Process

_SIZE = 1 << 18
BLOCKED_LOOP_S = 1.0
"""An async job that is over its timeout by this much is stuck in a blocking call."""
_TELL_AGAIN_S = 0.1
_EXIT_S = 0.1


class Child:
    """A running isolate. All calls come from the dispatcher's thread."""

    def __init__(self, target: str, *, for_suspects: bool = False) -> None:
        self.process = Process(target)
        self.for_suspects = for_suspects
        """It takes nothing but jobs that must be alone."""
        self._to_jobs = Outbox(self.process.jobs)
        self._to_control = Outbox(self.process.control)
        self._job_frames = Frames()
        self._control_frames = Frames()
        self._results: list[bytes] = []
        self._sequence = 0
        self._queue: deque[Given] = deque()
        self._async: dict[int, Given] = {}
        self._unstarted: dict[int, Given] = {}
        self._asked: dict[int, Given] = {}
        self._tell_again_at = 0.0
        self._placed: list[Given] = []
        self._unsent = 0
        """Jobs at the end of the queue for which no token could be sent any more."""
        self.backlog_us = 0.0
        self.head_since = 0.0
        self.done = 0
        self.memory_look_at = 0.0
        self.ready = False
        self.reserved = False
        """A suspect runs here, and nothing may join it."""
        self.closed_since: float | None = None
        self.worn = False
        """It takes nothing more, and ends once it is idle."""
        self.deaf = False
        """It did not start what it was given, and has not answered since."""
        self.loop_blocked = False
        """Its event loop starts nothing."""

    # ── what it holds ──────────────────────────────────────────────────────────────────────────
    @property
    def takes_work(self) -> bool:
        """May anything be put here that shares it with others?"""
        return self.ready and not (self.reserved or self.worn or self.deaf or self.for_suspects)

    @property
    def is_idle(self) -> bool:
        """Nothing is here, or about to be."""
        return self.ready and not self._queue and not self._async and not self._placed

    @property
    def is_free(self) -> bool:
        """A suspect may have it to itself."""
        return self.is_idle and not (self.worn or self.deaf)

    def has_room(self, most: int) -> bool:
        """May a sync job be put here, as one of so many, to start within what may be handed out ahead?"""
        queue = self._queue
        if len(queue) >= most or self.backlog_us >= AHEAD_US or not self.takes_work:
            return False
        # Behind one that was not measured nothing may wait.
        return not queue or queue[-1].estimate_us is not None

    @property
    def queued(self) -> int:
        """Sync jobs here."""
        return len(self._queue)

    @property
    def async_count(self) -> int:
        """Async jobs here."""
        return len(self._async)

    @property
    def head(self) -> Given | None:
        """The sync job that runs, or is next."""
        return self._queue[0] if self._queue else None

    @property
    def last(self) -> Given | None:
        """The sync job that came last."""
        return self._queue[-1] if self._queue else None

    def everything(self) -> list[Given]:
        """All jobs here."""
        return [*self._queue, *self._async.values()]

    def find(self, job_id: int, token: int | None = None) -> Given | None:
        """A job here, if that is still the attempt."""
        given = self._async.get(job_id) or next(
            (one for one in self._queue if one.claim.job_id == job_id), None
        )
        return given if given is not None and token in (None, given.claim.token) else None

    def started_claims(self) -> list[Claim]:
        """The jobs whose handlers had begun."""
        begun = len(self._queue) - self._untaken()
        sync = [given.claim for given in list(self._queue)[:begun]]
        return sync + [given.claim for given in self._async.values() if given.started]

    # ── giving ─────────────────────────────────────────────────────────────────────────────────
    def place(
        self, claim: Claim, estimate_us: float | None, *, timeout_us: int | None, is_async: bool
    ) -> None:
        """Reserves room for a job; ``flush`` sends it."""
        given = Given(claim, None if claim.alone else estimate_us, timeout_us, is_async=is_async)
        self._placed.append(given)
        if claim.alone:
            self.reserved = True
        if is_async:
            self._async[claim.job_id] = given
        else:
            if not self._queue:
                self.head_since = monotonic()
            self._queue.append(given)
            self.backlog_us += given.estimate_us or 0.0

    def unplace(self) -> None:
        """Forgets what was placed."""
        for given in reversed(self._placed):
            if given.is_async:
                del self._async[given.claim.job_id]
            else:
                self._queue.pop()
                self.backlog_us -= given.estimate_us or 0.0
            if given.claim.alone:
                self.reserved = False
        self._placed.clear()

    def flush(self) -> None:
        """Sends what was placed: frames first, then the tokens to start them."""
        placed, self._placed = self._placed, []
        if not placed:
            return
        frames: list[tuple[Any, ...]] = []
        tokens = bytearray()
        for given in placed:
            if given.is_async:
                given.sent_at = monotonic()
                self._unstarted[given.claim.job_id] = given
                self.tell(["job", *given.claim])
                continue
            self._sequence = (self._sequence + 1) & 0xFFFFFFFF
            frames.append((self._sequence, *given.claim))
            tokens += TOKEN.pack(self._sequence)
        if frames:
            try:
                self._to_jobs.put(frame(frames))
                self.process.tokens.send(tokens)
            except OSError:
                # It died: its exit is seen, and its jobs are dealt with, there. Without a token none begins.
                self._unsent += len(frames)
            self._mind_head()

    def tell(self, message: list[Any]) -> None:
        """Sends a control message."""
        with suppress(OSError):  # it died: its exit is seen elsewhere
            self._to_control.put(frame(message))

    def push(self) -> bool:
        """Sends more of what its sockets had no room for; True while something is left."""
        if self._to_jobs.waiting or self._to_control.waiting:
            with suppress(OSError):  # it died: its exit is seen elsewhere
                self._to_jobs.flush()
                self._to_control.flush()
                return self._to_jobs.waiting or self._to_control.waiting
        return False

    def recall(self) -> list[Claim]:
        """Takes back the sync jobs that have not started: the kernel says which."""
        taken = self._read_tokens(socket.MSG_DONTWAIT) + self._unsent
        self._unsent = 0
        back = [self._queue.pop() for _ in range(min(taken, len(self._queue)))]
        self.backlog_us = sum(given.estimate_us or 0.0 for given in self._queue)
        for given in back:
            self._gone(given)
        return [given.claim for given in reversed(back)]

    # ── asking ─────────────────────────────────────────────────────────────────────────────────
    def ask(self, given: Given, reason: StopReason, *, interrupt: bool) -> None:
        """Asks a job to stop, again and again until the isolate says that the handler was told."""
        given.ask(reason)
        given.interrupt = given.interrupt or interrupt
        self._asked[given.claim.job_id] = given
        self.tell(["ask", given.claim.job_id, given.claim.token, reason, given.interrupt])

    def ask_again(self, now: float) -> float | None:
        """A handler may have started just after it was asked; the next moment to call this."""
        if not self._asked:
            return None
        if now >= self._tell_again_at:
            self._tell_again_at = now + _TELL_AGAIN_S
            for job_id, given in self._asked.items():
                self.tell(["ask", job_id, given.claim.token, given.reason, given.interrupt])
        return self._tell_again_at

    def heard(self, job_id: int, token: int) -> None:
        """The handler was told."""
        given = self._asked.get(job_id)
        if given is not None and given.is_attempt(token):
            del self._asked[job_id]

    # ── hearing ────────────────────────────────────────────────────────────────────────────────
    def receive_results(self) -> None:
        """Reads what ``results`` will give. All that those jobs said before is there to be read by now."""
        self._results += self._job_frames.feed(_receive(self.process.jobs))

    def results(self) -> Iterator[tuple[Claim, Result]]:
        """The attempts that are over, of those that were received."""
        results, self._results = self._results, []
        try:
            for body in results:
                result = decode_result(body)
                given = self._finish(result)
                if given is not None:
                    self.done += 1
                    yield given.claim, result
        finally:
            # Those in between came to the head and are over by now.
            self._mind_head()

    def messages(self) -> Iterator[list[Any]]:
        """What else it said."""
        for body in self._control_frames.feed(_receive(self.process.control)):
            message = decode_message(body)
            if message[0] == "result":
                self.loop_blocked = False
                self._results.append(message[1])
            elif message[0] == "log":
                yield ["log", LogChunk(*message[1:])]
            else:
                yield message

    def started(self, job_id: int, token: int) -> None:
        """An async job has begun."""
        self.loop_blocked = False
        given = self._async.get(job_id)
        if given is not None and given.is_attempt(token):
            self._unstarted.pop(job_id, None)
            given.started = True
            if given.timeout_s is not None:
                # The isolate's own event loop cancels it in time, unless a handler blocks that loop.
                given.end_by(monotonic() + given.timeout_s + BLOCKED_LOOP_S)

    def came_back(self, job_id: int, token: int) -> Given | None:
        """The isolate gives back an async job that it has not started."""
        given = self._async.get(job_id)
        if given is None or given.started or not given.is_attempt(token):
            return None
        del self._async[job_id]
        self._gone(given)
        return given

    def _finish(self, result: Result) -> Given | None:
        queue = self._queue
        if queue and queue[0].claim.job_id == result.job_id and queue[0].claim.token == result.token:
            given = queue.popleft()
            self.backlog_us = self.backlog_us - (given.estimate_us or 0.0) if queue else 0.0
        else:
            given = self._async.get(result.job_id)
            if given is None or given.claim.token != result.token:
                return None
            del self._async[result.job_id]
        self._gone(given)
        return given

    def _gone(self, given: Given) -> None:
        if given.is_async:
            self._unstarted.pop(given.claim.job_id, None)
        if self._asked:
            self._asked.pop(given.claim.job_id, None)
        if given.claim.alone:
            self.reserved = False

    def _mind_head(self) -> None:
        head = self.head
        if head is not None and not head.sent_at:
            head.sent_at = self.head_since = monotonic()
            if head.timeout_s is not None:
                head.end_by(self.head_since + head.timeout_s)

    # ── minding ────────────────────────────────────────────────────────────────────────────────
    @property
    def waiting_since(self) -> float | None:
        """Since when a sync job here waits to start, for all that is known."""
        queue = self._queue
        return self.head_since if len(queue) > 1 or (queue and not queue[0].started) else None

    def take_back(self) -> list[Claim]:
        """Takes back what waits too long: behind a job that takes long, or before a stuck isolate."""
        back = self.recall()
        for given in self._queue:
            given.started = True
        if self._queue:
            # Nothing more is put behind it, as its length is no longer known.
            self._queue[-1].estimate_us = None
        elif back:
            self.deaf = True
            self.tell(["ping"])
        return back

    def take_back_async(self, now: float, patience_s: float) -> float | None:
        """Asks for what the event loop does not start; the next moment to call this."""
        for job_id, given in list(self._unstarted.items()):
            if now < given.sent_at + patience_s:
                return given.sent_at + patience_s
            self.loop_blocked = True
            del self._unstarted[job_id]
            self.tell(["back", job_id, given.claim.token])
        return None

    @property
    def next_deadline(self) -> float | None:
        """When something here must be over."""
        moments = [one.deadline for one in self._async.values() if one.started and one.deadline is not None]
        if self._queue and self._queue[0].started and self._queue[0].deadline is not None:
            moments.append(self._queue[0].deadline)
        return min(moments, default=None)

    def overrun(self, now: float) -> Given | None:
        """A started job whose time is over."""
        head = self.head
        if head is not None and head.deadline is not None and now >= head.deadline:
            head.started = head.started or self._untaken() < len(self._queue)
        heads = [head] if head is not None else []
        for given in (*heads, *self._async.values()):
            if given.started and given.deadline is not None and now >= given.deadline:
                return given
        return None

    def _untaken(self) -> int:
        unread = self._read_tokens(socket.MSG_DONTWAIT | socket.MSG_PEEK)
        return min(unread + self._unsent, len(self._queue))

    def _read_tokens(self, flags: int) -> int:
        try:
            return len(self.process.tokens_back.recv(4096, flags)) // TOKEN.size
        except BlockingIOError:
            return 0


def part_from(children: Iterable[Child]) -> None:
    """Lets those that have nothing to do end by themselves, so that they can pass on what others wait for.

    A process that observes its jobs or reports their errors may have some left; others end at once.
    """
    idle = [child for child in children if child.is_idle]
    for child in idle:
        child.process.let_go()
    until = monotonic() + FAREWELL_S + _EXIT_S
    for child in idle:
        child.process.wait(until - monotonic())


def _receive(channel: socket.socket) -> bytes:
    data = b""
    while True:
        try:
            chunk = channel.recv(_SIZE)
        except (BlockingIOError, ConnectionResetError):
            return data
        data += chunk
        if len(chunk) < _SIZE:
            return data

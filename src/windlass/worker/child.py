"""One isolate as the dispatcher sees it: its process, its three sockets, and the jobs it holds."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from windlass import platform
from windlass.clock import monotonic
from windlass.store.protocol import Claim
from windlass.worker.channel import Frames, Outbox, Result, decode_message, decode_result, frame
from windlass.worker.isolate import FLAG

_SIZE = 1 << 18
BLOCKED_LOOP_S = 1.0
"""An async job that is over its timeout by this much is stuck in a blocking call."""


class Given:
    """A job that an isolate holds."""

    __slots__ = ("cancelled", "claim", "deadline", "estimate_us", "is_async", "started", "timeout_s")

    def __init__(
        self, claim: Claim, estimate_us: float | None, timeout_us: int | None, *, is_async: bool
    ) -> None:
        self.claim = claim
        self.estimate_us = estimate_us
        self.timeout_s = None if timeout_us is None else timeout_us / 1_000_000
        self.is_async = is_async
        self.started = False
        self.deadline: float | None = None
        self.cancelled = False


class Child:
    """A running isolate. All calls come from the dispatcher's thread."""

    def __init__(self, target: str) -> None:
        self._jobs, jobs = socket.socketpair()
        self._tokens, tokens = socket.socketpair()
        self._control, control = socket.socketpair()
        # The reading end of the tokens stays open here, too: to take back what has not started.
        self._tokens_back = tokens
        for ours in (self._jobs, self._control, self._tokens):
            ours.setblocking(False)
        start = {
            "target": target, "parent": os.getpid(),
            "jobs": jobs.fileno(), "tokens": tokens.fileno(), "control": control.fileno(),
        }  # fmt: skip
        self._process = subprocess.Popen(
            [*_command(), json.dumps(start)],
            pass_fds=(jobs.fileno(), tokens.fileno(), control.fileno()),
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
        jobs.close()
        control.close()
        self.pid = self._process.pid
        self._pidfd = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else -1
        self._to_jobs = Outbox(self._jobs)
        self._to_control = Outbox(self._control)
        self._job_frames = Frames()
        self._control_frames = Frames()
        self._late_results: deque[bytes] = deque()
        self._sequence = 0
        self._queue: deque[Given] = deque()
        self._async: dict[int, Given] = {}
        self._placed: list[Given] = []
        self.backlog_us = 0.0
        self.head_since = 0.0
        self.done = 0
        self.ready = False
        self.reserved = False
        self.retired = False

    # ── what it holds ──────────────────────────────────────────────────────────────────────────
    @property
    def takes_work(self) -> bool:
        """May anything be put here that shares it with others?"""
        return self.ready and not self.reserved and not self.retired

    @property
    def is_idle(self) -> bool:
        """Nothing is here, or about to be."""
        return self.ready and not self._queue and not self._async and not self._placed

    @property
    def is_free(self) -> bool:
        """A suspect may have it to itself."""
        return self.is_idle and not self.retired

    @property
    def has_unmeasured(self) -> bool:
        """The last sync job here is one behind which nothing may wait."""
        return bool(self._queue) and self._queue[-1].estimate_us is None

    @property
    def queued(self) -> int:
        """Sync jobs here."""
        return len(self._queue)

    @property
    def async_count(self) -> int:
        """Async jobs here."""
        return len(self._async)

    @property
    def behind_head(self) -> bool:
        """Something may be waiting behind a sync job that runs."""
        return len(self._queue) > 1

    @property
    def head(self) -> Claim | None:
        """The sync job that runs, or is next."""
        return self._queue[0].claim if self._queue else None

    def claims(self) -> list[Claim]:
        """All jobs here."""
        return [given.claim for given in (*self._queue, *self._async.values())]

    def claim_of(self, job_id: int, token: int) -> Claim | None:
        """The claim of a job here, if that is still the attempt."""
        given = self._async.get(job_id) or next(
            (one for one in self._queue if one.claim.job_id == job_id), None
        )
        return given.claim if given is not None and given.claim.token == token else None

    def started_claims(self) -> list[Claim]:
        """The jobs whose handlers had begun."""
        begun = len(self._queue) - self._unstarted()
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
                self.tell(["job", *given.claim])
                continue
            self._sequence += 1
            frames.append((self._sequence & 0xFF, *given.claim))
            tokens.append(self._sequence & 0xFF)
        if frames:
            with suppress(OSError):  # it died: its exit is seen, and its jobs are dealt with, there
                self._to_jobs.put(frame(frames))
                self._tokens.send(tokens)
            self._mind_head()

    def tell(self, message: list[Any]) -> None:
        """Sends a control message."""
        with suppress(OSError):  # it died: its exit is seen elsewhere
            self._to_control.put(frame(message))

    def recall(self) -> list[Claim]:
        """Takes back the sync jobs that have not started: the kernel says which."""
        taken = self._read_tokens(socket.MSG_DONTWAIT)
        back = [self._queue.pop() for _ in range(min(taken, len(self._queue)))]
        self.backlog_us = sum(given.estimate_us or 0.0 for given in self._queue)
        return [given.claim for given in reversed(back)]

    def started(self, job_id: int, token: int) -> None:
        """An async job has begun."""
        given = self._async.get(job_id)
        if given is not None and given.claim.token == token:
            given.started = True
            if given.timeout_s is not None:
                # The isolate's own event loop cancels it in time, unless a handler blocks that loop.
                given.deadline = monotonic() + given.timeout_s + BLOCKED_LOOP_S

    # ── hearing ────────────────────────────────────────────────────────────────────────────────
    def filenos(self) -> list[int]:
        """What becomes readable when there is news."""
        found = [self._jobs.fileno(), self._control.fileno()]
        return found if self._pidfd < 0 else [*found, self._pidfd]

    def results(self) -> Iterator[tuple[Claim, Result]]:
        """The attempts that are over."""
        for body in (*self._job_frames.feed(_receive(self._jobs)), *self._late_results):
            result = decode_result(body)
            given = self._finish(result)
            if given is not None:
                self.done += 1
                yield given.claim, result
        self._late_results.clear()
        if self._to_jobs.waiting or self._to_control.waiting:
            with suppress(OSError):  # it died: its exit is seen elsewhere
                self._to_jobs.flush()
                self._to_control.flush()

    def messages(self) -> Iterator[list[Any]]:
        """What else it said."""
        for body in self._control_frames.feed(_receive(self._control)):
            message = decode_message(body)
            if message[0] == "result":
                self._late_results.append(message[1])
            else:
                yield message

    def _finish(self, result: Result) -> Given | None:
        queue = self._queue
        if queue and queue[0].claim.job_id == result.job_id and queue[0].claim.token == result.token:
            given = queue.popleft()
            self.backlog_us = self.backlog_us - (given.estimate_us or 0.0) if queue else 0.0
            self._mind_head()
        else:
            given = self._async.get(result.job_id)
            if given is None or given.claim.token != result.token:
                return None
            del self._async[result.job_id]
        if given.claim.alone:
            self.reserved = False
        return given

    def _mind_head(self) -> None:
        if self._queue and self._queue[0].deadline is None:
            head = self._queue[0]
            self.head_since = monotonic()
            if head.timeout_s is not None:
                head.deadline = self.head_since + head.timeout_s

    # ── minding ────────────────────────────────────────────────────────────────────────────────
    @property
    def next_deadline(self) -> float | None:
        """When something here must be over."""
        heads = [self._queue[0]] if self._queue else []
        deadlines = [
            given.deadline for given in (*heads, *self._async.values()) if given.deadline is not None
        ]
        return min(deadlines, default=None)

    def end_by(self, claim: Claim, deadline: float, *, cancelled: bool) -> None:
        """From now on that job must be over at ``deadline``."""
        for given in (*self._queue, *self._async.values()):
            if given.claim is claim:
                given.deadline = deadline if given.deadline is None else min(deadline, given.deadline)
                given.cancelled = cancelled

    def overrun(self, now: float) -> Claim | None:
        """A started job whose time is over."""
        heads = [self._queue[0]] if self._queue else []
        for given in (*heads, *self._async.values()):
            if given.deadline is not None and now >= given.deadline:
                return given.claim
        return None

    def is_cancelled(self, claim: Claim) -> bool:
        """Was that job asked to stop?"""
        return any(given.cancelled for given in (*self._queue, *self._async.values()) if given.claim is claim)

    def retire(self) -> None:
        """It is worn: it ends, and a fresh one takes its place."""
        self.retired = True
        self._jobs.shutdown(socket.SHUT_WR)
        self._tokens.shutdown(socket.SHUT_WR)

    def memory_mb(self) -> float:
        """Its resident memory, or 0 where the system does not say."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, IndexError, ValueError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1_048_576

    @property
    def is_alive(self) -> bool:
        """False once its process has ended."""
        return self._process.poll() is None

    def exit_status(self) -> str:
        """How it ended, for people."""
        code = self._process.returncode
        if code is None:
            return "is running"
        return f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"

    def kill(self) -> None:
        """Ends it and every process it has started."""
        platform.kill_group(self.pid)
        self._process.wait()

    def close(self) -> None:
        """Closes our ends."""
        for one in (self._jobs, self._control, self._tokens, self._tokens_back):
            one.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _unstarted(self) -> int:
        return min(self._read_tokens(socket.MSG_DONTWAIT | socket.MSG_PEEK), len(self._queue))

    def _read_tokens(self, flags: int) -> int:
        try:
            return len(self._tokens_back.recv(512, flags))
        except BlockingIOError:
            return 0


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


def _command() -> list[str]:
    if getattr(sys, "frozen", False):
        # A frozen program is its own interpreter: freeze_support() in it takes over from here.
        return [sys.executable, FLAG]
    return [sys.executable, "-m", "windlass.worker.isolate"]

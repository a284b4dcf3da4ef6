"""The isolate: a child process that runs handlers, one sync job at a time and many async ones beside it.

Sync jobs come as frames on one socket; each starts by taking its token from a second one. A token names the
job by the low byte of its sequence number: jobs whose token the dispatcher took back are passed over. Async
jobs, cancellations and messages come on a third socket, which a thread of its own reads.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from windlass import platform
from windlass.clock import monotonic, stopwatch_ns
from windlass.outcome import AnyOutcome
from windlass.store.protocol import Claim
from windlass.worker.channel import Frames, Result, Sender, decode_jobs, decode_message, frame

FLAG = "--windlass-isolate"
_PROGRESS_EVERY_S = 0.02


class Start(msgspec.Struct, frozen=True):
    """What an isolate is told on its command line, as JSON."""

    target: str
    parent: int
    jobs: int
    tokens: int
    control: int


def main(text: str) -> None:
    """Runs an isolate until its dispatcher closes the channel or dies."""
    start = msgspec.json.decode(text, type=Start)
    platform.set_parent_death_signal(start.parent)
    # Only the dispatcher decides when an isolate ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    isolate = Isolate(
        jobs=socket.socket(fileno=start.jobs),
        tokens=socket.socket(fileno=start.tokens),
        control=socket.socket(fileno=start.control),
    )
    try:
        isolate.load(start.target)
    except BaseException as error:
        isolate.send(["failed", _reason(error)])
        raise SystemExit(3) from error
    isolate.run()


class Isolate:
    """One child process's three channels and the performer behind them."""

    def __init__(self, *, jobs: socket.socket, tokens: socket.socket, control: socket.socket) -> None:
        self._jobs = jobs
        self._tokens = tokens
        self._control = control
        self._sender = Sender(control)
        self._frames = Frames()
        self._queue: deque[tuple[Any, ...]] = deque()
        self._loop: Any = None
        self._async_running: dict[int, Claim] = {}
        self.service = WorkerService(self.send)

    def send(self, message: list[Any]) -> None:
        """Sends one control message to the dispatcher."""
        self._sender.send(message)

    def load(self, target: str) -> None:
        """Finds the app, prepares its handlers and runs its start-up callbacks."""
        from windlass.target import load_app

        app = load_app(target)
        app.registry.prepare()
        self._progress = ProgressGate(self.send)
        self.performer = app.make_performer(self.service, self._progress.note)
        run_start_callbacks(app.registry, self.service, app.store)

    def run(self) -> None:
        """Serves until the channel ends."""
        threading.Thread(target=self._serve_control, name="windlass-control", daemon=True).start()
        self.send(["ready"])
        perform, jobs, tokens = self.performer.perform, self._jobs, self._tokens
        clock = stopwatch_ns
        while token := tokens.recv(1):
            claim = self._take(token[0])
            if claim is None:
                break
            began = clock()
            outcome = perform(claim)
            took_us = (clock() - began) // 1000
            self._progress.flush(claim.job_id)
            jobs.sendall(frame(Result(claim.job_id, claim.token, took_us, outcome)))
        os._exit(0)

    def _take(self, token: int) -> Claim | None:
        queue = self._queue
        while True:
            while queue:
                job = queue.popleft()
                if job[0] & 0xFF == token:
                    return Claim(*job[1:])
            data = self._jobs.recv(1 << 18)
            if not data:
                return None
            for body in self._frames.feed(data):
                queue.extend(decode_jobs(body))

    # ── the control thread ─────────────────────────────────────────────────────────────────────
    def _serve_control(self) -> None:
        frames = Frames()
        while data := self._control.recv(1 << 16):
            for body in frames.feed(data):
                self._obey(decode_message(body))
        # The dispatcher is gone, and with it everyone who could use a result.
        os._exit(0)

    def _obey(self, message: list[Any]) -> None:
        match message:
            case ["job", *fields]:
                self._start_async(Claim(*fields))
            case ["cancel", job_id, reason]:
                self.performer.cancel(job_id, reason)
            case ["stop", reason]:
                for job_id in list(self.performer.running):
                    self.performer.cancel(job_id, reason)
            case ["message", name, data, request_id]:
                self.service.deliver(name, data, request_id)
            case _:
                raise ValueError(f"an isolate was told something it does not know: {message[:1]!r}")

    def _start_async(self, claim: Claim) -> None:
        import asyncio

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name="windlass-async", daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._perform_async(claim), self._loop)

    async def _perform_async(self, claim: Claim) -> None:
        self.send(["started", claim.job_id, claim.token])
        began = stopwatch_ns()
        outcome: AnyOutcome = await self.performer.aperform(claim)
        took_us = (stopwatch_ns() - began) // 1000
        self._progress.flush(claim.job_id)
        self.send(["result", frame(Result(claim.job_id, claim.token, took_us, outcome))[4:]])


class ProgressGate:
    """Lets at most fifty notes a second of a job through, and always the last one."""

    def __init__(self, send: Callable[[list[Any]], None]) -> None:
        self._send = send
        self._sent: dict[int, float] = {}
        self._kept: dict[int, list[Any]] = {}

    def note(self, claim: Claim, progress: str) -> None:
        """One more note."""
        message = ["progress", claim.job_id, claim.token, progress]
        now = monotonic()
        if now - self._sent.get(claim.job_id, 0.0) >= _PROGRESS_EVERY_S:
            self._sent[claim.job_id] = now
            self._kept.pop(claim.job_id, None)
            self._send(message)
        else:
            self._kept[claim.job_id] = message

    def flush(self, job_id: int) -> None:
        """The job is over: its last note goes out before its result."""
        if self._sent.pop(job_id, None) is not None:
            kept = self._kept.pop(job_id, None)
            if kept is not None:
                self._send(kept)


class WorkerService:
    """The service as handlers and start-up callbacks see it."""

    def __init__(self, send: Callable[[list[Any]], None]) -> None:
        self._send = send
        self._callbacks: dict[str, list[Callable[..., Any]]] = {}

    def on(self, name: str, callback: Callable[..., Any]) -> None:
        """Calls back with the data of each message of that name from outside; what it returns is the
        reply."""
        self._callbacks.setdefault(name, []).append(callback)

    def send(self, name: str, data: Any = None) -> None:
        """Sends a message to the programs that listen outside."""
        self._send(["message", name, data, None])

    def stop(self) -> None:
        """Stops the whole service, gracefully."""
        self._send(["stop"])

    def deliver(self, name: str, data: Any, request_id: int | None) -> None:
        """A message from outside has come; runs on the control thread."""
        import logging

        for callback in self._callbacks.get(name, ()):
            try:
                reply = callback(data)
            except Exception:
                logging.getLogger("windlass.worker").exception("the callback for %r failed", name)
                continue
            if request_id is not None and reply is not None:
                self._send(["message", name, reply, request_id])


def run_start_callbacks(registry: Any, service: WorkerService, store: Any) -> None:
    """Runs ``@app.on_start`` callbacks with the service and a connection of their own."""
    callbacks: list[Callable[..., Any]] = list(registry.start_callbacks)
    if not callbacks:
        return
    connection = store.connect()
    for callback in callbacks:
        answer = callback(service, connection)
        if hasattr(answer, "__await__"):
            import asyncio

            asyncio.run(answer)
    connection.commit()


def _reason(error: BaseException) -> str:
    import traceback

    told = "".join(traceback.format_exception_only(error)).strip()
    frames = traceback.extract_tb(error.__traceback__)
    where = f" (in {frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return told + where


if __name__ == "__main__":
    main(sys.argv[1])

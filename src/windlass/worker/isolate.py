"""The isolate: a child process that runs handlers, one sync job at a time and many async ones beside it.

Sync jobs come as frames on one socket; each starts by taking its token from a second one. A token names the
job by its sequence number: jobs whose token the dispatcher took back are passed over. Async
jobs, requests to stop and messages come on a third socket, which a thread of its own reads.

A handler may fork. Its child is no isolate: our sockets are closed in it at once, and should it return from
the handler it ends here.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec

from windlass import platform
from windlass.clock import sleep, stopwatch_ns
from windlass.context import Service
from windlass.context.kept import LogBook
from windlass.errors import StoreUnavailable
from windlass.handlers import Registry
from windlass.outcome import AnyOutcome, Failed
from windlass.store.logbook import LogChunk
from windlass.store.protocol import Claim, Store
from windlass.worker.asking import pause_s
from windlass.worker.channel import TOKEN, Frames, Result, Sender, decode_jobs, decode_message, frame
from windlass.worker.eventloop import EventLoop
from windlass.worker.gate import ProgressGate

FLAG = "--windlass-isolate"
FAREWELL_S = 0.4
"""What an isolate that is no longer needed may take to pass on what it has to tell others."""


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
    for number in (signal.SIGINT, signal.SIGTERM):
        # A function, not SIG_IGN: that would be passed on to every program a handler starts.
        signal.signal(number, _go_on)
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


def _go_on(number: int, frame: FrameType | None) -> None:
    del number, frame


class Isolate:
    """One child process's three channels and the performer behind them."""

    def __init__(self, *, jobs: socket.socket, tokens: socket.socket, control: socket.socket) -> None:
        self._jobs = jobs
        self._tokens = tokens
        self._control = control
        self._sender = Sender(control)
        self._frames = Frames()
        self._queue: deque[tuple[Any, ...]] = deque()
        self._loop = EventLoop()
        self._waiting: dict[tuple[int, int], Claim] = {}
        self._mail: queue.SimpleQueue[tuple[str, Any, int | None]] | None = None
        self._pid = os.getpid()
        self.service = WorkerService(self.send)
        for channel in (jobs, tokens, control):
            # They came through an exec; nothing that a handler starts may hold them.
            channel.set_inheritable(False)
        os.register_at_fork(after_in_child=self._leave_child)

    def send(self, message: list[Any]) -> None:
        """Sends one control message to the dispatcher."""
        self._sender.send(message)

    def load(self, target: str) -> None:
        """Finds the app, prepares its handlers and runs its start-up callbacks."""
        from windlass.handlers.kept import log_levels
        from windlass.logs import configure_logging
        from windlass.target import load_app

        app = load_app(target)
        app.prepare()
        configure_logging(app.settings, log_levels(app.registry, app.settings.keep_logs))
        self._progress = ProgressGate(self.send)
        self._logs = LogBook(lambda chunk: self.send(["log", *chunk]))
        store = opened(lambda: app.store)
        self.performer = app.make_performer(self.service, self._progress.note, self._logs)
        run_start_callbacks(app.registry, self.service, store)

    def run(self) -> None:
        """Serves until the channel ends."""
        threading.Thread(target=self._serve_control, name="windlass-control", daemon=True).start()
        self.send(["ready"])
        perform, jobs = self.performer.perform, self._jobs
        clock = stopwatch_ns
        while token := self._next_token():
            claim = self._take(TOKEN.unpack(token)[0])
            if claim is None:
                break
            began = clock()
            outcome = perform(claim)
            took_us = (clock() - began) // 1000
            self._refuse_fork()
            self._progress.flush(claim.job_id)
            jobs.sendall(_result(claim, took_us, outcome, self._logs.close(claim)))
        self.performer.close(FAREWELL_S)
        os._exit(0)

    def _next_token(self) -> bytes:
        # Waiting only looks. A token is taken by a thread that holds the interpreter's lock, or else a
        # handler that keeps the lock would make a job look started that cannot start.
        tokens = self._tokens
        while True:
            try:
                return tokens.recv(TOKEN.size, socket.MSG_DONTWAIT)
            except BlockingIOError:
                tokens.recv(1, socket.MSG_PEEK)

    def _take(self, token: int) -> Claim | None:
        waiting = self._queue
        while True:
            while waiting:
                job = waiting.popleft()
                if job[0] == token:
                    return Claim(*job[1:])
            data = self._jobs.recv(1 << 18)
            if not data:
                return None
            for body in self._frames.feed(data):
                waiting.extend(decode_jobs(body))

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
                claim = Claim(*fields)
                self._waiting[claim.job_id, claim.token] = claim
                self._loop.run(self._perform_async(claim))
            case ["back", job_id, token]:
                self._give_back(job_id, token)
            case ["ask", job_id, token, reason, interrupt]:
                told = self._give_back(job_id, token)
                if not told and self.performer.cancel(job_id, reason, interrupt=interrupt):
                    self.send(["heard", job_id, token])
            case ["ping"]:
                self.send(["pong"])
            case ["message", name, data, request_id]:
                self._deliver(name, data, request_id)
            case _:
                raise ValueError(f"an isolate was told something it does not know: {message[:1]!r}")

    def _give_back(self, job_id: int, token: int) -> bool:
        """Gives an async job back if it has not started: whoever takes it off the list decides that."""
        given_back = self._waiting.pop((job_id, token), None) is not None
        if given_back:
            self.send(["back", job_id, token])
        return given_back

    async def _perform_async(self, claim: Claim) -> None:
        if self._waiting.pop((claim.job_id, claim.token), None) is None:
            self.send(["awake"])
            return
        self.send(["started", claim.job_id, claim.token])
        began = stopwatch_ns()
        outcome: AnyOutcome = await self.performer.aperform(claim)
        took_us = (stopwatch_ns() - began) // 1000
        self._refuse_fork()
        self._progress.flush(claim.job_id)
        self.send(["result", _result(claim, took_us, outcome, self._logs.close(claim))[4:]])

    def _deliver(self, name: str, data: Any, request_id: int | None) -> None:
        # On a thread of their own: a callback that takes its time must keep no cancellation waiting.
        if self._mail is None:
            self._mail = queue.SimpleQueue()
            threading.Thread(target=self._serve_mail, name="windlass-messages", daemon=True).start()
        self._mail.put((name, data, request_id))

    def _serve_mail(self) -> None:
        assert self._mail is not None
        while True:
            self.service.deliver(*self._mail.get())

    # ── forks ──────────────────────────────────────────────────────────────────────────────────
    def _leave_child(self) -> None:
        for channel in (self._jobs, self._tokens, self._control):
            channel.close()

    def _refuse_fork(self) -> None:
        if os.getpid() != self._pid:
            os.write(2, b"windlass: a handler forked, and its child returned: end it with os._exit()\n")
            os._exit(1)


def _result(claim: Claim, took_us: int, outcome: AnyOutcome, log: LogChunk | None) -> bytes:
    try:
        return frame(Result(claim.job_id, claim.token, took_us, outcome, log))
    except Exception as error:  # noqa: BLE001 - whatever it is, the dispatcher must hear of an end
        told = Failed(f"its outcome cannot be told: {type(error).__name__}: {error!r}", "permanent")
        return frame(Result(claim.job_id, claim.token, took_us, told, log))


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
        """A message from outside has come."""
        import logging

        for callback in self._callbacks.get(name, ()):
            try:
                reply = callback(data)
            except BaseException:
                logging.getLogger("windlass.worker").exception("the callback for %r failed", name)
                continue
            if request_id is not None and reply is not None:
                self._send(["message", name, reply, request_id])


def opened(store: Callable[[], Store]) -> Store:
    """The store, as soon as its database can be reached.

    Whoever is started while it is away waits for it, as the dispatcher does: to end would end that, too.
    """
    failures = 0
    while True:
        try:
            return store()
        except StoreUnavailable:  # the dispatcher says so
            sleep(pause_s(failures))
            failures += 1


def run_start_callbacks(registry: Registry, service: Service, store: Store) -> None:
    """Runs ``@app.on_start`` callbacks with the service and a connection that is closed after them."""
    callbacks: list[Callable[..., Any]] = list(registry.start_callbacks)
    if not callbacks:
        return
    connection = store.connect()
    try:
        for callback in callbacks:
            answer = callback(service, connection)
            if hasattr(answer, "__await__"):
                import asyncio

                asyncio.run(answer)
        connection.commit()
    finally:
        store.disconnect(connection)


def _reason(error: BaseException) -> str:
    import traceback

    told = "".join(traceback.format_exception_only(error)).strip()
    frames = traceback.extract_tb(error.__traceback__)
    where = f" (in {frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return told + where


if __name__ == "__main__":
    main(sys.argv[1])

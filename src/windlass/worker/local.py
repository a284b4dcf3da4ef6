"""What pools inside this process share: news from other threads, and the service as handlers see it."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Concatenate

from windlass.context import StopReason
from windlass.store.logbook import LogChunk
from windlass.store.protocol import Claim
from windlass.target import PerformerLike
from windlass.worker.isolate import WorkerService
from windlass.worker.pool import Inbox

_ASK_AGAIN_S = 0.05

_Message = Callable[Concatenate[Inbox, ...], None]


class News:
    """Brings what other threads say to the dispatcher's thread, and wakes it."""

    def __init__(self) -> None:
        self._told: deque[tuple[_Message, tuple[Any, ...]]] = deque()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._rung = False

    def fileno(self) -> int:
        """Readable when there is news."""
        return self._reader.fileno()

    def tell(self, what: _Message, *more: Any) -> None:
        """Has ``what(inbox, *more)`` called on the dispatcher's thread; called on any thread."""
        self._told.append((what, more))
        if not self._rung:
            self._rung = True
            with suppress(OSError):  # full: it wakes anyway; closed: nobody is left to wake
                self._writer.send(b"!")

    def progressed(self, claim: Claim, progress: str) -> None:
        """A running attempt says how far it is."""
        self.tell(lambda inbox: inbox.progressed(claim, progress))

    def logged(self, chunk: LogChunk) -> None:
        """A running attempt has logged something."""
        self.tell(lambda inbox: inbox.logged(chunk))

    def deliver(self, inbox: Inbox) -> None:
        """Tells the inbox everything so far; called on the dispatcher's thread."""
        with suppress(BlockingIOError):  # nobody rang
            self._reader.recv(4096)
        self._rung = False
        while self._told:
            what, more = self._told.popleft()
            what(inbox, *more)

    def close(self) -> None:
        """Closes both ends; late news is dropped."""
        self._reader.close()
        self._writer.close()


class LocalService(WorkerService):
    """The service, for handlers that run in the dispatcher's own process."""

    def __init__(self, news: News) -> None:
        super().__init__(self._pass_on)
        self._news = news

    def _pass_on(self, message: list[Any]) -> None:
        match message:
            case ["message", name, data, request_id]:
                self._news.tell(lambda inbox: inbox.message(name, data, request_id))
            case ["stop"]:
                self._news.tell(lambda inbox: inbox.stop_asked())
            case _:
                raise ValueError(f"the service does not know {message[:1]!r}")


class Asks:
    """Requests to stop, repeated until the handler is there to hear them: it may only just be starting."""

    def __init__(self, performer: PerformerLike) -> None:
        self._performer = performer
        self._unheard: dict[int, tuple[StopReason, bool]] = {}
        self._again_at = 0.0

    def ask(self, job_id: int, reason: StopReason, *, interrupt: bool) -> None:
        """Asks a job to stop."""
        if not self._performer.cancel(job_id, reason, interrupt=interrupt):
            self._unheard[job_id] = (reason, interrupt)

    def over(self, job_id: int) -> None:
        """The job has ended."""
        self._unheard.pop(job_id, None)

    def again(self, now: float) -> float | None:
        """Repeats what was not heard; the next moment to call this."""
        if self._unheard and now >= self._again_at:
            self._again_at = now + _ASK_AGAIN_S
            for job_id, (reason, interrupt) in list(self._unheard.items()):
                if self._performer.cancel(job_id, reason, interrupt=interrupt):
                    del self._unheard[job_id]
        return self._again_at if self._unheard else None

"""One request under way: until when it may last, what is known of its fate, how to end it, and what is done
meanwhile.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Generator
from contextvars import ContextVar

from windlass.clock import monotonic


class OutOfTime(Exception):
    """The time for the whole request is up."""


class Stopped(Exception):
    """``abort`` was called."""


_work: ContextVar[Callable[[], None] | None] = ContextVar("work", default=None)


@contextlib.contextmanager
def meanwhile(work: Callable[[], None]) -> Generator[None]:
    """Inside the block the first wait of this thread for a server does this work before it waits.

    Once, or not at all where nothing is waited for. What the work raises ends the request.
    """
    token = _work.set(work)
    try:
        yield
    finally:
        _work.reset(token)


class Later:
    """Work whose failure does not end the request that it is done beside: it is told when that is over."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._error: Exception | None = None

    def __call__(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - raised again by ``check``
            self._error = error

    def check(self) -> None:
        """Raises what the work raised."""
        if self._error is not None:
            raise self._error


def work_meanwhile() -> float:
    """Whoever is about to wait calls this; the seconds that the work took."""
    work = _work.get()
    if work is None:
        return 0.0
    _work.set(None)
    began = monotonic()
    work()
    return monotonic() - began


class Exchange:
    """Known to whoever sends a request and to the sockets that it goes through."""

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline
        """On ``clock.monotonic``; None: it may last as long as something comes."""
        self.dialled = False
        """A connection is made for it; otherwise it goes out on one that was kept alive."""
        self.sent = False
        """Bytes of the request were given to the network: the server may have acted on it."""
        self.answered = False
        """Bytes of an answer came."""
        self.cut = False
        """It failed because its connection ended, rather than that nothing came in time."""
        self._mutex = threading.Lock()
        self._socket: socket.socket | None = None
        self._aborted = False

    def left_s(self, timeout: float | None) -> float | None:
        """What the next step may take.

        Raises:
            OutOfTime: nothing is left.
            Stopped: it was aborted.
        """
        if self._aborted:
            raise Stopped
        if self.deadline is None:
            return timeout
        left = self.deadline - monotonic()
        if left <= 0:
            raise OutOfTime
        return left if timeout is None else min(left, timeout)

    def waits(self) -> None:
        """The request is out, and its answer is waited for; the time of what is done meanwhile is not its."""
        took_s = work_meanwhile()
        if self.deadline is not None:
            self.deadline += took_s

    def uses(self, sock: socket.socket) -> None:
        """From now on ``abort`` ends what waits on this socket."""
        with self._mutex:
            self._socket = sock
            if self._aborted:
                raise Stopped

    def abort(self) -> None:
        """Ends it from any thread: whoever waits for it fails at once, with ``Offline``."""
        with self._mutex:
            self._aborted = True
            if self._socket is not None:
                with contextlib.suppress(OSError):  # closed or not connected yet, which is as good
                    self._socket.shutdown(socket.SHUT_RDWR)

    @property
    def aborted(self) -> bool:
        """``abort`` was called."""
        return self._aborted

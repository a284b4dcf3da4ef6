"""One request under way: until when it may last, what is known of its fate, and how to end it."""

from __future__ import annotations

import contextlib
import socket
import threading

from windlass.clock import monotonic


class OutOfTime(Exception):
    """The time for the whole request is up."""


class Stopped(Exception):
    """``abort`` was called."""


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

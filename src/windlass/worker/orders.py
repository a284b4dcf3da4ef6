"""What other threads ask of the dispatcher: done on its own thread, in their order, as soon as it wakes."""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from windlass.clock import monotonic

_LONGEST_S = 60.0


class Orders:
    """A queue of calls, and a descriptor that is readable while there are any."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._calls: deque[Callable[[], None]] = deque()

    def give(self, call: Callable[[], None]) -> None:
        """Leaves a call, on any thread. Safe in signal handlers."""
        self._calls.append(call)
        with suppress(BlockingIOError, OSError):  # full: it wakes anyway; closed: nobody is left to wake
            self._writer.send(b"!")

    def fileno(self) -> int:
        """What becomes readable."""
        return self._reader.fileno()

    def wait(self, until: float | None, *filenos: int) -> None:
        """Waits until then (``clock.monotonic``), an order, or one of these is readable; makes the calls."""
        timeout_s = _LONGEST_S if until is None else min(max(until - monotonic(), 0.0), _LONGEST_S)
        poller = select.poll()
        for fileno in (self.fileno(), *filenos):
            poller.register(fileno, select.POLLIN)
        poller.poll(timeout_s * 1000)
        self.carry_out()

    def carry_out(self) -> None:
        """Makes the calls, on the dispatcher's thread."""
        with suppress(BlockingIOError):  # nobody had ordered anything
            self._reader.recv(4096)
        while self._calls:
            self._calls.popleft()()

    def close(self) -> None:
        """From now on calls are left for nobody."""
        self._reader.close()
        self._writer.close()

"""What finds out a fact, and how its thread waits."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from windlass.constraints import Constraints
from windlass.facts import DeviceState, Fact

POLL_S = 60.0
"""How often is looked where the platform tells of no change: a sleeping machine is not woken more often."""

Tell = Callable[[Fact], None]
"""Takes what a probe has found. Telling what is known already changes nothing."""


class AnyDevice(Protocol):
    """What a dispatcher asks about its device: the real one, or the fake of the testing kit. Thread-safe."""

    def want(self, wanted: Iterable[Constraints]) -> None:
        """These are asked for from now on, and only these. Returns at once: facts come as they are found."""
        ...

    def state(self) -> DeviceState:
        """What is known now, for ``constraints.blocked_by``."""
        ...

    def close(self) -> None:
        """Ends all looking; nobody is called afterwards."""
        ...


class Probe(Protocol):
    """Finds out one fact, on a thread of its own."""

    def run(self, tell: Tell, ear: Ear) -> None:
        """Tells the fact, and again whenever it changes, until the ear is closed.

        Whatever it raises is the reason why the fact is unknown; it is run again after a while.
        """
        ...


class Ear:
    """How a probe waits: for what it can read, for a nudge, and for its end."""

    def __init__(self) -> None:
        self._inner, self._outer = socket.socketpair()
        self._inner.setblocking(False)
        self._outer.setblocking(False)
        self._lock = threading.Lock()
        self.closed = False

    def wait(self, timeout_s: float | None = None, *readable: int) -> list[int]:
        """Sleeps until one of the descriptors is readable, somebody nudges, or that time has passed.

        Returns the readable ones.
        """
        if self.closed:
            return []
        ready = _readable([self._inner.fileno(), *readable], timeout_s)
        if self._inner.fileno() in ready:
            ready.remove(self._inner.fileno())
            self._inner.recv(4096)
        return ready

    def nudge(self) -> None:
        """Wakes the probe: what it found may have changed."""
        with self._lock:
            if self._outer.fileno() >= 0:
                try:
                    self._outer.send(b"!")
                except BlockingIOError:
                    return  # it has been nudged so often that it is about to look

    def close(self) -> None:
        """The probe is to end."""
        self.closed = True
        self.nudge()

    def let_go(self) -> None:
        """Nobody waits here any more."""
        with self._lock:
            self._inner.close()
            self._outer.close()


def _readable(descriptors: list[int], timeout_s: float | None) -> list[int]:
    if not hasattr(select, "poll"):  # Windows, where only sockets are waited for
        return select.select(descriptors, [], [], timeout_s)[0]
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [
        descriptor for descriptor, _ in poll.poll(None if timeout_s is None else max(0, timeout_s) * 1000)
    ]

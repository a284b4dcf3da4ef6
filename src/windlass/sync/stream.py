"""Streams of what happens: one look at each ring of the doorbell, until somebody closes them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Self, TypeVar

from windlass.clock import monotonic
from windlass.store.protocol import Bell
from windlass.watch import wait_readable

T = TypeVar("T")


class Stream(Generic[T]):
    """Things as they happen; iterate with ``for``, and close it (or use ``with``), from any thread.

    It is there from now on: what happens before the first ``next`` is told, too. A ``for`` in another thread
    ends within half a second of its closing (the setting ``poll``).
    """

    def __init__(self, look: Callable[[], Iterable[T]], bell: Bell, poll_s: float) -> None:
        self._look = look
        self._bell = bell
        self._poll_s = poll_s
        self._lock = threading.Lock()
        self._closed = False
        self._waiting = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops listening. Closing twice is harmless."""
        with self._lock:
            free, self._closed = not (self._closed or self._waiting), True
        if free:
            self._bell.close()

    def __iter__(self) -> Iterator[T]:
        with self._lock:
            if self._closed:
                return
            # Whoever waits at the bell closes it: nobody else may take it away meanwhile.
            self._waiting = True
        try:
            while not self._closed:
                self._bell.drain()
                found = False
                for one in self._look():
                    found = True
                    yield one
                if not found:
                    wait_readable(self._bell.fileno(), monotonic() + self._poll_s)
        finally:
            self._closed = True
            self._bell.close()

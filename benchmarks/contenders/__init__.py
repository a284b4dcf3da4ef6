"""How each queue is used at its best.

Every contender offers some of these, as context managers, and a benchmark times what they give; the timing
itself is the same code for all.

``producer(room, …)``   a function that enqueues one job, committed when it returns
``bulk(room)``          a function that enqueues 1,000 jobs in one transaction
``worker(room)``        a ``Worker``: fill it with jobs, then have it work them off
``consumer(room, …)``   a running, idle consumer in other processes: its pids, and a way to hand it a job
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from benchmarks.model import Room

TEXT = "x" * 78
"""Makes the payload ``{"number": 12345, "text": …}`` 107 bytes of JSON."""


class Worker(Protocol):
    """Works off jobs that are in the queue already."""

    def fill(self, count: int) -> None:
        """Puts ``count`` no-op jobs into the queue; none of them starts."""
        ...

    def work_off(self) -> None:
        """Returns when all of them are done."""
        ...


class Consumer(NamedTuple):
    """A consumer that waits in processes of its own."""

    pids: list[int]
    hand_over: Callable[[int], None]
    """Enqueues a job that stamps this slot at its first line."""


def opener(contender: str, verb: str, **options: object) -> Callable[[Room], AbstractContextManager[Any]]:
    """A contender's verb by name, imported only in the subject's own process."""

    def opened(room: Room) -> AbstractContextManager[Any]:
        module = importlib.import_module(f"benchmarks.contenders.{contender}")
        return getattr(module, verb)(room, **options)

    return opened

"""What an executor can tell a pool beyond ``concurrent.futures``, where it knows its workers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class WorkerLost(Exception):
    """The result of what a worker had when it died. ``sole``: it had nothing else."""

    def __init__(self, message: str, *, sole: bool) -> None:
        super().__init__(message)
        self.sole = sole


class Withdrawn(Exception):
    """The result of what a worker no longer has, for no fault of its own."""


class ElasticExecutor(Executor):
    """An executor whose workers come and go, and which can tell whose work is lost.

    Its futures fail with ``WorkerLost`` or ``Withdrawn``; what may be running says that it runs, so that it
    cannot be cancelled.
    """

    @property
    @abstractmethod
    def size(self) -> int:
        """How many pieces of work its workers can do at once now; 0 while there are none."""
        ...

    @abstractmethod
    def submit_alone(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """The same as ``submit``, on a worker that has nothing else meanwhile."""
        ...

    @abstractmethod
    def watch(self, changed: Callable[[], None]) -> None:
        """Calls back, on any thread, when ``size`` has changed."""
        ...

"""What is lent to an attempt by the process that runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from windlass.store.protocol import Claim, Store

if TYPE_CHECKING:
    from windlass.context.kept import KeptLog


class Service(Protocol):
    """The background service, as a handler or start-up callback sees it."""

    def on(self, name: str, callback: Callable[[Any], Any]) -> None:
        """Calls ``callback(data)`` for each message of that name that programs send to the service."""
        ...

    def send(self, name: str, data: Any = None) -> None:
        """Sends a message to the programs that listen."""
        ...

    def stop(self) -> None:
        """Asks the whole service to stop, as ``app.service.stop()`` does."""
        ...


class Resources(Protocol):
    """What a worker process lends to the attempts it runs."""

    @property
    def store(self) -> Store:
        """The database."""
        ...

    @property
    def service(self) -> Service:
        """The service, as handlers see it."""
        ...

    @property
    def transaction_limit_s(self) -> float:
        """How long ``ctx.transaction()`` may hold the write lock."""
        ...

    def open_log(self, claim: Claim) -> KeptLog | None:
        """Where what the attempt logs is kept; None where it is not."""
        ...

    def report_progress(self, claim: Claim, progress: str) -> None:
        """Passes on the JSON text ``[done, total, message]``; must not block for long."""
        ...

"""What a worker process lends to the attempts it runs."""

from __future__ import annotations

from collections.abc import Callable

from windlass.context import Service
from windlass.store.protocol import Claim, Store


class Lent:
    """The ``Resources`` of a worker process."""

    def __init__(
        self,
        store: Store,
        service: Service,
        report: Callable[[Claim, str], None],
        *,
        transaction_limit_s: float = 2.0,
    ) -> None:
        self.store = store
        self.service = service
        self.transaction_limit_s = transaction_limit_s
        self._report = report

    def report_progress(self, claim: Claim, progress: str) -> None:
        """Called by contexts, on any thread."""
        self._report(claim, progress)

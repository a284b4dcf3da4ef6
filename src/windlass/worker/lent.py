"""What a worker process lends to the attempts it runs."""

from __future__ import annotations

from collections.abc import Callable

from windlass.context import Service, see
from windlass.context.kept import KeptLog, LogBook, see_records
from windlass.handlers.kept import log_level
from windlass.store.protocol import Claim, Store
from windlass.target import AppLike


class Lent:
    """The ``Resources`` of a worker process."""

    def __init__(
        self,
        store: Store,
        service: Service,
        report: Callable[[Claim, str], None],
        *,
        transaction_limit_s: float = 2.0,
        logs: LogBook | None = None,
        log_level: Callable[[str], int | None] | None = None,
    ) -> None:
        self.store = store
        self.service = service
        self.transaction_limit_s = transaction_limit_s
        self._report = report
        self._logs = logs
        self._log_level = log_level
        if logs is not None:
            see_records(see)

    def open_log(self, claim: Claim) -> KeptLog | None:
        """Called by contexts when there is something to keep, on any thread."""
        if self._logs is None or self._log_level is None:
            return None
        level = self._log_level(claim.key)
        return None if level is None else self._logs.open(claim, level)

    def report_progress(self, claim: Claim, progress: str) -> None:
        """Called by contexts, on any thread."""
        self._report(claim, progress)


def lent_by(
    app: AppLike, service: Service, report: Callable[[Claim, str], None], logs: LogBook | None
) -> Lent:
    """What a worker process of that app lends."""
    registry, settings = app.registry, app.settings
    return Lent(
        app.store, service, report, transaction_limit_s=settings.transaction_limit, logs=logs,
        log_level=lambda key: log_level(registry, settings.keep_logs, key),
    )  # fmt: skip

"""What the database did not take of a turn, and what becomes of it."""

from __future__ import annotations

import logging

from windlass.outcome import Failed
from windlass.store.protocol import Settlement, Turn

log = logging.getLogger("windlass.worker")


def refused(turn: Turn) -> list[Settlement]:
    """Logs it; what is to be settled instead."""
    for settlement in turn.stale:
        log.warning(
            "job %d: the result of attempt %d came too late and is discarded (%s)",
            settlement.job_id, settlement.attempt, type(settlement.outcome).__name__,
            extra=_fields(settlement),
        )  # fmt: skip
    instead: list[Settlement] = []
    for settlement, error in turn.unsettled:
        log.error(
            "job %d: its outcome cannot be stored: %s", settlement.job_id, error, extra=_fields(settlement)
        )
        verdict = Failed(f"its outcome cannot be stored: {type(error).__name__}: {error}", "permanent")
        instead.append(settlement._replace(outcome=verdict))
    return instead


def _fields(settlement: Settlement) -> dict[str, int]:
    return {"job_id": settlement.job_id, "attempt": settlement.attempt}

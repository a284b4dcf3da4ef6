"""One outcome, one transition: what becomes of the row of a job that did not simply complete.

The row is looked up by id, attempt and token first: who does not find it no longer owns it.
"""

from __future__ import annotations

from windlass.outcome import (
    DEADLINE_MISSED,
    AnyOutcome,
    Cancelled,
    Committed,
    Crashed,
    Failed,
    Quarantined,
    Released,
    Retried,
    Snoozed,
    StopReason,
)
from windlass.store.protocol import Settlement
from windlass.store.relational.engine import Connection
from windlass.store.relational.statements import SQL
from windlass.store.timetable import Instant

CRASHES_ALLOWED = 3
"""A job under which this many processes died alone is FAILED: the next would die, too."""

STOP_REASONS: dict[int, StopReason] = {1: "cancelled", 2: "replaced", 3: "deadline"}
"""What is in ``cancel_requested`` of a job that is to stop."""

_Owned = tuple[int, int | None, int, str | None]


class Settler:
    """Settles the attempts of one turn, inside its transaction."""

    def __init__(self, connection: Connection, instant: Instant, now: str) -> None:
        self._connection = connection
        self._instant = instant
        self.now_us = instant.wall_us
        self.now = now

    def settle(self, settlement: Settlement) -> bool:
        """Settles an attempt that did not simply complete; False where it no longer owns its job."""
        outcome = settlement.outcome
        if isinstance(outcome, Committed):
            return True
        owned: _Owned | None = self._connection.execute(SQL["settle_owned"], settlement[:3]).fetchone()
        if owned is None:
            return False
        asked, allowed, crashes, _ = owned
        stop = STOP_REASONS.get(asked, "cancelled")
        if asked and isinstance(outcome, (Retried, Snoozed, Released, Quarantined, Crashed)):
            outcome = _as_asked(stop)
        match outcome:
            case Retried(error, delay_us, alone):
                self._record(settlement, owned, "retried", error)
                # Where it ran to its own end, it is cleared of whatever it was suspected of.
                self._wait(settlement, owned, delay_us=delay_us, error=error, alone=int(alone))
            case Snoozed(reason, delay_us):
                self._record(settlement, owned, "snoozed", reason)
                self._wait(settlement, owned, delay_us=delay_us, spent=False, alone=0)
            case Released(_, alone):
                self._wait(settlement, owned, spent=False, alone=1 if alone else None)
            case Quarantined(reason):
                self._record(settlement, owned, "held", reason)
                self._wait(settlement, owned, hold=reason, spent=False)
            case Cancelled(reason):
                self._record(settlement, owned, "cancelled", reason)
                word = "replaced" if stop == "replaced" else "cancelled"
                self._end(settlement, status="CANCELLED", reason=word, error=None, crashes=crashes)
            case Failed(error, reason):
                self._record(settlement, owned, "failed", error)
                self._end(settlement, status="FAILED", reason=reason, error=error, crashes=crashes)
            case Crashed(error, sole):
                self._record(settlement, owned, "crashed", error)
                self._crash(settlement, owned, error, sole=sole, allowed=3 if allowed is None else allowed)
            case _:
                raise TypeError(f"no transition for {outcome!r}")
        return True

    def _crash(self, settlement: Settlement, owned: _Owned, error: str, *, sole: bool, allowed: int) -> None:
        crashes = owned[2] + 1 if sole else owned[2]
        exhausted = settlement.attempt >= allowed
        if sole and (exhausted or crashes >= CRASHES_ALLOWED):
            self._end(settlement, status="FAILED", reason="crashed", error=error, crashes=crashes)
            return
        # One of several suspects is not failed for what another may have done.
        self._wait(settlement, owned, error=error, alone=1, crashes=crashes, spent=not exhausted)

    def _wait(
        self,
        settlement: Settlement,
        owned: _Owned,
        *,
        delay_us: int = 0,
        error: str | None = None,
        alone: int | None = None,
        hold: str | None = None,
        crashes: int | None = None,
        spent: bool = True,
    ) -> None:
        run_at, run_at_boot, boot_id = self._instant.after(delay_us) if delay_us > 0 else (None,) * 3
        self._connection.execute(
            SQL["settle_waiting"],
            {
                "id": settlement.job_id,
                "attempts": settlement.attempt if spent else settlement.attempt - 1,
                "error": error,
                "crashes": owned[2] if crashes is None else crashes,
                "alone": alone,
                "hold": hold,
                "run_at": run_at,
                "run_at_boot": run_at_boot,
                "boot_id": boot_id,
                "now": self.now,
            },
        )

    def _end(
        self, settlement: Settlement, *, status: str, reason: str, error: str | None, crashes: int
    ) -> None:
        self._connection.execute(
            SQL["settle_ended"],
            {
                "id": settlement.job_id,
                "status": status,
                "reason": reason,
                "error": error,
                "crashes": crashes,
                "now_us": self.now_us,
                "now": self.now,
            },
        )

    def _record(self, settlement: Settlement, owned: _Owned, outcome: str, error: str) -> None:
        self._connection.execute(
            SQL["record_attempt"],
            (settlement.job_id, settlement.attempt, outcome, owned[3], self.now_us, error),
        )
        self._connection.execute(SQL["forget_attempts"], (settlement.job_id,))


def _as_asked(stop: StopReason) -> AnyOutcome:
    """What becomes of a job that was to stop, and would run again otherwise."""
    return Failed(DEADLINE_MISSED, "deadline") if stop == "deadline" else Cancelled(f"it was {stop}")

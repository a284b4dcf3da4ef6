"""What becomes of a job that was made to stop: it goes by why, whether or not it had begun."""

from __future__ import annotations

from windlass.outcome import DEADLINE_MISSED, AnyOutcome, Cancelled, Failed, Released, StopReason


def stopped(reason: StopReason | None, how: str, *, alone: bool = False) -> AnyOutcome:
    """The outcome of an attempt that did not end by itself; ``how`` goes on from the reason.

    >>> stopped("cancelled", "before it started")
    Cancelled(reason='cancelled before it started')
    >>> stopped("constraint", "before it started")
    Released(reason='its condition was lost before it started', alone=False)
    """
    match reason:
        case "cancelled" | "replaced":
            return Cancelled(f"{reason} {how}")
        case "deadline":
            return Failed(DEADLINE_MISSED, "deadline")
        case "constraint":
            return Released(f"its condition was lost {how}", alone=alone)
        case _:
            return Released(f"recalled {how}", alone=alone)

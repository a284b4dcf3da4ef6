"""What the dispatcher asks of whatever runs its jobs, and what it hears from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from windlass.context import StopReason
from windlass.outcome import AnyOutcome
from windlass.store.logbook import LogChunk
from windlass.store.protocol import Claim, Lane


class Inbox(Protocol):
    """The dispatcher's ear. Called in the dispatcher's own thread only."""

    def settled(self, claim: Claim, outcome: AnyOutcome, took_us: int | None = None) -> None:
        """An attempt is over; it took so long, where that was measured."""
        ...

    def progressed(self, claim: Claim, progress: str) -> None:
        """A running attempt says how far it is (JSON text)."""
        ...

    def logged(self, chunk: LogChunk) -> None:
        """An attempt has logged something; what it said before its end comes before ``settled``."""
        ...

    def message(self, name: str, data: Any, request_id: int | None) -> None:
        """A worker sends a message to the programs outside, or a reply to one of them."""
        ...

    def stop_asked(self) -> None:
        """A worker asks the whole service to stop."""
        ...

    def ready(self) -> None:
        """A worker has become ready."""
        ...

    def failed(self, reason: str) -> None:
        """The pool cannot go on: start-up failed."""
        ...


class Pool(Protocol):
    """Runs claimed jobs. All calls come from the dispatcher's thread.

    A claim is *placed* while its transaction is open, then either sent by ``flush`` after the commit or
    forgotten by ``unplace``.
    """

    def start(self, inbox: Inbox) -> None:
        """Begins; may return before anything is ready."""
        ...

    def filenos(self) -> Sequence[int]:
        """What to wait on: readable when ``collect`` has something to do."""
        ...

    def cap(self, lane: Lane) -> int:
        """How many jobs of that lane it would take now."""
        ...

    def place(self, claim: Claim) -> bool:
        """Reserves room for a claim, or declines it."""
        ...

    def flush(self) -> None:
        """Sends what was placed."""
        ...

    def unplace(self) -> None:
        """Forgets what was placed: its transaction did not commit."""
        ...

    def collect(self) -> None:
        """Tells the inbox what happened since the last call; never blocks."""
        ...

    def tick(self, now: float) -> float | None:
        """Minds timeouts, recalls and replacements; the next moment (``clock.monotonic``) it wants a tick."""
        ...

    def held(self) -> list[int]:
        """Ids of all jobs given and not settled."""
        ...

    def cancel(self, job_id: int, reason: StopReason) -> None:
        """Asks a job to stop: takes it back where it has not started, tells its handler where it has."""
        ...

    def recall(self) -> None:
        """Takes back everything that has not started."""
        ...

    def broadcast(self, name: str, data: Any, request_id: int | None) -> None:
        """Brings a message from outside to every worker."""
        ...

    def scale(self, count: int) -> None:
        """Has so many workers from now on: more are started; of too many, each ends when its jobs have."""
        ...

    def stop(self, *, interrupt: bool) -> None:
        """Tells running handlers to come to an end; nothing new will be placed.

        First without ``interrupt``: async handlers may go on, too. When the grace is nearly over, with it.
        """
        ...

    def kill(self) -> None:
        """Ends everything now; what had not finished is reported as released."""
        ...

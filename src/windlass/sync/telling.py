"""What is kept of how a push or a pull went, and what people hear of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from windlass.change import Key
from windlass.clock import Clock, from_us
from windlass.duration import describe
from windlass.errors import RemoteError, SyncError
from windlass.events import ConflictWaiting, Event, SyncFailed, SyncFailing, SyncRecovered
from windlass.sync.cycle import Cycle, Over
from windlass.sync.origins import wait_us_until
from windlass.sync.pulled import Pulled
from windlass.sync.push import Pushed
from windlass.sync.ways import Direction, Way, is_of_one_way, trouble_of

log = logging.getLogger("windlass.sync")

FAILING_AFTER_US = 900_000_000
"""An outage is told to people when it has lasted this long."""


class Tell(Protocol):
    """Brings events to people; see ``notify``."""

    def tell(self, event: Event, *, subject: str) -> bool:
        """Tells it, unless its subject was told already and has not been cleared since."""
        ...

    def clear(self, subject: str, event: Event | None = None) -> bool:
        """The subject is over; ``event`` says so, where it had been told."""
        ...


class Postponed(SyncError):
    """Nothing can be done now: the job comes back after ``wait_us``. Counts no attempt."""

    def __init__(self, message: str, wait_us: int) -> None:
        super().__init__(message)
        self.wait_us = wait_us


class Telling:
    """Writes it down, and tells it."""

    def __init__(self, clock: Callable[[], Clock], tell: Callable[[], Tell]) -> None:
        self._clock = clock
        self._tell = tell

    # ── how it went ────────────────────────────────────────────────────────────────────────────
    def waits(self, cycle: Cycle, direction: Direction) -> Postponed | None:
        """Why nothing may be asked now; None: it may."""
        if wait_us := cycle.origin.wait_us():
            state = cycle.origin.state()
            # For those who look on and cannot make the remote: it is this server that is waited for.
            _note(cycle, "origin", state.origin)
            return Postponed(f"{state.origin} is {state.state}: {state.reason}", wait_us)
        trouble = self.way(cycle, direction).trouble()
        if trouble is not None and (wait_us := wait_us_until(trouble.until_us, self._clock())):
            return Postponed(f"its {direction} is failing: {trouble.reason}", wait_us)
        return None

    def failed(self, cycle: Cycle, direction: Direction, error: RemoteError, *, stopping: bool) -> Postponed:
        """The remote did not answer as hoped: the origin waits, or this way of the resource alone."""
        if stopping:
            # We have ended it, or would have: that says nothing about the server.
            return Postponed(f"it was to stop: {error}", 0)
        now_us = self._clock().wall_us()
        cycle.ledger.note(cycle.name, "last_error", f"{type(error).__name__}: {error}")
        _note(cycle, "origin", cycle.origin.name)
        if is_of_one_way(error):
            # Whatever was wrong with the server before: it answers. What it asked for is kept to, though.
            if not cycle.origin.wait_us() and cycle.origin.answered() is not None:
                self._tell().clear(_subject(cycle), SyncRecovered(cycle.name, cycle.origin.name))
            way = self.way(cycle, direction)
            trouble = way.failed(error)
            state, since_us, subject = "failing", trouble.since_us, way.subject
            wait_us = (trouble.until_us or now_us) - now_us
        else:
            wait_us = cycle.origin.failed(error)
            origin = cycle.origin.state()
            state, since_us, subject = origin.state, origin.since_us, _subject(cycle)
        if now_us - since_us >= FAILING_AFTER_US or state == "unauthorized":
            event = SyncFailing(cycle.name, cycle.origin.name, f"{state}: {error}", from_us(since_us))
            self._tell().tell(event, subject=subject)
        log.info("%s: %s; again in %s", cycle.name, error, describe(wait_us))
        return Postponed(f"{state}: {error}", wait_us)

    def went_well(self, cycle: Cycle, direction: Direction, *, asked: bool) -> None:
        """It came to its end. ``asked``: the remote has answered, which otherwise nobody knows."""
        way, notes = self.way(cycle, direction), cycle.ledger.notes(cycle.name)
        if trouble_of(notes, direction) is not None:
            way.went_well()
        recovered = SyncRecovered(cycle.name, cycle.origin.name)
        for subject in (way.subject, _subject(cycle)) if asked else (way.subject,):
            self._tell().clear(subject, recovered)
        other = trouble_of(notes, "pull" if direction == "push" else "push")
        if notes.get("last_error") is not None and (asked or cycle.origin.state().state == "ok"):
            cycle.ledger.note(cycle.name, "last_error", None if other is None else other.reason)
        if direction == "push":
            cycle.ledger.note(cycle.name, "pushed_at_us", self._clock().wall_us())

    def way(self, cycle: Cycle, direction: Direction) -> Way:
        """That way of the resource."""
        return Way(cycle.name, direction, cycle.ledger, self._clock())

    # ── what it did ────────────────────────────────────────────────────────────────────────────
    def pushed(self, name: str, done: Pushed) -> None:
        """What waits for a person since this push, and what does no more."""
        for key, reason in done.rejected:
            self._tell().tell(SyncFailed(name, key, reason), subject=f"dead:{name}:{key}")
        self.conflicts(name, done.asked, done.over)

    def conflicts(self, name: str, asked: list[tuple[Key, tuple[str, ...]]], over: list[Over]) -> None:
        """Conflicts that a person is to resolve, and what a person was told of and is over."""
        for kind, key in over:
            self._tell().clear(f"{kind}:{name}:{key}")
        for key, fields in asked:
            self._tell().tell(ConflictWaiting(name, key, fields), subject=f"conflict:{name}:{key}")

    def pulled(self, cycle: Cycle, done: Pulled) -> None:
        """What the next pull, and a person, are to know of this one."""
        if done.max_age_s is not None:
            cycle.ledger.note(cycle.name, "max_age_us", int(done.max_age_s * 1_000_000))
        cycle.ledger.note(cycle.name, "sweep_refused", done.sweep_refused)
        if done.ended:
            cycle.ledger.note(cycle.name, "columns", [column.name for column in cycle.table.columns])
        if done.sweep_refused:
            log.warning("%s: %s", cycle.name, done.sweep_refused)


def _note(cycle: Cycle, name: str, value: str | None) -> None:
    """Writes it down where it is not known yet."""
    if cycle.ledger.notes(cycle.name).get(name) != value:
        cycle.ledger.note(cycle.name, name, value)


def _subject(cycle: Cycle) -> str:
    return f"origin:{cycle.origin.name}"

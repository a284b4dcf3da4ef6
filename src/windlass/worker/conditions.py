"""What must hold for waiting and running jobs, against what the device says.

A lane is opened when its constraints hold, and nothing is written when they cease to. A running job is asked
to stop when one of them was lost for ``LOST_S``; what came back before that has disturbed nobody. Where
nobody can tell any more, nothing is started and nothing is stopped. A change of files only starts jobs.

A condition that comes and goes must not start and stop the same work all day: after two losses within a
minute it has to hold for ``STEADY_S`` before its lanes are opened again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from windlass.clock import Clock, earliest, monotonic
from windlass.constraints import Constraints, blocked_by, conditions, from_text
from windlass.context.joblog import fields_of
from windlass.errors import InvalidJob
from windlass.facts import UNREAD, DeviceState, Fact, Files, Unknown
from windlass.store.protocol import Claim, Lane, Store

if TYPE_CHECKING:
    from windlass.device import AnyDevice

log = logging.getLogger("windlass.worker")

LOST_S = 0.5
STEADY_S = 10.0
_LOSSES_WITHIN_S, _LOSSES_ALLOWED = 60.0, 1
_PUBLISH_S = 1.0
_LINGER_S = 60.0
"""What was read stays published for so long after the last job with constraints."""
_HOLD_STEP = 1000

OpenDevice = Callable[[Callable[[], None]], "AnyDevice"]
"""Begins to look at the device; the argument is called, on any thread, when something may have turned."""


def own_device(state_dir: Path, clock: Clock) -> OpenDevice:
    """Looks at this machine, with no conditions but those that Windlass knows by itself."""

    def open_device(on_change: Callable[[], None]) -> AnyDevice:
        from windlass.device import Device

        return Device(on_change, folder=str(state_dir.parent), clock=clock)

    return open_device


class Conditions:
    """The conditions of one dispatcher's jobs. Used on its thread alone; ``wake`` is called on others.

    Nothing is started before the first lane with constraints is seen.
    """

    def __init__(self, store: Store, open_device: OpenDevice, wake: Callable[[], None]) -> None:
        self._store = store
        self._open_device = open_device
        self._wake = wake
        self._device: AnyDevice | None = None
        self._state = DeviceState(now_us=0)
        self._asked: dict[str, _Asked] = {}
        self._waiting: frozenset[str] = frozenset()
        self._wanted: frozenset[str] = frozenset()
        self._running: dict[int, Claim] = {}
        self._told_to_stop: set[int] = set()
        self._publish_at: float | None = None
        self._published: tuple[dict[str, Fact], dict[str, int]] | None = None
        self.owner = 0

    def register(self, owner: int) -> None:
        """The dispatcher's id from now on: what is read is published under it."""
        self.owner, self._published = owner, None
        self.turned()

    # ── what waits ─────────────────────────────────────────────────────────────────────────────
    def sift(self, lanes: list[Lane]) -> list[Lane]:
        """Those that may be opened now, of all that were found just now."""
        self._waiting = frozenset(lane.constraints for lane in lanes if lane.constraints is not None)
        if not self._waiting and not self._wanted:
            return lanes
        self._want()
        return [lane for lane in lanes if self.allows(lane)]

    def allows(self, lane: Lane) -> bool:
        """May it be opened? What cannot be read is held."""
        if lane.constraints is None:
            return True
        asked = self._asked.get(lane.constraints)
        if asked is None:
            return False
        if asked.constraints is None:
            while self._store.hold_lane(lane, asked.unreadable, _HOLD_STEP) == _HOLD_STEP:
                pass
            return False
        if not asked.holds or monotonic() < asked.steady_at:
            return False
        if not asked.constraints.files:
            return True
        since_us = self._store.waits_since(lane)
        return not blocked_by(asked.constraints, self._state, since_us=since_us)

    def changed_us(self, lanes: Iterable[Lane]) -> dict[Lane, int]:
        """For lanes that wait for files: when those changed. Jobs enqueued later wait for the next time."""
        found: dict[Lane, int] = {}
        for lane in lanes if self._wanted else ():
            asked = None if lane.constraints is None else self._asked.get(lane.constraints)
            if asked is not None and asked.constraints is not None and asked.constraints.files:
                names = [one.fact for one in conditions(asked.constraints) if one.field == "files"]
                fact = self._state.facts.get(names[0])
                if isinstance(fact, Files) and fact.changed_us is not None:
                    found[lane] = fact.changed_us
        return found

    def _want(self) -> None:
        running = frozenset(claim.constraints for claim in self._running.values() if claim.constraints)
        wanted = self._waiting | running
        if wanted == self._wanted:
            return
        self._wanted = wanted
        now = monotonic()
        for text in wanted - self._asked.keys():
            self._asked[text] = _Asked(text)
        self._asked = {
            text: asked for text, asked in self._asked.items() if text in wanted or asked.has_flapped(now)
        }
        if self._device is None:
            self._device = self._open_device(self._wake)
        readable = (self._asked[text].constraints for text in wanted)
        self._device.want([constraints for constraints in readable if constraints is not None])
        self.turned()

    def turned(self) -> None:
        """The device may say something else than before."""
        if self._device is None:
            return
        self._state = self._device.state()
        now = monotonic()
        for text in self._wanted:
            self._asked[text].judge(self._state, now)
        if self._wanted:
            self._publish_at = now if self._published is None else now + _PUBLISH_S
        else:
            self._publish_at = now + _LINGER_S

    # ── what runs ──────────────────────────────────────────────────────────────────────────────
    def started(self, claims: Iterable[Claim]) -> None:
        """These were claimed."""
        if self._wanted:
            self._running |= {claim.job_id: claim for claim in claims if claim.constraints is not None}

    def over(self, claim: Claim) -> None:
        """That attempt has ended."""
        if claim.constraints is None:
            return
        self._running.pop(claim.job_id, None)
        self._told_to_stop.discard(claim.job_id)

    def lost(self, now: float) -> list[Claim]:
        """The running jobs that are to stop, each once."""
        found: list[Claim] = []
        for job_id, claim in self._running.items():
            asked = self._asked.get(claim.constraints or "")
            if asked is None or job_id in self._told_to_stop or not asked.is_lost(now):
                continue
            self._told_to_stop.add(job_id)
            faults = "; ".join(asked.faults)
            log.info("job %d (%s) is asked to stop: %s", job_id, claim.key, faults, extra=fields_of(claim))
            found.append(claim)
        return found

    # ── its times ──────────────────────────────────────────────────────────────────────────────
    def has_steadied(self, now: float) -> bool:
        """True once, when lanes may be opened that had to wait although their conditions held."""
        found = False
        for asked in self._asked.values():
            if asked.opens_at is not None and now >= asked.opens_at:
                asked.opens_at = None
                found = True
        return found

    @property
    def next_moment(self) -> float | None:
        """When something is to be done next (``clock.monotonic``)."""
        if not self._asked and self._publish_at is None:
            return None
        moments = [asked.opens_at for asked in self._asked.values()]
        for job_id, claim in self._running.items():
            # What only waits is not lost, and what was told to stop is not told again.
            if job_id not in self._told_to_stop and (asked := self._asked.get(claim.constraints or "")):
                moments.append(asked.lost_at)
        return earliest(self._publish_at, min((one for one in moments if one is not None), default=None))

    def publish(self, now: float) -> None:
        """Writes down what is read, for whoever asks why a job waits."""
        if self._publish_at is None or now < self._publish_at:
            return
        self._publish_at = None
        if not self._wanted:
            self._published = None
            self._store.forget_device(self.owner)
        elif self._published != (read := (self._state.facts, self._state.since)):
            self._store.publish_device(self.owner, self._state.to_text())
            self._published = read

    def close(self) -> None:
        """Looks no more."""
        device, self._device = self._device, None
        if device is not None:
            device.close()


class _Asked:
    """One set of constraints, and how it stands."""

    def __init__(self, text: object) -> None:
        self.constraints: Constraints | None = None
        self.unreadable = ""
        self.holds = False
        self.steady_at = 0.0
        self.opens_at: float | None = None
        self.faults: list[str] = []
        self._lost_at: float | None = None
        self._losses: list[float] = []
        self._counted = False
        try:
            if not isinstance(text, str):
                raise InvalidJob(f"expected JSON text, got {text!r:.80}")
            self.constraints = from_text(text)
        except (InvalidJob, RecursionError) as error:
            self.unreadable = f"its constraints cannot be read: {error}"

    def judge(self, state: DeviceState, now: float) -> None:
        """Takes in what the device says now."""
        if self.constraints is None:
            return
        held, self.holds = self.holds, not blocked_by(self.constraints, state)
        if self.holds and not held:
            flaps = self.has_flapped(now)
            self.steady_at = now + STEADY_S if flaps else now
            self.opens_at = self.steady_at if flaps else None
        self.faults = lost_of(self.constraints, state)
        if not self.faults:
            self._lost_at, self._counted = None, False
        elif self._lost_at is None:
            self._lost_at = now

    def is_lost(self, now: float) -> bool:
        """It was lost for long enough that work has to stop."""
        if self._lost_at is None or now < self._lost_at + LOST_S:
            return False
        if not self._counted:
            self._counted = True
            self._losses = [*(at for at in self._losses if at > now - _LOSSES_WITHIN_S), now]
        return True

    def has_flapped(self, now: float) -> bool:
        """It has stopped work more than once of late."""
        return sum(at > now - _LOSSES_WITHIN_S for at in self._losses) > _LOSSES_ALLOWED

    @property
    def lost_at(self) -> float | None:
        """From when on work has to stop; None where nothing is amiss."""
        return None if self._lost_at is None else self._lost_at + LOST_S


def lost_of(constraints: Constraints, state: DeviceState) -> list[str]:
    """What is known to hold no longer while a job runs; empty: it may go on."""
    faults: list[str] = []
    for condition in conditions(constraints):
        fact = state.facts.get(condition.fact, UNREAD)
        # What nobody can tell stops nobody, and files that changed have changed.
        if condition.field == "files" or isinstance(fact, Unknown):
            continue
        fault = condition.fault(fact, state.now_us, None)
        if fault is not None:
            faults.append(fault)
    return faults

"""The simulated dispatchers: real sources, asked as a dispatcher asks them, and jobs that take time.

A real dispatcher looks at least once a minute. Here a look is left out where it could find nothing, which is
when nobody has set a clock or changed a schedule since the last one: it sleeps to the last whole minute
before the first moment of which the store told it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tests.simulate.world import MINUTE, MS, SECOND, World, whole_ms
from windlass.clock import Clock
from windlass.job import Job
from windlass.outcome import Completed
from windlass.store.protocol import Claim, ClaimRequest, Inserted, NewJob, Settlement, Store
from windlass.store.timetable import Instant, ScheduleRow
from windlass.worker.asking import Asking
from windlass.worker.periodic import Periodic

SLOTS = 20
_NEVER = 1 << 62


class Killed(BaseException):
    """This dispatcher's process is gone, wherever it was: nothing in it may catch that."""


class Eyes:
    """The store as one dispatcher's source sees it: what it does is logged, and others may get in between."""

    def __init__(self, store: Store, world: World, place: int, between: Callable[[str], None]) -> None:
        self._store, self._world, self._place, self._between = store, world, place, between
        self.target_us = _NEVER
        """When the store has something for it next, on the awake clock."""

    @property
    def clock(self) -> Clock:
        return self._store.clock

    def instant(self) -> Instant:
        return self._store.instant()

    def schedules(self) -> list[ScheduleRow]:
        return self._store.schedules()

    def strange_schedules(self) -> list[ScheduleRow]:
        self._world.note("looks", self._place)
        return self._store.strange_schedules()

    def retell_schedules(self, now: Instant) -> int:
        return self._store.retell_schedules(now)

    def due_schedules(self, now: Instant) -> list[tuple[ScheduleRow, bool]]:
        rows = self._store.due_schedules(now)
        if rows:
            self._between("read")
        return rows

    def next_schedule_us(self, now: Instant) -> int | None:
        wait_us = self._store.next_schedule_us(now)
        self.target_us = _NEVER if wait_us is None else self._world.awake_us + wait_us
        self._world.note("looked", self._place)
        return wait_us

    def put_schedule(self, row: ScheduleRow, *, replaces: int | None) -> bool:
        return self._store.put_schedule(row, replaces=replaces)

    def get(self, job_id: int) -> Job | None:
        return self._store.get(job_id)

    def fire_schedule(
        self, row: ScheduleRow, jobs: Sequence[NewJob], *, replaces: int
    ) -> list[Inserted] | None:
        self._between("before it fires")
        made = self._store.fire_schedule(row, jobs, replaces=replaces)
        if made is not None and not made:
            self._world.note("passed over", row.name)
        elif made:
            dues = [msgspec.json.decode(job.meta or "")["due"] for job in jobs]
            ids = [one.job_id for one in made]
            self._world.note("fired", row.name, tuple(dues), tuple(ids), jobs[0].unique is not None)
        self._between("fired")
        return made


class Dispatcher:
    """One process of the fleet, from its start to its end."""

    def __init__(self, fleet: Fleet, place: int, declare: Callable[[], None]) -> None:
        self.fleet, self.world, self.place = fleet, fleet.world, place
        self.owner = fleet.store.register(
            host="simulated", pid=1, lock_file=f"{place}", version="1", mode="run", job_keys=None
        )
        self.is_up = True
        self.is_looking = False
        self._heard_meanwhile = False
        self.running: dict[int, Claim] = {}
        self.eyes = Eyes(fleet.store, fleet.world, place, self._between)
        store: Any = self.eyes
        self.source = Periodic(store, declare)
        self._asking = Asking([self.source])
        self._wakes_us = _NEVER
        self._looks_each_minute = True

    def wake(self) -> None:
        """Asks its source where that wants to be asked, and takes what is ready."""
        if not self.is_up or self.is_looking:
            return
        self.is_looking = True
        try:
            due = self._asking.ask()
        except Killed:
            return
        finally:
            self.is_looking = False
        self.claim()
        self._rest(due)
        if self._heard_meanwhile:
            self._heard_meanwhile = False
            self.heard()

    def heard(self) -> None:
        """Somebody has written something."""
        if self.is_looking:
            self._heard_meanwhile = True
            return
        self._asking.heard(self.world.monotonic())
        self._wake_at(self.world.awake_us + whole_ms(self.world.random.uniform(0, 20 * MS)))

    def meets(self) -> None:
        """It hears of something at the very moment at which another looks."""
        self._asking.heard(self.world.monotonic())
        self.wake()

    def disturbed(self) -> None:
        """What it knows may be wrong, and it will find that out when it next looks: within a minute, if it
        asked for that."""
        if not self._looks_each_minute:
            return
        minute = math.floor(self.world.monotonic() // 60.0 + 1) * MINUTE
        if minute < self._wakes_us:
            self._wake_at(minute)

    def claim(self, settlements: Sequence[Settlement] = ()) -> None:
        """Settles, and takes ready jobs, as many as it has room for."""
        room = SLOTS - len(self.running)
        lanes = self.fleet.store.lanes() if self.fleet.ready and room else []
        if not lanes and not settlements:
            self.fleet.ready = self.fleet.ready and not room
            return
        request = ClaimRequest(self.owner, room, dict.fromkeys(lanes, room), lambda _: True)
        turn = self.fleet.store.settle_and_claim(settlements, request if lanes else None)
        for stale in turn.stale:
            self.world.note("stale", stale.job_id)
        self.fleet.ready = turn.more or (self.fleet.ready and not room)
        for claim in turn.claimed:
            self.running[claim.job_id] = claim
            self.world.note("starts", claim.job_id)
            self.world.after(self.fleet.work_us(claim.key), lambda claim=claim: self._end(claim))

    def kill(self) -> None:
        """It is gone at once, and what ran in it."""
        self.is_up = False

    def _end(self, claim: Claim) -> None:
        if not self.is_up:
            return
        del self.running[claim.job_id]
        self.world.note("ended", claim.job_id)
        self._asking.ends(claim.key)
        self.claim([Settlement(claim.job_id, claim.attempt, claim.token, Completed())])
        self._asking.settled(self.world.monotonic())
        self.fleet.settled(self)
        self.wake()

    def _between(self, where: str) -> None:
        self.fleet.between(self, where)
        if not self.is_up:
            self.world.note("killed in a look", self.place)
            raise Killed

    def _rest(self, due: float | None) -> None:
        now_us, target_us = self.world.awake_us, self.eyes.target_us
        due_us = _NEVER if due is None else whole_ms(due * SECOND - 1)
        self._looks_each_minute = due_us <= now_us + MINUTE + MS
        is_net = due_us < target_us - SECOND and due_us > now_us + SECOND
        if is_net:
            due_us = _NEVER if target_us == _NEVER else max(due_us, target_us // MINUTE * MINUTE)
        self._wakes_us = _NEVER
        if due_us != _NEVER:
            self._wake_at(max(due_us, now_us + MS))

    def _wake_at(self, awake_us: int) -> None:
        self._wakes_us = min(self._wakes_us, awake_us)
        self.world.at(self._wakes_us, lambda at=self._wakes_us: self._woken(at))

    def _woken(self, at_us: int) -> None:
        if at_us == self._wakes_us:
            self._wakes_us = _NEVER
            self.wake()


class Fleet:
    """Eight places for dispatchers, on one file."""

    def __init__(
        self, world: World, store: Store, declare: Callable[[], None], work_us: Callable[[str], float]
    ) -> None:
        self.world, self.store, self.work_us = world, store, work_us
        self.places: list[Dispatcher | None] = [None] * 8
        self.ready = False
        self.meddle: Callable[[], None] = lambda: None
        """Somebody changes a schedule."""
        self._declare = declare
        self._lost: list[int] = []
        """Dead dispatchers whose jobs are to be taken back."""

    @property
    def up(self) -> list[Dispatcher]:
        return [one for one in self.places if one is not None and one.is_up]

    def start(self, place: int) -> None:
        """A dispatcher starts there, unless one is up."""
        one = self.places[place]
        if one is not None and one.is_up:
            return
        self.world.note("up", place)
        one = self.places[place] = Dispatcher(self, place, self._declare)
        self._take_back()
        self.ready = True
        one.wake()

    def kill(self, place: int) -> None:
        """The dispatcher there dies; others notice soon."""
        one = self.places[place]
        if one is None or not one.is_up:
            return
        one.kill()
        self.world.note("down", place)
        self._lost.append(one.owner)
        self.world.after(self.world.random.uniform(0.1, 5) * SECOND, self._notice)

    def disturb(self) -> None:
        """All will look again within a minute."""
        for one in self.up:
            one.disturbed()

    def ring(self) -> None:
        """All look again at once, in any order."""
        up = self.up
        self.world.random.shuffle(up)
        for one in up:
            one.heard()

    def settled(self, by: Dispatcher) -> None:
        """The others hear of it, or come to it within a minute."""
        for one in self.up:
            if one is not by and self.world.random.random() < 0.05:
                one.heard()
            elif one.source.job_keys:
                one.disturbed()

    def between(self, who: Dispatcher, where: str) -> None:
        """In the middle of a look, something else happens: another looks, somebody meddles, or it dies."""
        fate = self.world.random.random()
        if where == "fired":
            self.ready = True
        elif fate < 0.3:
            others = [one for one in self.up if one is not who and not one.is_looking]
            if others:
                self.world.random.choice(others).meets()
        if fate > 0.998:
            self.kill(who.place)
        elif fate > 0.993:
            self.meddle()

    def _notice(self) -> None:
        if self.up and self._lost:
            self._take_back()
            self.world.random.choice(self.up).claim()

    def _take_back(self) -> None:
        for owner in self._lost:
            self.store.reclaim(owner)
            self.store.unregister(owner)
            self.ready = True
        self._lost.clear()

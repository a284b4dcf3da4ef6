"""Bugs to plant, so that the judge can be seen to catch them.

Each is a classic of schedulers, done to Windlass from outside and undone at the end of the simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import msgspec

from windlass.schedule import Every, Firing, Spec, due, from_text, rules
from windlass.schedule.wall import next_reading
from windlass.store.protocol import NewJob
from windlass.store.relational.scheduling import Scheduling
from windlass.store.timetable import Instant, ScheduleRow
from windlass.worker import periodic
from windlass.worker.periodic import Periodic

Patch = Any
_fire, _look, _wait = Scheduling.fire_schedule, Periodic.look, Scheduling.next_schedule_us


def ignores_turn() -> Patch:
    """Who finds a schedule due makes its jobs, though another was faster."""

    def fire(self: Any, row: ScheduleRow, jobs: Sequence[NewJob], *, replaces: int) -> Any:
        current = self.schedule(row.name)
        return _fire(self, row, jobs, replaces=replaces if current is None else current.turn)

    return mock.patch.object(Scheduling, "fire_schedule", fire)


def drifts() -> Patch:
    """The next run is counted from this one, which was a little late."""
    return mock.patch.object(Every, "next_after", lambda self, nominal_us, now_us: now_us + self.span_us)


def fires_twice_in_a_fold() -> Patch:
    """A local time that comes twice is served twice."""
    return mock.patch.object(rules, "next_named_time", next_reading)


def loses_what_was_missed_when_off() -> Patch:
    """After a reboot an interval is counted from then."""

    def on_this_boot(self: ScheduleRow, spec: Spec, now: Instant) -> ScheduleRow:
        if self.boot_id in (now.boot_id, None):
            return self
        return self.waiting_for(spec.rule, now.boot_us + spec.every, now)

    return mock.patch.object(ScheduleRow, "on_this_boot", on_this_boot)


def repeats_after_a_jump_back() -> Patch:
    """Where the wall clock was set back, what is waited for is worked out anew, whatever has fired."""
    seen_us = [0]

    def look(self: Any) -> float | None:
        now = self._store.instant()
        was_set_back, seen_us[0] = now.wall_us < seen_us[0], now.wall_us
        for row in self._store.schedules() if was_set_back else []:
            rule = from_text(row.spec).rule
            if rule.elapsed or row.next_at_us is None:
                continue
            next_us = rule.next_after(now.wall_us, now.wall_us)
            if next_us is not None and next_us < row.next_at_us:
                self._store.put_schedule(row.waiting_for(rule, next_us, now), replaces=row.turn)
        return _look(self)

    return mock.patch.object(Periodic, "look", look)


def makes_up_for_what_is_to_be_skipped() -> Patch:
    """``missed="skip"`` is read as ``"latest"``."""

    def kind(spec: Spec, due_us: int, now_us: int) -> Firing:
        missed = "latest" if spec.missed == "skip" else spec.missed
        return due(msgspec.structs.replace(spec, missed=missed), due_us, now_us)

    return mock.patch.object(periodic, "due", kind)


def forgets_what_it_has_skipped_over() -> Patch:
    """Of several missed runs that may not overlap, only the first is made."""

    def hasty(spec: Spec, due_us: int, now_us: int) -> Firing:
        firing = due(spec, due_us, now_us)
        if firing.next_us is None or firing.next_us > now_us:
            return firing
        return Firing(firing.nominals, spec.rule.next_after(now_us, now_us))

    return mock.patch.object(periodic, "due", hasty)


def overlaps() -> Patch:
    """A run is made while the last one goes on."""
    job = ScheduleRow.job

    def made(self: ScheduleRow, spec: Spec, nominal_us: int) -> NewJob:
        return msgspec.structs.replace(job(self, spec, nominal_us), unique=None)

    return mock.patch.object(ScheduleRow, "job", made)


def sleeps_too_long() -> Patch:
    """A wait ignores how much a run may be late."""

    def wait(self: Any, now: Instant) -> int | None:
        wait_us = _wait(self, now)
        return None if wait_us is None else wait_us + 1_500_000

    return mock.patch.object(Scheduling, "next_schedule_us", wait)


def trusts_its_wait() -> Patch:
    """A wait is not cut short, though it counts neither the time asleep nor that the clock is set."""
    return mock.patch.object(periodic, "next_minute", lambda now: now + 1e9)


def forgets_that_the_clock_was_set() -> Patch:
    """What a row says on the wall clock stays as it was before that was set; a reboot takes it for true."""
    return mock.patch.object(Scheduling, "retell_schedules", return_value=0)


BUGS: dict[str, Callable[[], Patch]] = {
    bug.__name__: bug
    for bug in (
        ignores_turn,
        drifts,
        fires_twice_in_a_fold,
        loses_what_was_missed_when_off,
        repeats_after_a_jump_back,
        makes_up_for_what_is_to_be_skipped,
        forgets_what_it_has_skipped_over,
        overlaps,
        sleeps_too_long,
        trusts_its_wait,
        forgets_that_the_clock_was_set,
    )
}


@contextmanager
def planted(name: str | None) -> Generator[None]:
    """The library with that bug in it, or as it is."""
    if name is None:
        yield
        return
    with BUGS[name]():
        yield

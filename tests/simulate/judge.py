"""Says from the log of a world what its schedules promised, and whether that, and nothing else, was done.

It goes through the log once. At each run it knows what was owed at this moment; when a look has ended,
nothing may be owed any more. So what is missing is found at the next look, and that looks come in time is
found by how late the runs are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tests.simulate.promise import Promise
from tests.simulate.world import MINUTE, MS, SECOND, Event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WAKING_US = 100 * MS
"""So long at most from when a wait is over to the look."""
_LOOK_US = MINUTE + SECOND
"""So long at most until somebody looks, after anything that nobody could foresee."""


class Fault(NamedTuple):
    """Something that a schedule's policy does not promise, or that it promises and that was not done."""

    what: str
    schedule: str
    nominal: str
    at: str
    """The true time."""

    def __str__(self) -> str:
        return f"{self.what}: schedule {self.schedule!r}, nominal time {self.nominal}, seen at {self.at}"


class Verdict(NamedTuple):
    """What was found."""

    faults: list[Fault]
    figures: dict[str, int]

    def kinds(self) -> Counter[str]:
        """How many faults of each kind."""
        return Counter(fault.what for fault in self.faults)


class Judge:
    """Goes through one log."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.figures: Counter[str] = Counter()
        self._kept: dict[str, Promise] = {}
        self._unfinished: dict[int, tuple[str, bool]] = {}
        """Of each job, its schedule, and whether it keeps others of that from running."""
        self._to_end: set[int] = set()
        """Jobs that were made while there was time left to run them."""
        self._busy: Counter[str] = Counter()
        self._ended: set[int] = set()
        self._changed: dict[str, int] = {}
        """At which event each was last changed by people."""
        self._looks: dict[int, int] = {}
        self._disturbed_us = 0
        self._place = 0
        self._now = Event(0, 0, 1, "", ())

    def hear(self, log: Sequence[Event]) -> Verdict:
        """All of it."""
        for self._place, self._now in enumerate(log):
            self.figures[self._now.kind] += 1
            known = _HEARD.get(self._now.kind)
            if known is not None:
                known(self, *self._now.what)
        for job_id in self._to_end & self._unfinished.keys():
            name, _ = self._unfinished[job_id]
            self._fault("a run never ended", name, f"of job {job_id}")
        return Verdict(self.faults, dict(self.figures))

    # ── people ───────────────────────────────────────────────────────────────────────────────────
    def _added(self, name: str, options: dict[str, Any]) -> None:
        self._changed[name] = self._place
        if name in self._kept:
            self._kept[name].change(options, self._now)
        else:
            self._kept[name] = Promise(options, self._now)

    def _updated(self, name: str, options: dict[str, Any]) -> None:
        self._changed[name] = self._place
        self._kept[name].change(options, self._now)

    def _paused(self, name: str) -> None:
        self._changed[name] = self._place
        self._kept[name].paused = True

    def _resumed(self, name: str) -> None:
        self._changed[name] = self._place
        self._kept[name].resume(self._now)

    def _removed(self, name: str) -> None:
        self._changed[name] = self._place
        del self._kept[name]

    # ── the machine and its dispatchers ──────────────────────────────────────────────────────────
    def _clocks(self, *_: Any) -> None:
        self._disturbed_us = self._now.true_us
        if self._now.kind == "suspended":
            return
        for promise in self._kept.values():
            if promise.rests:
                promise.vague_since_us = self._now.true_us

    def _came_up(self, _: int) -> None:
        self._disturbed_us = self._now.true_us

    def _went_down(self, place: int) -> None:
        self._looks.pop(place, None)
        self._disturbed_us = self._now.true_us

    def _looks_now(self, place: int) -> None:
        self._looks[place] = self._place
        for promise in self._kept.values():
            if not promise.paused:
                promise.start_again(self._now)
            promise.told_again(self._now)

    def _has_looked(self, place: int) -> None:
        begun = self._looks.pop(place)
        for name, promise in self._kept.items():
            owed = promise.owed(self._now)
            if owed is None or self._is_busy(name, promise) or self._changed[name] > begun:
                continue
            if promise.vague_since_us is not None and not self._is_overdue(promise):
                continue
            nominals, next_us = owed
            if nominals:
                self._fault("lost", name, *(promise.on_wall(each, self._now) for each in nominals))
            else:
                self._fault("not passed over", name, promise.on_wall(promise.next_us or 0, self._now))
            promise.served(next_us, self._now)

    def _is_busy(self, name: str, promise: Promise) -> bool:
        return not promise.overlap and self._busy[name] > 0

    def _is_overdue(self, promise: Promise) -> bool:
        assert promise.vague_since_us is not None
        begun_us = max(promise.vague_since_us, promise.touched_us)
        return self._now.true_us > begun_us + 2 * promise.span_us + _LOOK_US

    # ── runs ─────────────────────────────────────────────────────────────────────────────────────
    def _fired(self, name: str, dues: tuple[str, ...], jobs: tuple[int, ...], excludes: bool) -> None:
        nominals = [_wall_us(due) for due in dues]
        self.figures["runs"] += len(jobs)
        promise = self._kept.get(name)
        if promise is None or promise.paused:
            self._fault("ghost: removed or paused", name, *nominals)
            return
        if self._is_busy(name, promise):
            self._fault("overlap", name, *nominals)
        if excludes == promise.overlap:
            self._fault("its jobs are not as unique as they should be", name, *nominals)
        for job_id in jobs:
            self._unfinished[job_id] = (name, not promise.overlap)
            self._busy[name] += not promise.overlap
        for nominal_us in nominals:
            own_us = promise.clock_us(self._now) + nominal_us - self._now.wall_us
            if own_us in promise.runs:
                self._fault("twice", name, nominal_us)
            promise.runs.add(own_us)
        if promise.vague_since_us is None:
            self._compare(name, promise, nominals)
        else:
            promise.vague_since_us = None
            promise.served(self._now.true_us + promise.span_us, self._now)
        promise.last_wall_us = nominals[-1]
        promise.ended_us = None

    def _compare(self, name: str, promise: Promise, nominals: list[int]) -> None:
        owed, waited_us = promise.owed(self._now), promise.next_us
        wanted = [] if owed is None else [promise.on_wall(each, self._now) for each in owed[0]]
        for nominal_us in nominals:
            if nominal_us not in wanted:
                self._fault("ghost", name, nominal_us)
        for nominal_us in wanted:
            if nominal_us not in nominals:
                self._fault("lost", name, nominal_us)
        if owed is None:
            return
        if waited_us is not None and owed[0]:
            self.figures["nominal times"] += promise.count(owed[1], self._now)
            self._check_in_time(name, promise, owed[0][0] if promise.rests else waited_us)
        promise.served(owed[1], self._now)

    def _check_in_time(self, name: str, promise: Promise, due_us: int) -> None:
        true_us = self._now.true_us + due_us - promise.clock_us(self._now)
        unforeseen_us = max(self._disturbed_us, promise.touched_us)
        if unforeseen_us < true_us - _LOOK_US:
            latest_us = true_us + promise.flex_us + _WAKING_US
        else:
            latest_us = max(true_us, unforeseen_us) + promise.flex_us + _LOOK_US
        if self._now.true_us > latest_us:
            late_s = (self._now.true_us - latest_us) // SECOND
            self._fault(f"late by {late_s} s", name, promise.on_wall(due_us, self._now))

    def _passed_over(self, name: str) -> None:
        promise = self._kept[name]
        owed = promise.owed(self._now)
        if promise.vague_since_us is not None:
            return
        if owed is None or owed[0]:
            wall_us = promise.on_wall(promise.next_us or 0, self._now)
            self._fault("lost: passed over", name, wall_us)
        if owed is not None:
            self.figures["nominal times"] += promise.count(owed[1], self._now)
            promise.served(owed[1], self._now)

    def _run_ended(self, job_id: int) -> None:
        if job_id in self._ended:
            self._fault("a run ended twice", "", f"of job {job_id}")
        if job_id not in self._unfinished:
            return
        self._ended.add(job_id)
        name, excludes = self._unfinished.pop(job_id)
        self._busy[name] -= excludes
        promise = self._kept.get(name)
        if promise is not None:
            promise.ended_us = promise.touched_us = self._now.true_us

    def _stale(self, job_id: int) -> None:
        self._fault("a run could not be settled", "", f"of job {job_id}")

    def _over(self) -> None:
        self._to_end = set(self._unfinished)

    def _fault(self, what: str, name: str, *nominals: int | str) -> None:
        told = ", ".join(each if isinstance(each, str) else _text(each) for each in nominals[:5])
        self.faults.append(Fault(what, name, told, f"{timedelta(microseconds=self._now.true_us)}"))


_HEARD: dict[str, Callable[..., None]] = {
    "added": Judge._added,
    "updated": Judge._updated,
    "paused": Judge._paused,
    "resumed": Judge._resumed,
    "removed": Judge._removed,
    "suspended": Judge._clocks,
    "clock set": Judge._clocks,
    "booted": Judge._clocks,
    "up": Judge._came_up,
    "down": Judge._went_down,
    "looks": Judge._looks_now,
    "looked": Judge._has_looked,
    "fired": Judge._fired,
    "passed over": Judge._passed_over,
    "ended": Judge._run_ended,
    "over": Judge._over,
    "stale": Judge._stale,
}


def _wall_us(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def _text(wall_us: int) -> str:
    return f"{_EPOCH + timedelta(microseconds=wall_us):%Y-%m-%d %H:%M:%S} UTC"

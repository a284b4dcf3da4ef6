"""What one schedule promises: told from what was asked of it, in words of its own.

An interval goes by the true time that has passed, as long as the machine is not started again; then the wall
clock's time is what is left, so it is remembered what that said when somebody last looked. All else goes by
the wall clock. A schedule waits for one nominal time after another, and what it waits for never
falls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from tests.simulate.nominal import Nominal
from tests.simulate.world import MINUTE, SECOND, Event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Owed = tuple[Sequence[int], int | None]
"""The nominal times that get a run now, and what is waited for next: both on the schedule's clock."""


@cache
def _nominal(when: str | tuple[int, ...], zone: str) -> Nominal:
    return Nominal(when, zone)


class Promise:
    """One schedule from when it is added till it is removed."""

    def __init__(self, options: Mapping[str, Any], now: Event) -> None:
        self.options: dict[str, Any] = {}
        self.paused = False
        self.last_wall_us: int | None = None
        """The nominal time of its latest run."""
        self.runs: set[int] = set()
        """The nominal times that have had a run, on its clock."""
        self.ended_us: int | None = None
        """When its latest run ended, in true time; None: it has not."""
        self.vague_since_us: int | None = None
        """With a fixed delay: since when a clock that was set hides how long ago the last run ended."""
        self.touched_us = now.true_us
        """When it was last changed, or a run of it began or ended, in true time."""
        self._read(options)
        self._wait(self._first(now), now)

    # ── what is asked of it ──────────────────────────────────────────────────────────────────────
    def _read(self, options: Mapping[str, Any]) -> None:
        self.options = dict(options)
        self.overlap: bool = options.get("overlap", False)
        self.flex_us: int = options.get("flex", 0) * SECOND
        self.span_us: int = options.get("every", 0) * SECOND
        self.rests: bool = options.get("fixed") == "delay"
        at, self.once_us, self.times = options.get("at"), None, None
        if isinstance(at, datetime):
            self.once_us = (at - _EPOCH) // timedelta(microseconds=1)
        elif at is not None:
            self.times = _nominal(tuple(_seconds(each) for each in at), options["tz"])
        elif "cron" in options:
            self.times = _nominal(options["cron"], options["tz"])

    def change(self, options: Mapping[str, Any], now: Event) -> None:
        """It is to be like this from now on; in its phase, and counted from its last due time."""
        rule, was_elapsed, old_span_us = _ruled(self.options), self.span_us > 0, self.span_us
        if was_elapsed and _ruled(options) != rule:
            self.start_again(now)
        self._read(options)
        self.touched_us = now.true_us
        if _ruled(options) == rule:
            return
        if self.last_wall_us is None:
            if not (was_elapsed and self.span_us):
                self._wait(self._first(now), now)
        elif self.span_us:
            begun_us = self.next_us - old_span_us if was_elapsed and self.next_us is not None else 0
            self._wait(max(begun_us + self.span_us, now.true_us) if was_elapsed else now.true_us, now)
        elif self.once_us is not None:
            self._wait(self.once_us if self.once_us > self.last_wall_us else None, now)
        else:
            self._wait(self._following(self.last_wall_us, now), now)

    def resume(self, now: Event) -> None:
        """It goes on in its rhythm: what was due meanwhile gets no run."""
        if not self.paused:
            return
        self.paused, self.touched_us = False, now.true_us
        self.start_again(now)
        clock_us = self.clock_us(now)
        if self.next_us is not None and self.next_us <= clock_us:
            if self.span_us and not self.rests:
                self._wait(range(self.next_us, clock_us + 1, self.span_us)[-1] + self.span_us, now)
            else:
                self._wait(self._following(self.next_us, now), now)

    def start_again(self, now: Event) -> None:
        """The machine was started since: an interval goes by what the wall clock says, but never waits longer
        than it is."""
        if not self.span_us or self.next_us is None or self._boot == now.boot:
            return
        most_us = self.span_us
        if self.last_wall_us is None:
            most_us = max(most_us, self.options.get("initial_delay", 0) * SECOND)
        self._wait(now.true_us + min(self._told_wall_us - now.wall_us, most_us), now)
        self.touched_us = now.true_us

    def told_again(self, now: Event) -> None:
        """Somebody looks: what an interval waits for is told by the wall clock as it is now."""
        if self._boot == now.boot:
            self._wait(self.next_us, now)

    # ── what is due ──────────────────────────────────────────────────────────────────────────────
    def clock_us(self, now: Event) -> int:
        return now.true_us if self.span_us else now.wall_us

    def on_wall(self, moment_us: int, now: Event) -> int:
        return now.wall_us + moment_us - self.clock_us(now)

    def owed(self, now: Event) -> Owed | None:
        """What is to be done now, if it may run; None: nothing."""
        clock_us = self.clock_us(now)
        if self.next_us is None or self.next_us > clock_us or self.paused:
            return None
        if self.rests:
            rested_us = self._rested_us()
            return ([], rested_us) if rested_us > clock_us else ([rested_us], clock_us + self.span_us)
        passed = self._passed(self.next_us, clock_us)
        following_us = passed[-1] + self.span_us if self.span_us else self._following(passed[-1], now)
        missed = self.options.get("missed", "latest")
        if missed == "skip" and clock_us - passed[-1] > self.flex_us + MINUTE:
            return [], following_us
        wanted = passed[-self.options.get("missed_most", 100) :] if missed == "all" else passed[-1:]
        if len(wanted) > 1 and not self.overlap:
            return wanted[:1], wanted[1]
        return wanted, following_us

    def count(self, next_us: int | None, now: Event) -> int:
        """How many nominal times are done with, when that is waited for next."""
        if self.rests or self.next_us is None:
            return 1
        passed = self._passed(self.next_us, self.clock_us(now))
        return sum(next_us is None or nominal_us < next_us for nominal_us in passed)

    def served(self, next_us: int | None, now: Event) -> None:
        """That was done."""
        self._wait(next_us, now)
        self.touched_us = now.true_us

    def _rested_us(self) -> int:
        assert self.next_us is not None
        begun_us = self.next_us - self.span_us
        # A run that took no time to speak of does not count as a rest that is too short.
        if self.ended_us is None or self.ended_us <= begun_us + self.span_us // 1000:
            return self.next_us
        return self.ended_us + self.span_us

    def _passed(self, first_us: int, clock_us: int) -> Sequence[int]:
        if self.span_us:
            return range(first_us, clock_us + 1, self.span_us)
        if self.times is None:
            return [first_us]
        return self.times.passed(first_us, clock_us)

    def _following(self, nominal_us: int, now: Event) -> int | None:
        if self.span_us:
            return max(nominal_us, now.true_us) + self.span_us
        return None if self.times is None else self.times.after(max(nominal_us, now.wall_us))

    def _first(self, now: Event) -> int | None:
        delay_us = self.options.get("initial_delay", 0) * SECOND
        if self.span_us:
            return now.true_us + delay_us
        return self.once_us if self.times is None else self.times.after(now.wall_us + delay_us - 1)

    def _wait(self, next_us: int | None, now: Event) -> None:
        self.next_us = next_us
        self._boot = now.boot
        self._told_wall_us = 0 if next_us is None else self.on_wall(next_us, now)


def _ruled(options: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(options.get(name) for name in ("every", "fixed", "cron", "at", "tz"))


def _seconds(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 3600 + int(minute) * 60

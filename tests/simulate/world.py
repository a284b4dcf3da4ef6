"""One machine: three clocks, what is to happen, and a log of what has happened.

All times are integers, microseconds, and whole milliseconds, as that is what jobs tell of theirs. What is to
happen is kept by the *awake* clock, which stands still while the machine sleeps or is off (as
``CLOCK_MONOTONIC`` does): so nothing happens meanwhile, and all of it later.
"""

from __future__ import annotations

import hashlib
import heapq
import math
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from unittest import mock

from windlass.worker import asking, periodic

MS = 1_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Event(NamedTuple):
    """What happened, and when: on the true clock, on the wall clock, and since which start of the machine."""

    true_us: int
    wall_us: int
    boot: int
    kind: str
    what: tuple[Any, ...]


class World:
    """Passes for the machine's clock: see ``windlass.clock.Clock``."""

    def __init__(self, seed: int, begin: datetime) -> None:
        self.random = random.Random(seed)
        self.log: list[Event] = []
        self.awake_us = 0
        self.boot = 1
        self._asleep_us = 0
        self._booted_us = -DAY
        self._shift_us = (begin - _EPOCH).days * DAY
        self._coming: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    # ── clocks ───────────────────────────────────────────────────────────────────────────────────
    @property
    def true_us(self) -> int:
        """What nobody sees: the time that has really passed."""
        return self.awake_us + self._asleep_us

    def wall_us(self) -> int:
        return self.true_us + self._shift_us

    def boot_us(self) -> int:
        return self.true_us - self._booted_us

    def boot_id(self) -> str:
        return f"boot-{self.boot}"

    def monotonic(self) -> float:
        """Seconds, as those who wait count them."""
        return self.awake_us / SECOND

    # ── what is done to it ───────────────────────────────────────────────────────────────────────
    def sleep(self, span_us: int) -> None:
        """The machine is suspended for so long."""
        self._asleep_us += span_us
        self.note("suspended", span_us)

    def set_clock(self, by_us: int) -> None:
        """The wall clock is set."""
        self._shift_us += by_us
        self.note("clock set", by_us)

    def reboot(self, off_us: int) -> None:
        """The machine is off for so long, and starts."""
        self._asleep_us += off_us
        self._booted_us = self.true_us - 10 * SECOND
        self.boot += 1
        self.note("booted", off_us)

    # ── what happens ─────────────────────────────────────────────────────────────────────────────
    def note(self, kind: str, *what: Any) -> None:
        """Writes it into the log."""
        self.log.append(Event(self.true_us, self.wall_us(), self.boot, kind, what))

    def at(self, awake_us: int, happen: Callable[[], None]) -> None:
        """Lets it happen then."""
        self._count += 1
        heapq.heappush(self._coming, (whole_ms(awake_us), self._count, happen))

    def after(self, span_us: float, happen: Callable[[], None]) -> None:
        """Lets it happen after so much time awake."""
        self.at(self.awake_us + math.ceil(span_us), happen)

    def run(self, until_us: int) -> int:
        """Lets all happen until then; how much did."""
        happened = 0
        while self._coming and self._coming[0][0] <= until_us:
            awake_us, _, happen = heapq.heappop(self._coming)
            self.awake_us = max(self.awake_us, awake_us)
            happen()
            happened += 1
        self.awake_us = max(self.awake_us, whole_ms(until_us))
        return happened

    def digest(self) -> str:
        """The same for the same history."""
        history = hashlib.sha256()
        for event in self.log:
            history.update(repr(event).encode())
        return history.hexdigest()[:16]


@contextmanager
def time_of(world: World) -> Generator[None]:
    """Who waits, waits on that world's clock."""
    with (
        mock.patch.object(periodic, "monotonic", world.monotonic),
        mock.patch.object(asking, "monotonic", world.monotonic),
    ):
        yield


def whole_ms(span_us: float) -> int:
    """No less than that, in whole milliseconds."""
    return math.ceil(span_us / MS) * MS

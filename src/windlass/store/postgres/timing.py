"""The server's clock, which all machines that use a database go by.

It is not asked for each statement. How far it is from this machine's boot clock is measured now and then, on
a connection that is about to be used; in between this machine's boot clock counts on, which nobody sets. So a
wall clock that is wrong, or is set, on one of the machines changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg

from windlass.clock import Clock, SystemClock
from windlass.store.postgres.statements import Statements

if TYPE_CHECKING:
    from windlass.store.postgres.connections import Connections

MEASURED_EVERY_US = 30_000_000
"""The two clocks run apart by less than 15 milliseconds in that time, also while one is being slewed."""
_TRIES = 3
_QUICK_US = 2_000
"""The answer to a question that took no longer is good enough."""
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


class Timing:
    """How far the server's clock is from this machine's boot clock. Thread-safe: it is one number."""

    def __init__(self, machine: Clock) -> None:
        self.machine = machine
        self._measured_at: int | None = None
        self.offset_us: int | None = None
        """What the boot clock lacks to the server's clock; None: nobody has asked yet."""

    @property
    def is_old(self) -> bool:
        """It is to be measured again."""
        return self._measured_at is None or self.machine.boot_us() - self._measured_at > MEASURED_EVERY_US

    def measure(self, raw: psycopg.Connection[Any]) -> None:
        """Asks the server what time it is; the quickest of a few answers counts.

        It cannot be wrong by more than half of the time that the answer took.
        """
        best: tuple[int, int] | None = None
        for _ in range(_TRIES):
            before = self.machine.boot_us()
            there = Statements(raw).cursor().execute(_NOW).fetchone()
            after = self.machine.boot_us()
            assert there is not None
            took_us = after - before
            found = took_us, there[0] - (before + after) // 2
            best = found if best is None else min(best, found)
            if took_us <= _QUICK_US:
                break
        assert best is not None
        self.offset_us, self._measured_at = best[1], self.machine.boot_us()


def clock_on(connections: Connections, clock: Clock | None) -> Clock:
    """The clock of a store on these connections: the server's, unless a test gives another one."""
    machine = clock or SystemClock()
    if not isinstance(machine, SystemClock):
        return machine
    if type(machine) is not SystemClock:
        connections.timing = Timing(machine)
    return ServerClock(machine, connections.offset_us)


def machine_of(clock: Clock) -> Clock:
    """The clock of this machine that was given to ``clock_on``."""
    return clock.machine if isinstance(clock, ServerClock) else clock


class ServerClock:
    """The server's clock for the wall; and this machine's boot clock, for what is about this machine.

    ``offset_us`` tells what the second lacks to the first.
    """

    def __init__(self, machine: Clock, offset_us: Callable[[], int]) -> None:
        self.machine = machine
        self._offset_us = offset_us

    def wall_us(self) -> int:
        return self.machine.boot_us() + self._offset_us()

    def boot_us(self) -> int:
        return self.machine.boot_us()

    def boot_id(self) -> str:
        return self.machine.boot_id()

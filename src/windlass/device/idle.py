"""Idleness: how long nobody has touched the device, as the sessions of its users say.

On Linux logind tells, of all sessions together: a desktop reports itself idle after a while of its own
choosing, a terminal counts from its last key. macOS and Windows are asked once a minute.
"""

from __future__ import annotations

import re
import subprocess
import sys

from windlass.clock import Clock
from windlass.device.bus import NO_JEEPNEY, Bus
from windlass.device.probe import POLL_S, Ear, Tell
from windlass.facts import Fact, Idle, Unknown

_LOGIN1 = "org.freedesktop.login1"
_PATH = "/org/freedesktop/login1"
_REPORTED_US = 60_000_000
"""Where the platform counts from the last key: so long without one is idle."""
_NOBODY_TELLS = (
    "nothing on this machine tells whether it is in use ({}): leave idle out, or write a predicate"
)


class Login1:
    """The hint of logind, and since when it has stood."""

    def run(self, tell: Tell, ear: Ear) -> None:
        bus: Bus | None = None
        try:
            while not ear.closed:
                bus, trouble = (bus, "") if bus is not None else _connected()
                tell(Unknown(trouble) if bus is None else _of_login1(bus))
                # What came with the answer does not make the socket readable.
                if bus is not None and bus.changed():
                    continue
                # Terminals grow idle without a signal, so it is also asked now and then.
                ear.wait(POLL_S, *([] if bus is None else [bus.fileno()]))
                if bus is not None:
                    bus.changed()
        finally:
            if bus is not None:
                bus.close()


def _connected() -> tuple[Bus | None, str]:
    try:
        bus = Bus()
    except ModuleNotFoundError:
        return None, NO_JEEPNEY.format(service="logind")
    except (FileNotFoundError, ConnectionRefusedError):
        return None, _NOBODY_TELLS.format("there is no system bus")
    bus.watch(_LOGIN1, _PATH)
    return bus, ""


def _of_login1(bus: Bus) -> Fact:
    hints = bus.properties(_LOGIN1, _PATH, f"{_LOGIN1}.Manager")
    if hints is None:
        return Unknown(_NOBODY_TELLS.format("logind is not running"))
    return Idle(int(hints.get("IdleSinceHint", 0)) if hints.get("IdleHint") else None)


class PolledIdle:
    """macOS and Windows: how long ago the last key was, which becomes idleness after a minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_us: int | None = None

    def run(self, tell: Tell, ear: Ear) -> None:
        while not ear.closed:
            rested_us = _rested_us()
            tell(Unknown(_NOBODY_TELLS.format(sys.platform)) if rested_us is None else self._idle(rested_us))
            ear.wait(POLL_S)

    def _idle(self, rested_us: int) -> Idle:
        if rested_us < _REPORTED_US:
            self._since_us = None
        elif self._since_us is None:  # kept, so that one rest has one beginning
            self._since_us = self._clock.wall_us() - rested_us
        return Idle(self._since_us)


def _rested_us() -> int | None:
    if sys.platform == "darwin":
        ask = ["ioreg", "-c", "IOHIDSystem", "-d", "4"]
        listed = subprocess.run(ask, capture_output=True, timeout=10, check=True)
        found = re.search(rb'"HIDIdleTime" = (\d+)', listed.stdout)
        return int(found[1]) // 1000 if found else None
    if sys.platform == "win32":
        import ctypes

        class LastInput(ctypes.Structure):
            _fields_ = (("size", ctypes.c_uint), ("tick_ms", ctypes.c_uint))

        last = LastInput(ctypes.sizeof(LastInput), 0)
        if not ctypes.windll.user32.GetLastInputInfo(ctypes.byref(last)):
            return None
        ticks_ms: int = ctypes.windll.kernel32.GetTickCount()
        return (ticks_ms - last.tick_ms) % 2**32 * 1000
    return None

"""What the supervisor tells the service manager, and the alarms it lives by.

Like the supervisor it reads no clock, and imports nothing but what it is told to speak through.

The watchdog is the dispatcher's, not the supervisor's: its lock file holds a pulse, and ``WATCHDOG=1`` goes
out only where the pulse has moved since the look before. In the states that an alarm of ours ends anyway
nobody is frozen.
"""

from __future__ import annotations

import os
import signal

from windlass import systemd

_LEAST_S = 1e-6
_SAYS = {
    "settling": "ready",
    "starting": "a dispatcher starts",
    "waiting": "the dispatcher died young; another follows",
    "replacing": "restarting: running jobs get their grace",
    "stopping": "stopping: running jobs get their grace",
    "broken": "the program cannot be loaded; waiting for a file to change",
}


class Alarms:
    """Several alarms on the one timer that a process has; the timer itself says how much time has passed.

    >>> alarms = Alarms()
    >>> alarms.set("far", 50.0)
    >>> alarms.set("near", 20.0)
    >>> round(signal.getitimer(signal.ITIMER_REAL)[0])
    20
    >>> alarms.set("near", 0.0)
    >>> round(signal.getitimer(signal.ITIMER_REAL)[0])
    50
    >>> alarms.set("far", 0.0), signal.getitimer(signal.ITIMER_REAL)[0]
    (None, 0.0)
    """

    def __init__(self) -> None:
        self._armed_s = 0.0
        self._left_s: dict[str, float] = {}

    def set(self, name: str, after_s: float) -> None:
        """It is to ring after so many seconds; 0: not at all."""
        self._pass_time()
        self._left_s.pop(name, None)
        if after_s > 0.0:
            self._left_s[name] = after_s
        self._arm()

    def rung(self) -> list[str]:
        """Those whose time has come, each once. Empty where a signal came for one that was set anew."""
        self._pass_time()
        due = [name for name, left_s in self._left_s.items() if left_s <= _LEAST_S]
        for name in due:
            del self._left_s[name]
        self._arm()
        return due

    def _pass_time(self) -> None:
        passed_s = self._armed_s - signal.getitimer(signal.ITIMER_REAL)[0]
        self._left_s = {name: left_s - passed_s for name, left_s in self._left_s.items()}
        self._armed_s = 0.0

    def _arm(self) -> None:
        if self._left_s:
            # Not 0, which would be no alarm: one that is due and not yet looked at rings again.
            self._armed_s = max(min(self._left_s.values()), _LEAST_S)
        signal.setitimer(signal.ITIMER_REAL, self._armed_s)


class Herald:
    """Speaks for one service to whoever manages it; silent where nobody does."""

    def __init__(self, *, detached: bool) -> None:
        self._pid = os.getpid()
        if detached:
            # Whoever started us is the manager's unit, not we.
            os.environ.pop(systemd.ADDRESS, None)
        self.look_every_s = systemd.watchdog_s(self._pid) / 2
        for name in (systemd.WATCHDOG, systemd.WATCHDOG_FOR):
            os.environ.pop(name, None)
        self._pulse_path = self._pulse = ""
        # A program may take this many looks to load.
        self._patience = self._looks_left = 1

    def enters(self, state: str) -> None:
        """The service is in that state now."""
        said = _SAYS.get(state)
        match state:
            case "settling":
                systemd.notify(READY=1, MAINPID=self._pid, STATUS=_SAYS[state])
            case "replacing":
                systemd.notify(RELOADING=1, STATUS=_SAYS[state])
            case "stopping":
                systemd.notify(STOPPING=1, STATUS=_SAYS[state])
            case _ if said:
                systemd.notify(STATUS=said)
            case _:
                pass

    def expects(self, line: bytes = b"") -> None:
        """Another dispatcher starts, or, with its own ready line, has started: its pulse lies there."""
        self._pulse_path, self._patience = "", 1
        if line and self.look_every_s:
            import json

            self._pulse_path = json.loads(line)["ready"].get("pulse", "")
        self._pulse = ""
        self._looks_left = self._patience

    def look(self, state: str) -> None:
        """Tells the watchdog that the service lives, if it does. To be called every ``look_every_s``."""
        if state in ("starting", "settling", "ready") and not self._moved():
            self._looks_left -= 1
            if self._looks_left < 0:
                return
        else:
            self._looks_left = self._patience
        systemd.notify(WATCHDOG=1)

    def _moved(self) -> bool:
        if not self._pulse_path:
            return False
        try:
            with open(self._pulse_path, "rb") as file:
                pulse = file.read(64)
        except OSError:
            return False
        before, self._pulse = self._pulse, pulse.decode(errors="replace")
        words = self._pulse.split()
        if len(words) == 2:
            # It says itself how rare it is: slower than the looks, it may be found unmoved now and then.
            self._patience = int(float(words[1]) * 1.5 / self.look_every_s)
        return self._pulse != before

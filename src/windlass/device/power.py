"""Power: UPower tells of changes; without it psutil is asked once a minute."""

from __future__ import annotations

from typing import Any

from windlass.device.bus import Bus
from windlass.device.probe import POLL_S, Ear, Tell
from windlass.facts import Fact, Power, Unknown

_UPOWER = "org.freedesktop.UPower"
_MAIN, _BATTERY = "/org/freedesktop/UPower", "/org/freedesktop/UPower/devices/DisplayDevice"
# Of UPower's device states: discharging, empty, pending discharge.
_LOSING = frozenset({2, 3, 6})


class UPower:
    """The sum of all batteries, as UPower displays it; started by the bus where it is installed."""

    def run(self, tell: Tell, ear: Ear) -> None:
        try:
            bus = Bus()
        except (OSError, ModuleNotFoundError):
            # No bus, or nobody who speaks to it: psutil knows as much, but later.
            PolledPower().run(tell, ear)
            return
        try:
            bus.watch(_UPOWER, _MAIN, _BATTERY)
            while not ear.closed:
                power = _of_upower(bus)
                tell(power or _of_psutil())
                if not bus.changed():  # what came with the answers does not make the socket readable
                    ear.wait(None if power else POLL_S, bus.fileno())
                    bus.changed()
        finally:
            bus.close()


class PolledPower:
    """What psutil says, once a minute."""

    def run(self, tell: Tell, ear: Ear) -> None:
        while not ear.closed:
            tell(_of_psutil())
            ear.wait(POLL_S)


def _of_upower(bus: Bus) -> Power | None:
    main = bus.properties(_UPOWER, _MAIN, _UPOWER, start=True)
    battery = bus.properties(_UPOWER, _BATTERY, f"{_UPOWER}.Device")
    if main is None or battery is None:
        return None
    if not battery.get("IsPresent"):
        return Power(percent=None, charging=True)
    losing = main.get("OnBattery", False) or battery.get("State") in _LOSING
    return Power(percent=float(battery.get("Percentage", 0)), charging=not losing)


def _of_psutil() -> Fact:
    try:
        import psutil
    except ModuleNotFoundError:
        return Unknown("psutil is not installed: pip install 'windlass[device]'")
    ask: Any = getattr(psutil, "sensors_battery", None)
    if ask is None:
        return Unknown("psutil knows no batteries on this platform")
    battery = ask()
    if battery is None:
        return Power(percent=None, charging=True)
    # What plugs in is not always known; then the job waits rather than drain what there is.
    return Power(percent=float(battery.percent), charging=bool(battery.power_plugged))

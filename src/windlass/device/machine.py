"""Which probe finds out which fact on this machine: the seam between platforms."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from windlass.clock import Clock
from windlass.device.probe import Probe
from windlass.duration import to_us

if TYPE_CHECKING:
    from windlass.device.predicates import Predicate

_LINUX = sys.platform == "linux"


def probe_of(fact: str, *, folder: str, predicates: Mapping[str, Predicate], clock: Clock) -> Probe:
    """The probe of a fact, by its name. ``folder``: that of the database."""
    kind, _, asked = fact.partition(" ")
    if kind == "network":
        from windlass.device.network import LinuxNetwork, OtherNetwork

        return LinuxNetwork() if _LINUX else OtherNetwork()
    if kind == "power":
        from windlass.device.power import PolledPower, UPower

        return UPower() if _LINUX else PolledPower()
    if kind == "idle":
        from windlass.device.idle import Login1, PolledIdle

        return Login1() if _LINUX else PolledIdle(clock)
    if kind == "storage":
        from windlass.device.storage import FileSystem

        return FileSystem(folder)
    if kind == "reachable":
        from windlass.device.reachable import Url

        return Url(asked)
    if kind == "files":
        from windlass.device.files import ChangedFiles

        debounce, *patterns = msgspec.json.decode(asked, type=list[str])
        return ChangedFiles(folder, tuple(patterns), to_us(debounce) / 1_000_000, clock)
    from windlass.device.predicates import Asking

    return Asking(asked, predicates)

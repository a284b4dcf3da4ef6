"""How soon work follows the device: from the change of what is mocked, or of a link, to the handler's first
line, and from the loss of its condition to the moment when the running handler is told.

A service with one isolate in a network of its own, NetworkManager, UPower and logind mocked on a bus of its
own (as in ``tests/device``).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

from benchmarks.contenders import ours
from benchmarks.model import (
    Benchmark,
    Figure,
    Measure,
    Room,
    Sample,
    Subject,
    Unavailable,
    flat,
    percentile,
    value_at_most,
)
from benchmarks.stamps import Stamps
from dev_parts import SYSTEM_PARTS
from windlass import Constraints

CHANGES, QUICK_CHANGES = 12, 5
PAUSE_S = (0.4, 0.8)
"""Before each change: long enough for the dispatcher to know what is waited for."""
NEEDS = ("dbus-daemon", "python3-dbusmock", "iproute2")
START = (
    "from benchmarks.contenders.ours import TARGET; from benchmarks.contenders.windlass_app import app; "
    "app.service.start(TARGET, wait=30)"
)


class Turn(NamedTuple):
    """A condition, and who makes it hold and cease to."""

    wanted: dict[str, Any]
    begin: Callable[[Any, Any], None]
    """Of the bus and the network; afterwards the condition does not hold."""
    hold: Callable[[Any, Any], None]
    cease: Callable[[Any, Any], None]


def _metered() -> Turn:
    from tests.device import laptop

    def begin(bus: Any, _: Any) -> None:
        laptop.start_manager(bus)
        laptop.meter(bus, laptop.METERED)

    return Turn(
        {"network": "unmetered"},
        begin,
        hold=lambda bus, _: laptop.meter(bus, laptop.UNMETERED),
        cease=lambda bus, _: laptop.meter(bus, laptop.METERED),
    )


def _battery() -> Turn:
    from tests.device import laptop
    from tests.device.stage import UPOWER

    def begin(bus: Any, _: Any) -> None:
        bus.start(UPOWER)
        laptop.charge(bus, 14, laptop.DISCHARGING)

    return Turn(
        {"battery_not_low": True},
        begin,
        hold=lambda bus, _: laptop.charge(bus, 80, laptop.DISCHARGING),
        cease=lambda bus, _: laptop.charge(bus, 14, laptop.DISCHARGING),
    )


def _idle() -> Turn:
    from tests.device import laptop
    from tests.device.stage import LOGIN1

    return Turn(
        {"idle": True},
        begin=lambda bus, _: bus.start(LOGIN1),
        hold=lambda bus, _: laptop.rest(bus, since_s=0),
        cease=lambda bus, _: laptop.rest(bus, since_s=None),
    )


def _link() -> Turn:
    return Turn(
        {"network": "connected"},
        begin=lambda _, network: network.ip("link set far down"),
        hold=lambda _, network: network.ip("link set far up"),
        cease=lambda _, network: network.ip("link set far down"),
    )


def following(make_turn: Callable[[], Turn]) -> Subject:
    """Milliseconds, two for each change: until the handler began, and until it was told to stop."""

    @contextmanager
    def subject(room: Room) -> Iterator[Measure]:
        for part in NEEDS:
            if subprocess.run(SYSTEM_PARTS[part], capture_output=True, check=False).returncode:
                raise Unavailable(f"{part} is not installed: python3 dev.py setup does that")
        from tests.device.stage import Namespace, PrivateBus

        turn = make_turn()
        with PrivateBus(room.folder) as bus, Namespace() as network:
            turn.begin(bus, network)
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = bus.address
            module = ours.program(room.folder, isolates=1)
            stamps = Stamps(room.folder / "stamps")
            slots = iter(range(0, 4096, 2))

            def measure(changes: int) -> list[float]:
                found: list[float] = []
                for slot in islice(slots, changes):
                    # A set of constraints of its own for each: one that is lost twice in a minute has to
                    # prove itself for ten seconds, which is not what is measured here.
                    conditions = Constraints(**turn.wanted, storage_not_low=slot + 2)
                    module.attend.using(constraints=conditions).enqueue(slot)
                    found.append(_ms(lambda: turn.hold(bus, network), stamps, slot))
                    found.append(_ms(lambda: turn.cease(bus, network), stamps, slot + 1))
                return found

            subprocess.run([*network.enter, sys.executable, "-c", START], check=True)
            try:
                measure(2)  # modules imported, probes running
                yield lambda: measure(QUICK_CHANGES if room.quick else CHANGES)
            finally:
                module.app.service.stop(wait=30)

    return subject


def _ms(change: Callable[[], None], stamps: Stamps, slot: int) -> float:
    time.sleep(random.uniform(*PAUSE_S))
    before_ns = time.monotonic_ns()
    change()
    return (stamps.wait(slot) - before_ns) / 1e6


def of_each(place: int, share: float) -> Callable[[Sequence[Sample]], float]:
    """A percentile of the first or the second number of each change."""
    reduce = percentile(share)
    return lambda samples: reduce([flat(samples)[place::2]])


def _row(name: str, make_turn: Callable[[], Turn], most_ms: float) -> Benchmark:
    goal = (value_at_most(most_ms),)
    return Benchmark(
        (
            Figure(f"{name}_start_p50_ms", "ms", reduce=of_each(0, 0.50)),
            Figure(f"{name}_start_p95_ms", "ms", goal, reduce=of_each(0, 0.95)),
            Figure(f"{name}_stop_p50_ms", "ms", reduce=of_each(1, 0.50)),
            Figure(f"{name}_stop_p95_ms", "ms", goal, reduce=of_each(1, 0.95)),
        ),
        {"windlass": following(make_turn)},
        rounds=3,
        quick_rounds=1,
    )


BENCHMARKS = [
    _row("metered", _metered, 1000),
    _row("battery", _battery, 1000),
    _row("idle", _idle, 1000),
    _row("link", _link, 2000),
]

"""The fake device of the testing kit says what the real one would."""

from __future__ import annotations

from typing import Any

import pytest

from windlass.constraints import Constraints, blocked_by
from windlass.device import AnyDevice
from windlass.testing import FakeDevice, ManualClock

URL = "https://example.com/"
EVERYTHING = Constraints(
    network="unmetered", reachable=URL, charging=True, battery_not_low=True, idle="5m", storage_not_low=True,
    when="weekend",
)  # fmt: skip


def opened(device: FakeDevice, constraints: Constraints, clock: ManualClock | None = None) -> AnyDevice:
    look = device.open(lambda: None, clock=clock)
    look.want([constraints])
    return look


def reasons(look: AnyDevice, constraints: Constraints, since_us: int | None = None) -> list[str]:
    return [each.reason for each in blocked_by(constraints, look.state(), since_us=since_us)]


def test_at_first_everything_holds_but_files():
    inbox = Constraints(files="inbox/*.csv")
    device = FakeDevice()

    assert reasons(opened(device, EVERYTHING), EVERYTHING) == []
    assert reasons(opened(device, inbox), inbox) == ["no such file: files waits for a change of inbox/*.csv"]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"network": "none"}, "no network: network waits for an unmetered one"),
        (
            {"network": "portal"},
            "on Wi-Fi “Fake”, behind a captive portal: network waits for an unmetered one",
        ),
        ({"network": "metered"}, "on Wi-Fi “Fake”, metered: network waits for an unmetered one"),
        ({"reachable": False}, f"it does not hold: reachable waits for {URL}"),
        ({"reachable": {URL: "answered 503"}}, f"answered 503: reachable waits for {URL}"),
        ({"charging": False}, "battery 100 %, discharging: charging waits for external power"),
        ({"idle": False}, "in use: idle waits until nobody uses the device"),
        ({"idle": "4m"}, "idle for 4m: idle waits for 5m"),
        ({"free": 1000}, "1 kB of 100 GB free: storage_not_low waits for 1 GB"),
        ({"when": {"weekend": "it is Tuesday"}}, "it is Tuesday: when waits for weekend"),
        ({"unknown": {"idle": "no sessions"}}, "idle cannot be told: no sessions"),
    ],
)
def test_each_fact_is_set_by_hand(facts: dict[str, Any], reason: str):
    look = opened(FakeDevice(**facts), EVERYTHING, ManualClock())
    assert reasons(look, EVERYTHING) == [reason]


def test_whoever_looks_is_told_at_once_until_it_is_closed():
    device, told = FakeDevice(), []
    look = device.open(lambda: told.append("one"))
    other = device.open(lambda: told.append("other"))

    device.set(network="none")
    look.close()
    device.set(network="unmetered")
    other.close()
    device.set(network="none")

    assert told == ["one", "other", "other"]


def test_idleness_goes_on_by_the_clock_of_the_app():
    clock, device = ManualClock(), FakeDevice(idle=True)
    asked = Constraints(idle="5m")
    opened(device, asked, clock).close()

    clock.advance("4m")
    assert reasons(opened(device, asked, clock), asked) == ["idle for 4m: idle waits for 5m"]

    clock.advance("1m")
    assert reasons(opened(device, asked, clock), asked) == []


def test_a_touch_is_a_change_for_whoever_waited_before_it():
    clock, device, asked = ManualClock(), FakeDevice(), Constraints(files="inbox/*.csv")
    earlier_us = clock.wall_us()
    clock.advance("1s")
    device.touch("inbox/new.csv")
    device.touch("outbox/new.csv")
    look = opened(device, asked, clock)
    clock.advance("1s")

    assert reasons(look, asked, earlier_us) == []
    assert reasons(look, asked, clock.wall_us()) == [
        "new.csv changed last: files waits for a change of inbox/*.csv"
    ]

    device.touch("inbox/other.csv")
    assert reasons(look, asked, clock.wall_us()) == []

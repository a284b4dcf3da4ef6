"""Power and idleness, as UPower and logind tell of them, and as the machine itself does without them."""

from __future__ import annotations

import sys

import pytest

from tests.device.laptop import CHARGING, DISCHARGING, FULL, charge, plug, rest
from tests.device.stage import LOGIN1, UPOWER, Looker, PrivateBus
from windlass.device import power
from windlass.facts import Power, Unknown


def test_a_battery_that_runs_low_is_noticed_and_so_is_its_charger(bus: PrivateBus):
    bus.start(UPOWER)
    charge(bus, 80, DISCHARGING)
    plug(bus, out=True)
    with Looker('{"battery_not_low":true}', bus=bus) as looker:
        looker.until_open()

        charge(bus, 14, DISCHARGING)
        read = "battery 14 %, discharging: battery_not_low waits for 20 % or external power"
        looker.until_blocked("battery_not_low", read)

        plug(bus, out=False)
        charge(bus, 14, CHARGING)
        looker.until_open()


def test_charging_waits_for_external_power(bus: PrivateBus):
    bus.start(UPOWER)
    charge(bus, 90, FULL)
    with Looker('{"charging":true}', bus=bus) as looker:
        looker.until_open()

        plug(bus, out=True)
        looker.until_blocked("charging", "battery 90 %, discharging: charging waits for external power")


def test_a_charger_too_weak_for_its_machine_does_not_charge_it(bus: PrivateBus):
    bus.start(UPOWER)
    charge(bus, 50, DISCHARGING)

    with Looker('{"charging":true}', bus=bus) as looker:
        looker.until_blocked("charging", "battery 50 %, discharging")


def test_a_machine_without_a_battery_charges_for_ever(bus: PrivateBus):
    bus.start(UPOWER)

    with Looker('{"charging":true,"battery_not_low":true}', bus=bus) as looker:
        looker.until_open()


def test_a_change_that_comes_with_the_answer_about_the_last_one_is_not_lost(bus: PrivateBus):
    bus.start(UPOWER)
    with Looker('{"charging":true}', bus=bus) as looker:
        for _ in range(20):
            for state in (DISCHARGING, CHARGING, DISCHARGING):
                charge(bus, 14, state)
            looker.until_blocked("charging")
            for state in (CHARGING, DISCHARGING, CHARGING):
                charge(bus, 14, state)
            looker.until_open()


class Battery:
    def __init__(self, percent: float, power_plugged: bool | None) -> None:
        self.percent, self.power_plugged = percent, power_plugged


@pytest.mark.parametrize(
    ("read", "known"),
    [
        (None, Power(percent=None, charging=True)),
        (Battery(14, False), Power(percent=14, charging=False)),
        (Battery(14, True), Power(percent=14, charging=True)),
        (Battery(14, None), Power(percent=14, charging=False)),
    ],
)
def test_without_upower_psutil_is_asked(monkeypatch: pytest.MonkeyPatch, read: Battery | None, known: Power):
    monkeypatch.setattr("psutil.sensors_battery", lambda: read)
    assert power._of_psutil() == known


def test_without_psutil_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "psutil", None)

    known = power._of_psutil()

    assert known == Unknown("psutil is not installed: pip install 'windlass[device]'")


# ── idle ─────────────────────────────────────────────────────────────────────────────────────────
def test_idleness_begins_and_ends_with_the_hint_of_the_sessions(bus: PrivateBus):
    bus.start(LOGIN1)
    with Looker('{"idle":true}', bus=bus) as looker:
        looker.until_blocked("idle", "in use: idle waits until nobody uses the device")

        rest(bus, since_s=0)
        looker.until_open()

        rest(bus, since_s=None)
        looker.until_blocked("idle", "in use")


def test_a_hint_that_comes_with_the_answer_about_the_last_one_is_not_lost(bus: PrivateBus):
    bus.start(LOGIN1)
    with Looker('{"idle":true}', bus=bus) as looker:
        for _ in range(20):
            for since_s in (None, 0, None):
                rest(bus, since_s=since_s)
            looker.until_blocked("idle")
            for since_s in (0, None, 0):
                rest(bus, since_s=since_s)
            looker.until_open()


def test_a_span_of_idleness_is_over_without_anybody_saying_so(bus: PrivateBus):
    bus.start(LOGIN1)
    with Looker('{"idle":"5m"}', bus=bus) as looker:
        looker.until_blocked("idle", "in use")

        rest(bus, since_s=297)
        looker.until_open()


def test_where_nobody_tells_idle_waits_and_says_so():
    with Looker('{"idle":true}') as looker:
        reason = looker.until_blocked("idle", "nothing on this machine tells whether it is in use")

    assert "there is no system bus" in reason


def test_a_bus_without_logind_does_not_tell_either_until_there_is_one(bus: PrivateBus):
    with Looker('{"idle":true}', bus=bus) as looker:
        looker.until_blocked("idle", "logind is not running")

        bus.start(LOGIN1)
        looker.until_blocked("idle", "in use")

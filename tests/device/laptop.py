"""A laptop as the mocked services tell of it: its Wi-Fi, its battery, and whether somebody sits at it."""

from __future__ import annotations

import time

from tests.device.stage import (
    BATTERY_PATH,
    LOGIN1,
    LOGIN1_PATH,
    NM,
    NM_PATH,
    UPOWER,
    UPOWER_PATH,
    PrivateBus,
)

CAFE = f"{NM_PATH}/ActiveConnection/1"
METERED, UNMETERED = 1, 2
CHARGING, DISCHARGING, FULL = 1, 2, 4
MANAGER = f"{LOGIN1}.Manager"


def start_manager(bus: PrivateBus) -> None:
    """Starts a NetworkManager that is on a Wi-Fi."""
    bus.start(NM)
    active = f"{NM}.Connection.Active"
    bus.add(NM, CAFE, active, Id=("s", "Café"), Type=("s", "802-11-wireless"), Devices=("ao", []))
    bus.extend(NM, NM_PATH, NM, Metered=("u", 4), PrimaryConnection=("o", CAFE))


def meter(bus: PrivateBus, metered: int) -> None:
    bus.change(NM, NM_PATH, NM, Metered=("u", metered))


def plug(bus: PrivateBus, *, out: bool) -> None:
    bus.change(UPOWER, UPOWER_PATH, UPOWER, OnBattery=("b", out))


def charge(bus: PrivateBus, percent: float, state: int) -> None:
    battery = {"IsPresent": ("b", True), "Percentage": ("d", percent), "State": ("u", state)}
    bus.change(UPOWER, BATTERY_PATH, f"{UPOWER}.Device", **battery)


def rest(bus: PrivateBus, *, since_s: float | None) -> None:
    """Nobody has touched it for so long; None: somebody does now."""
    since_us = 0 if since_s is None else round((time.time() - since_s) * 1_000_000)
    bus.change(
        LOGIN1, LOGIN1_PATH, MANAGER, IdleHint=("b", since_s is not None), IdleSinceHint=("t", since_us)
    )

"""The network: a link that is cut and mended, and what NetworkManager says of a connection's cost."""

from __future__ import annotations

import pytest

from tests.device.laptop import CAFE, start_manager
from tests.device.stage import NM, NM_PATH, Looker, Namespace, PrivateBus
from windlass.device import network


@pytest.fixture
def manager(bus: PrivateBus) -> PrivateBus:
    """The bus with a NetworkManager that is on a Wi-Fi."""
    start_manager(bus)
    return bus


def test_a_link_that_is_cut_is_noticed_and_so_is_its_return(namespace: Namespace):
    with Looker('{"network":"connected"}', inside=namespace) as looker:
        looker.until_open()

        namespace.ip("link set far down")
        looker.until_blocked("network", "no network (out is down): network waits for a connection")

        namespace.ip("link set far up")
        looker.until_open()


def test_without_a_default_route_there_is_no_network(namespace: Namespace):
    with Looker('{"network":"connected"}', inside=namespace) as looker:
        looker.until_open()

        namespace.ip("route del default")
        looker.until_blocked("network", "no network (there is no default route)")

        namespace.ip("-6 addr add 2001:db8::2/64 dev out nodad")
        namespace.ip("-6 route add default via 2001:db8::1 dev out")
        looker.until_open()


def test_an_interface_that_is_taken_away_takes_the_network_with_it(namespace: Namespace):
    with Looker('{"network":"connected"}', inside=namespace) as looker:
        looker.until_open()

        namespace.ip("link del out")
        looker.until_blocked("network", "there is no default route")


def test_a_network_that_nobody_calls_metered_is_unmetered(namespace: Namespace):
    with Looker('{"network":"unmetered"}', inside=namespace) as looker:
        looker.until_open()


def test_a_network_that_becomes_metered_and_ceases_to_be(namespace: Namespace, manager: PrivateBus):
    with Looker('{"network":"unmetered"}', inside=namespace, bus=manager) as looker:
        looker.until_open()

        manager.change(NM, NM_PATH, NM, Metered=("u", 1))
        looker.until_blocked("network", "on Wi-Fi “Café”, metered: network waits for an unmetered one")

        manager.change(NM, NM_PATH, NM, Metered=("u", 2))
        looker.until_open()


def test_a_metered_guess_counts(namespace: Namespace, manager: PrivateBus):
    manager.change(NM, NM_PATH, NM, Metered=("u", 3))

    with Looker('{"network":"unmetered"}', inside=namespace, bus=manager) as looker:
        looker.until_blocked("network", "metered")


def test_a_captive_portal_is_no_connection(namespace: Namespace, manager: PrivateBus):
    with Looker('{"network":"connected"}', inside=namespace, bus=manager) as looker:
        looker.until_open()

        manager.change(NM, NM_PATH, NM, Connectivity=("u", 2))
        looker.until_blocked("network", "on Wi-Fi “Café”, behind a captive portal")

        manager.change(NM, NM_PATH, NM, Connectivity=("u", 4))
        looker.until_open()


def test_a_cut_link_counts_before_networkmanager_has_noticed(namespace: Namespace, manager: PrivateBus):
    with Looker('{"network":"unmetered"}', inside=namespace, bus=manager) as looker:
        looker.until_open()

        namespace.ip("link set far down")
        looker.until_blocked("network", "no network (out is down)")


def test_networkmanager_may_come_and_go(namespace: Namespace, bus: PrivateBus):
    with Looker('{"network":"unmetered"}', inside=namespace, bus=bus) as looker:
        looker.until_open()

        start_manager(bus)
        bus.change(NM, NM_PATH, NM, Metered=("u", 1))
        looker.until_blocked("network", "metered")

        bus.stop(NM)
        looker.until_open()


def test_a_change_that_comes_with_the_first_answer_is_not_lost(monkeypatch: pytest.MonkeyPatch):
    class Busy:
        """A bus whose signal has arrived with the answer: its socket has nothing more to tell."""

        def __init__(self) -> None:
            self.metered = iter([2, 1])
            self.signals = [True]

        def watch(self, *_: str) -> None: ...

        def properties(self, *_: str) -> dict[str, int]:
            return {"Metered": next(self.metered)}

        def changed(self) -> bool:
            return bool(self.signals and self.signals.pop())

    monkeypatch.setattr(network, "Bus", Busy)

    assert network._Manager().told.metered


def test_a_bus_that_dies_leaves_the_connection_known_and_its_cost_in_doubt(
    namespace: Namespace, manager: PrivateBus
):
    both = ('{"network":"connected"}', '{"network":"unmetered"}')
    manager.change(NM, NM_PATH, NM, Metered=("u", 2))
    with (
        Looker(both[0], inside=namespace, bus=manager) as connected,
        Looker(both[1], inside=namespace, bus=manager) as unmetered,
    ):
        connected.until_open()
        unmetered.until_open()

        manager.die()
        reason = unmetered.until_blocked("network", "nothing tells whether it is metered")

        assert "NetworkManager cannot be asked" in reason
        assert connected.told[-1] == {}

        # A change of the routes asks for the bus again. That nobody answers there is no news.
        namespace.ip("route del default")
        unmetered.until_blocked("network", "there is no default route")
        namespace.ip("route add default via 192.0.2.1 dev out")
        unmetered.until_blocked("network", "NetworkManager cannot be asked")


@pytest.mark.parametrize(("registered", "holds"), [(1, True), (5, False)])
def test_a_modem_says_whether_it_roams(namespace: Namespace, bus: PrivateBus, registered: int, holds: bool):
    modem, device = "/org/freedesktop/ModemManager1/Modem/0", f"{NM_PATH}/Devices/wwan0"
    bus.start(NM)
    bus.add(NM, device, f"{NM}.Device", Udi=("s", modem))
    kind = {"Id": ("s", "Alpine"), "Type": ("s", "gsm"), "Devices": ("ao", [device])}
    bus.add(NM, CAFE, f"{NM}.Connection.Active", **kind)
    bus.extend(NM, NM_PATH, NM, Metered=("u", 3), PrimaryConnection=("o", CAFE))
    interface = "org.freedesktop.ModemManager1.Modem.Modem3gpp"
    bus.start("org.freedesktop.ModemManager1", modem, interface)
    bus.extend("org.freedesktop.ModemManager1", modem, interface, RegistrationState=("u", registered))

    with Looker('{"network":"not_roaming"}', inside=namespace, bus=bus) as looker:
        if holds:
            looker.until_open()
        else:
            looker.until_blocked("network", "on mobile network “Alpine”, metered, roaming: network waits")


def test_a_mobile_connection_whose_modem_is_silent_waits(namespace: Namespace, bus: PrivateBus):
    bus.start(NM)
    bus.add(NM, CAFE, f"{NM}.Connection.Active", Id=("s", "Alpine"), Type=("s", "gsm"), Devices=("ao", []))
    bus.extend(NM, NM_PATH, NM, Metered=("u", 3), PrimaryConnection=("o", CAFE))

    with Looker('{"network":"not_roaming"}', inside=namespace, bus=bus) as looker:
        looker.until_blocked("network", "nothing tells whether it is roaming: no modem tells")

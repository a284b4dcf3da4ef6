"""Which addresses sync reaches: those of the base URL's own kind, as they are when it connects."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from tests.sync.servers.faulty import Faulty
from windlass.errors import BadResponse
from windlass.sync.exchange import Exchange, Stopped
from windlass.sync.network import Guard, kind_of


# ── addresses ──
@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", "public"),
        ("2606:4700::1111", "public"),
        ("127.0.0.2", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("fd12::1", "private"),
        ("64:ff9b::a00:1", "private"),
        ("2002:a00:1::", "private"),
        ("169.254.7.7", "link-local"),
        ("fe80::1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("224.0.0.1", "special"),
        ("ff02::1", "special"),
        ("0.0.0.0", "special"),
        ("::", "special"),
    ],
)
def test_addresses_are_known_for_what_they_are(address: str, kind: str) -> None:
    assert kind_of(ip_address(address)) == kind


class Names:
    """A name whose addresses the test decides, where a name server would."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.addresses: list[str] = []

    def __call__(self, host: str, port: int) -> list[Any]:
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        return [
            (family[":" in one], socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (one, self.port))
            for one in self.addresses
        ]


def reached(guard: Guard) -> bool:
    """True where the guard connects; the error where it refuses."""
    with guard.exchange(Exchange()):
        guard.connect_tcp("api.example.com", 80, 0.2).close()
    return True


def test_a_name_that_turns_to_a_private_address_is_not_reached(server: Faulty) -> None:
    """DNS rebinding: what is checked is what is connected to."""
    names = Names(server.port)
    guard = Guard("api.example.com", lookup=names)
    names.addresses = ["8.8.8.8"]
    stopped = Exchange()
    stopped.abort()
    # Stopped before it connects: the address was found good, and nobody is spoken to.
    with guard.exchange(stopped), pytest.raises(Stopped):
        guard.connect_tcp("api.example.com", 80)
    names.addresses = ["127.0.0.1"]
    with pytest.raises(BadResponse, match=r"loopback address, which the base URL is not.*private=True"):
        reached(guard)
    assert server.accepted == 0


def test_a_name_that_is_private_at_first_may_stay_so(server: Faulty) -> None:
    names = Names(server.port)
    names.addresses = ["127.0.0.1"]
    guard = Guard("api.example.com", lookup=names)
    assert reached(guard)
    assert reached(guard)


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::ffff:169.254.169.254", "fe80::1"])
def test_a_name_on_loopback_leads_nowhere_else(server: Faulty, address: str) -> None:
    names = Names(server.port)
    names.addresses = ["127.0.0.1"]
    guard = Guard("localhost", lookup=names)
    assert reached(guard)
    names.addresses = [address]
    with pytest.raises(BadResponse, match="nothing was sent"):
        reached(guard)


@pytest.mark.parametrize("private", [None, True])
def test_a_name_never_leads_to_a_clouds_metadata(server: Faulty, private: bool | None) -> None:
    names = Names(server.port)
    names.addresses = ["169.254.169.254"]
    with pytest.raises(BadResponse, match="metadata"):
        reached(Guard("api.example.com", private=private, lookup=names))


def test_of_several_addresses_only_those_that_may_be_are_tried(server: Faulty) -> None:
    names = Names(server.port)
    names.addresses = ["127.0.0.1"]
    guard = Guard("localhost", lookup=names)
    assert reached(guard)
    names.addresses = ["10.0.0.1", "127.0.0.1"]
    assert reached(guard)


def test_a_name_that_is_public_too_is_not_taken_for_a_private_one(server: Faulty) -> None:
    names = Names(server.port)
    names.addresses = ["8.8.8.8", "127.0.0.1"]
    guard = Guard("api.example.com", lookup=names)
    stopped = Exchange()
    stopped.abort()
    with guard.exchange(stopped), pytest.raises(Stopped):
        guard.connect_tcp("api.example.com", 80)
    names.addresses = ["127.0.0.1"]
    with pytest.raises(BadResponse, match="loopback"):
        reached(guard)


def test_private_addresses_can_be_allowed_and_forbidden(server: Faulty) -> None:
    names = Names(server.port)
    names.addresses = ["127.0.0.1"]
    assert reached(Guard("api.example.com", private=True, lookup=names))
    with pytest.raises(BadResponse, match="loopback"):
        reached(Guard("api.example.com", private=False, lookup=names))

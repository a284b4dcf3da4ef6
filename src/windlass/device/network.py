"""The network: the kernel says whether there is a way out, NetworkManager what it costs.

Elsewhere than on Linux, psutil is asked once a minute whether an interface is up; nothing tells there whether
it is metered.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from windlass.device.bus import NO_JEEPNEY, Bus
from windlass.device.probe import POLL_S, Ear, Tell
from windlass.device.routes import Routes
from windlass.facts import Network, Unknown

_NM = "org.freedesktop.NetworkManager"
_NM_PATH = "/org/freedesktop/NetworkManager"
_MODEMS = "org.freedesktop.ModemManager1"
_MODEM_3GPP = f"{_MODEMS}.Modem.Modem3gpp"
_NO_OBJECT = "/"

# Of NetworkManager's NMConnectivityState, NMMetered and ModemManager's MMModem3gppRegistrationState.
_PORTAL = 2
_METERED = {1: True, 2: False, 3: True, 4: False}
_ROAMING = {1: False, 5: True, 6: False, 7: True, 9: False, 10: True}
_MOBILE = frozenset({"gsm", "cdma"})


class LinuxNetwork:
    """Netlink tells of each change of links and routes, NetworkManager's signals of the rest."""

    def run(self, tell: Tell, ear: Ear) -> None:
        with Routes() as routes:
            manager = _Manager()
            try:
                while not ear.closed:
                    tell(_merged(routes.default(), manager))
                    ear.wait(manager.patience_s, routes.fileno(), *manager.descriptors())
                    routes.drain()
                    manager.listen()
            finally:
                manager.close()


class _Told(NamedTuple):
    """What NetworkManager says about the connection that is used first."""

    portal: bool = False
    metered: bool | None = None
    through: str = ""
    mobile: bool = False
    roaming: bool | None = None


class _Manager:
    """NetworkManager, which may be absent, come, and go."""

    def __init__(self) -> None:
        self._bus: Bus | None = None
        self.doubt = ""
        self.told = _Told()
        self.patience_s: float | None = None
        self._has_answered = False
        self._open()

    def descriptors(self) -> list[int]:
        return [] if self._bus is None else [self._bus.fileno()]

    def listen(self) -> None:
        """Reads what has changed."""
        if self._bus is None:
            if self.patience_s is not None:
                self._open()
            return
        try:
            while self._bus.changed():
                self._read(self._bus)
        except OSError as error:
            self._lost(error)

    def close(self) -> None:
        if self._bus is not None:
            self._bus.close()
            self._bus = None

    def _open(self) -> None:
        self.patience_s = POLL_S
        try:
            self._bus = Bus()
        except ModuleNotFoundError:
            self.doubt, self.patience_s = NO_JEEPNEY.format(service="NetworkManager"), None
            return
        except (FileNotFoundError, ConnectionRefusedError) as error:
            if self._has_answered:
                self._lost(error)  # a bus that has ended: what it said may not be so any more
            else:
                self.doubt = ""  # no bus: nobody here could know
            return
        except OSError as error:
            self._lost(error)
            return
        try:
            self._bus.watch(_NM, _NM_PATH)
            self._read(self._bus)
            self.patience_s = None
        except OSError as error:
            self._lost(error)
        else:
            self.listen()  # what came with the answers does not make the socket readable

    def _lost(self, error: OSError) -> None:
        self.close()
        self.told = _Told()
        self.doubt = f"NetworkManager cannot be asked ({error or type(error).__name__})"
        self.patience_s = 5.0

    def _read(self, bus: Bus) -> None:
        self.doubt, self.told = "", _Told()
        manager = bus.properties(_NM, _NM_PATH, _NM)
        if manager is None:
            return
        self._has_answered = True
        told = _Told(manager.get("Connectivity") == _PORTAL, _METERED.get(manager.get("Metered", 0)))
        path = manager.get("PrimaryConnection", _NO_OBJECT)
        primary = None if path == _NO_OBJECT else bus.properties(_NM, path, f"{_NM}.Connection.Active")
        if primary is not None:
            name, kind = primary.get("Id", ""), primary.get("Type", "")
            if kind == "802-11-wireless":
                told = told._replace(through=f"Wi-Fi “{name}”")
            elif kind in _MOBILE:
                roaming = self._roaming(bus, primary)
                told = told._replace(through=f"mobile network “{name}”", mobile=True, roaming=roaming)
        self.told = told

    def _roaming(self, bus: Bus, primary: dict[str, Any]) -> bool | None:
        for path in primary.get("Devices", []):
            device = bus.properties(_NM, path, f"{_NM}.Device") or {}
            modem = device.get("Udi", "")
            if modem.startswith("/"):
                bus.watch(_MODEMS, modem)
                registered = bus.properties(_MODEMS, modem, _MODEM_3GPP) or {}
                return _ROAMING.get(registered.get("RegistrationState", 0))
        return None


def _merged(route: tuple[str | None, str], manager: _Manager) -> Network:
    """The kernel decides about the connection: it also knows of what NetworkManager does not manage."""
    interface, trouble = route
    if interface is None:
        return Network(connected=False, through=trouble)
    told, doubt = manager.told, manager.doubt
    metered, roaming = told.metered, told.roaming
    if told.mobile or interface.startswith("wwan"):
        metered = True if metered is None else metered  # as NetworkManager guesses
        doubt = doubt or ("no modem tells" if roaming is None else "")
    else:
        roaming = False
    return Network(
        connected=True,
        portal=told.portal,
        metered=metered,
        roaming=roaming,
        through=told.through or interface,
        doubt=doubt,
    )


class OtherNetwork:
    """An interface that is up and has an address other than its own link's."""

    def run(self, tell: Tell, ear: Ear) -> None:
        try:
            import psutil
        except ModuleNotFoundError:
            tell(Unknown("psutil is not installed: pip install 'windlass[device]'"))
            while not ear.closed:
                ear.wait()
            return
        while not ear.closed:
            up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
            routable = [
                name
                for name, addresses in psutil.net_if_addrs().items()
                if name in up and any(_is_routable(address.address) for address in addresses)
            ]
            if routable:
                tell(Network(connected=True, through=routable[0]))
            else:
                tell(Network(connected=False, through="no interface is up"))
            ear.wait(POLL_S)


def _is_routable(address: str) -> bool:
    import ipaddress

    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False  # a hardware address
    return not (ip.is_loopback or ip.is_link_local or ip.is_unspecified)

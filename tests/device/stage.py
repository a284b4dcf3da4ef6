"""What the tests of the device stand on: a system bus with mocked services, a network of their own, and a
process that looks at both.

The mocks are those of python-dbusmock, which speak on a real bus; the network is a namespace of the kernel.
What looks runs apart, so that it can be put into either.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from jeepney import DBusAddress, MessageType, new_method_call
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from dev_parts import SYSTEM_PYTHON
from tests.service.waiting import until

ROOT = Path(__file__).resolve().parent.parent.parent

# Less than a poll: what is seen within it was told by an event.
PATIENCE_S = 40.0

NM, NM_PATH = "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager"
UPOWER, UPOWER_PATH = "org.freedesktop.UPower", "/org/freedesktop/UPower"
BATTERY_PATH = f"{UPOWER_PATH}/devices/DisplayDevice"
LOGIN1, LOGIN1_PATH = "org.freedesktop.login1", "/org/freedesktop/login1"
TEMPLATES = {NM: "networkmanager", UPOWER: "upower", LOGIN1: "logind"}

ADDRESS = "192.0.2.2"
"""This machine's, in a network of the test's own."""

_MOCK = "org.freedesktop.DBus.Mock"
_CONFIG = """<busconfig>
  <type>system</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/>
  </policy>
</busconfig>
"""


class PrivateBus:
    """A bus of the test's own."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "bus"
        self.address = f"unix:path={self._socket}"
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address}
        config = folder / "bus.conf"
        config.write_text(_CONFIG.format(socket=self._socket), encoding="utf-8")
        command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address"]
        self._daemon = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE)
        self._services: dict[str, subprocess.Popen[bytes]] = {}
        assert self._daemon.stdout is not None
        with self._daemon.stdout as address:
            assert address.readline(), "the bus did not start"  # it is told once somebody listens
        self._connection: DBusConnection = open_dbus_connection(self.address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        for name in list(self._services):
            self.stop(name)
        self._daemon.terminate()
        self._daemon.wait()

    def start(self, service: str, *instead: str) -> None:
        """Starts the mock of a service; ``instead`` of a template: path and interface of its one object."""
        what = [service, *instead] if instead else ["--template", TEMPLATES[service]]
        command = [SYSTEM_PYTHON, "-m", "dbusmock", "--system", *what]
        self._services[service] = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL)
        bus = "org.freedesktop.DBus"
        until(lambda: self.call(bus, "/org/freedesktop/DBus", bus, "NameHasOwner", "s", service)[0])

    def stop(self, service: str) -> None:
        """Kills it."""
        process = self._services.pop(service)
        process.kill()
        process.wait()

    def die(self) -> None:
        """The whole bus ends."""
        self._daemon.kill()
        self._daemon.wait()

    def call(self, service: str, path: str, interface: str, method: str, signature: str, *body: Any) -> Any:
        message = new_method_call(DBusAddress(path, service, interface), method, signature, body)
        reply = self._connection.send_and_get_reply(message, timeout=PATIENCE_S)
        assert reply.header.message_type is not MessageType.error, reply.body
        return reply.body

    def add(self, service: str, path: str, interface: str, **properties: tuple[str, Any]) -> None:
        """An object of a mocked service, with properties by signature and value."""
        self.call(
            service, _main(service), _MOCK, "AddObject", "ssa{sv}a(ssss)", path, interface, properties, []
        )

    def extend(self, service: str, path: str, interface: str, **properties: tuple[str, Any]) -> None:
        """Properties that the template lacks."""
        self.call(service, path, _MOCK, "AddProperties", "sa{sv}", interface, properties)

    def change(self, service: str, path: str, interface: str, **properties: tuple[str, Any]) -> None:
        """Changes properties, and signals it as the real service does."""
        self.call(service, path, _MOCK, "UpdateProperties", "sa{sv}", interface, properties)


def _main(service: str) -> str:
    return "/org/freedesktop" if service == NM else {UPOWER: UPOWER_PATH, LOGIN1: LOGIN1_PATH}[service]


class Namespace:
    """A network of the test's own: ``out`` leads to ``far`` by a default route."""

    def __init__(self) -> None:
        # Where root is not root enough, or the user is none, a user namespace grants the right.
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        hold = "import sys; print(flush=True); sys.stdin.read()"
        self._holder = subprocess.Popen(
            ["unshare", *as_root, "--net", sys.executable, "-c", hold],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"\n", "this machine lets nobody have a network of his own"
        users = ["--user", "--preserve-credentials"] if as_root else []
        self.enter = ["nsenter", f"--target={self._holder.pid}", *users, "--net", "--"]
        self.ip("link set lo up")
        self.plug_in()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.wait()
        self._holder.stdout.close()

    def plug_in(self) -> None:
        """Lays the link, with an address and the route that leads over it."""
        for command in (
            "link add out type veth peer name far", "link set out up", "link set far up",
            f"addr add {ADDRESS}/24 dev out", "route add default via 192.0.2.1 dev out",
        ):  # fmt: skip
            self.ip(command)

    def ip(self, command: str) -> None:
        subprocess.run([*self.enter, "ip", *command.split()], check=True)

    @contextmanager
    def serving(self, port: int) -> Iterator[None]:
        """A web server in it."""
        command = [*self.enter, sys.executable, "-u", "-m", "http.server", str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
            assert server.stdout is not None
            server.stdout.readline()  # it says when it listens
            try:
                yield
            finally:
                server.terminate()


class Looker:
    """A process with a device that waits for some constraints, and tells what keeps them from holding."""

    def __init__(
        self, constraints: str, *, bus: PrivateBus | None = None, inside: Namespace | None = None
    ) -> None:
        nowhere = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
        enter = [] if inside is None else inside.enter
        self._process = subprocess.Popen(
            [*enter, sys.executable, "-m", "tests.device.looking", constraints],
            cwd=ROOT, env=nowhere if bus is None else bus.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.told: list[dict[str, str]] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._reader.join()

    def until(self, wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Waits until the latest that was told is so: reasons by condition, nothing where all hold."""
        with self._news:
            told = self._news.wait_for(lambda: self.told and wanted(self.told[-1]), PATIENCE_S)
            assert told, f"this was told, and nothing else came: {self.told}"
            return self.told[-1]

    def until_open(self) -> None:
        self.until(lambda blocked: not blocked)

    def until_blocked(self, condition: str, reason: str = "") -> str:
        """Waits until that condition does not hold, for such a reason."""
        return self.until(lambda blocked: reason in blocked.get(condition, "") and condition in blocked)[
            condition
        ]

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._news:
                    self.told.append(json.loads(line))
                    self._news.notify_all()

"""Hosts with networks of their own on one switch, whose ports can be closed.

A host is a network, a host name and a boot id of its own; files and processes are shared with everybody.
Nothing of it is seen from outside, and all of it is gone with the processes that hold it, which die with us.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

SUBNET = "10.77.0"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
NOBODY = "02:00:00:00:00:ff"
HOLD = f'hostname "$0" && mount --bind "$1" {BOOT_ID} && echo && exec sleep infinity'


class Network:
    """``enter(name)`` is what to put before a command that is to run on a host."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._holders: dict[str, subprocess.Popen[bytes]] = {}
        self._addresses: dict[str, str] = {}

    @classmethod
    @contextmanager
    def of(cls, names: Sequence[str], folder: Path) -> Generator[Network]:
        """Lays the switch and a cable to each host; ``folder`` takes small files."""
        network = cls(folder)
        try:
            network._hold("switch")
            network._ip("switch", "link add br0 type bridge forward_delay 0")
            network._ip("switch", "link set br0 up")
            for number, name in enumerate(names, start=1):
                network._plug_in(name, f"{SUBNET}.{number}")
            yield network
        finally:
            for holder in network._holders.values():
                holder.kill()
                holder.wait()
                assert holder.stdout is not None
                holder.stdout.close()

    def address(self, name: str) -> str:
        return self._addresses[name]

    def enter(self, name: str) -> list[str]:
        return ["nsenter", f"--target={self._holders[name].pid}", "--net", "--uts", "--mount", "--"]

    def cut(self, name: str) -> None:
        """From now on every packet to and from the host is dropped, and nobody is told."""
        self._port(name, "0")

    def mute(self, name: str) -> None:
        """What the host sends goes nowhere, what it is sent arrives: and nobody is told."""
        for other, address in self._addresses.items():
            if other != name:
                self._misdirect(name, address)

    def deafen(self, name: str) -> None:
        """What the host is sent goes nowhere, what it sends arrives."""
        for other in self._addresses:
            if other != name:
                self._misdirect(other, self._addresses[name])

    def heal(self, name: str) -> None:
        """All of it is as it was."""
        self._port(name, "3")
        for other, address in self._addresses.items():
            if other != name:
                self._direct(name, address)
                self._direct(other, self._addresses[name])

    def _misdirect(self, name: str, address: str) -> None:
        self._ip(name, f"neigh replace {address} lladdr {NOBODY} dev eth0 nud permanent")

    def _direct(self, name: str, address: str) -> None:
        if NOBODY in self._ip(name, f"neigh show {address} dev eth0"):
            self._ip(name, f"neigh del {address} dev eth0")

    def _port(self, name: str, state: str) -> None:
        self._run("switch", "bridge", "link", "set", "dev", f"to-{name}", "state", state)

    def _hold(self, name: str) -> None:
        boot = self._folder / f"{name}.boot_id"
        boot.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
        boot.chmod(0o644)
        spaces = ["--net", "--uts", "--mount"]
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", *spaces, "sh", "-c", HOLD, name, str(boot)]
        holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self._holders[name] = holder
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"\n", (
            "this machine lets nobody have a network of his own: be root"
        )
        self._ip(name, "link set lo up")

    def _plug_in(self, name: str, address: str) -> None:
        self._hold(name)
        self._addresses[name] = address
        pid = self._holders[name].pid
        self._ip("switch", f"link add to-{name} type veth peer name eth0 netns {pid}")
        self._ip("switch", f"link set to-{name} master br0 up")
        self._ip(name, f"addr add {address}/24 dev eth0")
        self._ip(name, "link set eth0 up")

    def _ip(self, name: str, command: str) -> str:
        return self._run(name, "ip", *command.split())

    def _run(self, name: str, *command: str) -> str:
        done = subprocess.run([*self.enter(name), *command], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed on {name}: {done.stderr}")
        return done.stdout

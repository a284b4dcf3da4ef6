"""Linux's routes and links: which way is out, and a wake-up from the kernel when one changes."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Self

# From linux/rtnetlink.h: RTMGRP_LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE.
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
# From linux/route.h and linux/if.h.
_ROUTE_UP, _ROUTE_REJECTS = 0x1, 0x200
_SIOCGIFFLAGS = 0x8913
_INTERFACE_UP, _INTERFACE_RUNNING = 0x1, 0x40
_IFREQ = struct.Struct("16sH22x")


class Routes:
    """The routes of this process's network namespace. ``fileno`` is readable when something has changed."""

    def __init__(self) -> None:
        self._news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK)
        self._asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._news.bind((0, _GROUPS))
        except OSError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._news.fileno()

    def drain(self) -> None:
        """Forgets what was told: what is so now is read anew."""
        try:
            while self._news.recv(65536):
                pass
        except BlockingIOError:
            return
        except OSError:
            return  # so much has changed that the kernel stopped telling

    def default(self) -> tuple[str | None, str]:
        """The interface that leads out, or None and what is missing."""
        trouble = "there is no default route"
        for interface in dict.fromkeys([*_ipv4_defaults(), *_ipv6_defaults()]):
            if self._works(interface):
                return interface, ""
            trouble = f"{interface} is down"
        return None, trouble

    def close(self) -> None:
        self._news.close()
        self._asking.close()

    def _works(self, interface: str) -> bool:
        import fcntl

        request = _IFREQ.pack(interface.encode(), 0)
        try:
            answer = fcntl.ioctl(self._asking, _SIOCGIFFLAGS, request)
        except OSError:
            return False  # it has gone meanwhile
        _, flags = _IFREQ.unpack(answer)
        return bool(flags & _INTERFACE_UP and flags & _INTERFACE_RUNNING)


def _ipv4_defaults() -> list[str]:
    found: list[tuple[int, str]] = []
    for line in _lines("/proc/thread-self/net/route"):
        fields = line.split()
        if len(fields) >= 8 and fields[1] == fields[7] == "00000000" and _usable(fields[3]):
            found.append((int(fields[6]), fields[0]))
    return [interface for _, interface in sorted(found)]


def _ipv6_defaults() -> list[str]:
    found: list[tuple[int, str]] = []
    for line in _lines("/proc/thread-self/net/ipv6_route"):
        fields = line.split()
        if len(fields) == 10 and fields[0] == "0" * 32 and fields[1] == "00" and _usable(fields[8]):
            found.append((int(fields[5], 16), fields[9]))
    return [interface for _, interface in sorted(found) if interface != "lo"]


def _usable(flags: str) -> bool:
    return int(flags, 16) & (_ROUTE_UP | _ROUTE_REJECTS) == _ROUTE_UP


def _lines(path: str) -> list[str]:
    with suppress(FileNotFoundError):  # a kernel without IPv6
        return Path(path).read_text(encoding="ascii").splitlines()
    return []

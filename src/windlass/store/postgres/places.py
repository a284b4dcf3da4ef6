"""Where a server may be, and which of these places is asked first.

A URL may name several hosts, of which one takes writes. One that is gone with its machine answers nobody, and
each new connection would wait for it first. So the place that answered last comes first, until a connection
to it is lost.
"""

from __future__ import annotations

from typing import Any

import psycopg

NEXT_S = 3
"""Where there is another host, nobody waits for one for longer, unless the URL says so."""

Place = tuple[str, str]
"""A host, and a port; both as they were given."""


class Places:
    """``conninfo`` is what to connect by. Thread-safe: it is replaced as a whole."""

    def __init__(self, conninfo: dict[str, Any]) -> None:
        hosts, ports = (str(conninfo.get(name) or "").split(",") for name in ("host", "port"))
        ports = ports * len(hosts) if len(ports) == 1 else ports
        # Whoever gives addresses beside the names knows better.
        are_several = len(hosts) == len(ports) > 1 and "hostaddr" not in conninfo
        self._places: list[Place] = list(zip(hosts, ports, strict=True)) if are_several else []
        self.conninfo = {"connect_timeout": NEXT_S, **conninfo} if are_several else conninfo

    def answered(self, raw: psycopg.Connection[Any]) -> None:
        """The place of this connection is asked first from now on."""
        if self._places:
            self._order(sorted(self._places, key=lambda place: not _is_of(raw, place)))

    def left(self, raw: psycopg.Connection[Any]) -> None:
        """Where this connection was lost, its place is asked last, if it was the first."""
        if self._places and raw.broken and _is_of(raw, self._places[0]):
            self._order([*self._places[1:], self._places[0]])

    def _order(self, places: list[Place]) -> None:
        self._places = places
        hosts, ports = zip(*places, strict=True)
        self.conninfo = {**self.conninfo, "host": ",".join(hosts), "port": ",".join(ports)}


def _is_of(raw: psycopg.Connection[Any], place: Place) -> bool:
    host, port = place
    return raw.pgconn.host.decode() == host and port in ("", raw.pgconn.port.decode())

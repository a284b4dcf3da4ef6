"""What is known of the device that jobs run on, as values: the network, power, idleness, storage, and what
else a constraint may ask for. Who finds it out is ``windlass.device``; what follows from it is in
``windlass.constraints``.

Each fact has a name: ``network``, ``power``, ``idle``, ``storage``, ``reachable URL``, ``files PATTERNS`` and
``when NAME``. Times are microseconds on the wall clock.
"""

from __future__ import annotations

import msgspec

from windlass.errors import InvalidJob


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    """Nobody knows, and why."""

    reason: str


class Network(msgspec.Struct, frozen=True, kw_only=True, tag="network", omit_defaults=True):
    """The way out of this machine. ``metered`` and ``roaming``: None where nothing tells."""

    connected: bool
    portal: bool = False
    """It leads to a page that wants a log-in first, as far as the system has noticed."""
    metered: bool | None = None
    roaming: bool | None = None
    through: str = ""
    """``Wi-Fi “Café”``, ``eth0``; without a connection, what is missing."""
    doubt: str = ""
    """Why ``metered`` or ``roaming`` is not known though it could be: then it is not assumed either."""

    def __str__(self) -> str:
        if not self.connected:
            return f"no network ({self.through})" if self.through else "no network"
        traits = {
            "behind a captive portal": self.portal,
            "metered": self.metered,
            "roaming": self.roaming,
        }
        return ", ".join(
            [f"on {self.through or 'a network'}", *(name for name, has in traits.items() if has)]
        )


class Power(msgspec.Struct, frozen=True, kw_only=True, tag="power"):
    """Where the power comes from. ``percent``: None where there is no battery."""

    percent: float | None
    charging: bool
    """On external power, and not losing charge in spite of it. True where there is no battery."""

    def __str__(self) -> str:
        if self.percent is None:
            return "no battery"
        return f"battery {self.percent:.0f} %, {'charging' if self.charging else 'discharging'}"


class Idle(msgspec.Struct, frozen=True, tag="idle"):
    """Since when nobody has used the device; None: somebody does."""

    since_us: int | None


class Storage(msgspec.Struct, frozen=True, kw_only=True, tag="storage"):
    """The file system of the database, in bytes."""

    free: int
    total: int

    def __str__(self) -> str:
        return f"{size(self.free)} of {size(self.total)} free"


class Verdict(msgspec.Struct, frozen=True, tag="verdict"):
    """A question with a plain answer: is that URL reached, does that predicate hold?"""

    holds: bool
    told: str = ""
    """What was found, where it does not."""


class Files(msgspec.Struct, frozen=True, kw_only=True, tag="files"):
    """The newest change among the files of some patterns, once they have been left alone for a while."""

    changed_us: int | None
    newest: str = ""

    def __str__(self) -> str:
        return f"{self.newest} changed last" if self.newest else "no such file"


Fact = Unknown | Network | Power | Idle | Storage | Verdict | Files

UNREAD = Unknown("it has not been looked at yet")


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of a device at one moment.

    >>> state = DeviceState(now_us=0, facts={"power": Power(percent=14, charging=False)})
    >>> str(state.facts["power"])
    'battery 14 %, discharging'
    >>> DeviceState.from_text(state.to_text()) == state
    True
    """

    now_us: int
    facts: dict[str, Fact] = {}
    since: dict[str, int] = {}
    """Since when each condition has held, or not held, by its name; see ``constraints.Condition``."""

    def to_text(self) -> str:
        """As JSON."""
        return msgspec.json.encode(self, order="sorted").decode()

    @staticmethod
    def from_text(text: str) -> DeviceState:
        """What ``to_text`` gave.

        Raises:
            InvalidJob: it is something else.
        """
        try:
            return msgspec.json.decode(text, type=DeviceState)
        except msgspec.DecodeError as error:
            raise InvalidJob(f"this is no state of a device that this version can read: {error}") from None


_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def size(count: int) -> str:
    """A number of bytes as people write it.

    >>> size(2_000_000_000), size(1_530_000)
    ('2 GB', '1.53 MB')
    """
    unit = max(
        (name for name, bytes_of in _UNITS.items() if count >= bytes_of), key=_UNITS.__getitem__, default="B"
    )
    amount = count / _UNITS[unit]
    return f"{amount:.3g} {unit}" if amount < 999.5 else f"{amount:.0f} {unit}"

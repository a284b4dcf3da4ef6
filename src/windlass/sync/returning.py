"""The network's return, heard at once: what waits for a remote that could not be reached goes then.

It is a hint and no more. Sync tries by its own times whatever the device says, since what a device calls its
network may be wrong: in a container, or where the remote is on this very machine. So nothing here is asked
while every remote is well, and a network that nobody can tell changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from windlass.constraints import Constraints
from windlass.facts import Network

if TYPE_CHECKING:
    from windlass.device import AnyDevice

_CONNECTED = Constraints(network="connected")


class Returning:
    """Watches the network while a remote cannot be reached. For one thread; ``wake`` is called on others."""

    def __init__(
        self, open_device: Callable[[Callable[[], None]], AnyDevice], wake: Callable[[], None]
    ) -> None:
        self._open_device = open_device
        self._wake = wake
        self._device: AnyDevice | None = None
        self._was_gone = False

    def is_back(self, *, wanted: bool) -> bool:
        """True once when the network was gone and is there again. ``wanted``: some remote is waited for."""
        if not wanted:
            if self._device is not None:
                self._device.want(())
            self._was_gone = False
            return False
        if self._device is None:
            self._device = self._open_device(self._wake)
        self._device.want((_CONNECTED,))
        network = self._device.state().facts.get("network")
        if not isinstance(network, Network):
            return False
        was_gone, self._was_gone = self._was_gone, not network.connected
        return was_gone and network.connected

    def close(self) -> None:
        """Looks no more."""
        device, self._device = self._device, None
        if device is not None:
            device.close()

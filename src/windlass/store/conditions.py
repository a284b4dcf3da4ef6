"""Jobs that wait for a condition, and what dispatchers say of their devices. A part of the contract.

Such jobs are in lanes of their own, one for each set of constraints, and a lane is opened by whoever finds
that its constraints hold. So nothing is written when a condition changes, and what is blocked is never
stepped over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from windlass.store.protocol import Lane


class DeviceRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one dispatcher reads of its device."""

    owner: int
    """The dispatcher."""
    state: str
    """JSON, as ``facts.DeviceState`` writes it."""
    read_at_us: int
    """When that was, on the wall clock."""


class Conditioned(Protocol):
    """The verbs. All are thread-safe."""

    def waits_since(self, lane: Lane) -> int | None:
        """The wall time at which the oldest job of a lane was enqueued; None where the lane is empty."""
        ...

    def hold_lane(self, lane: Lane, reason: str, limit: int = 1000) -> int:
        """Holds at most ``limit`` jobs of a lane, with a reason; how many."""
        ...

    def publish_device(self, owner: int, state: str) -> None:
        """Writes down what a dispatcher reads of its device now."""
        ...

    def forget_device(self, owner: int) -> None:
        """Removes that; it costs no write where there is nothing."""
        ...

    def devices(self) -> list[DeviceRow]:
        """What each dispatcher last read."""
        ...

"""Limits: how many jobs of a queue or a key run at once, and how often they start. A part of the contract.

They hold over all dispatchers of a database. A claim heeds them in its own transaction, and counts as a
start there: what was claimed and did not start, as its dispatcher was killed or its isolate was late, does
not give its slot back. So a rate is never exceeded, and may be missed a little.

A key's limits are what its program *declares*, unless someone set others at runtime: those win, and stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from windlass.rate import Rate

LimitKind = Literal["queue", "key", "declared"]


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What was set for a queue or a key, or declared for a key. None: no such limit."""

    kind: LimitKind
    name: str
    concurrency: int | None = None
    rate: Rate | None = None
    slot_in_us: int = 0
    """How long until one may start by the rate."""


class Limits(Protocol):
    """The verbs. All are thread-safe."""

    def limits(self) -> list[Limit]:
        """All there are, by kind and name."""
        ...

    def set_limit(
        self,
        kind: LimitKind,
        name: str,
        *,
        concurrency: int | UnsetType | None = UNSET,
        rate: Rate | UnsetType | None = UNSET,
    ) -> None:
        """Sets what is given. A key's other limit stays as it was declared."""
        ...

    def lift_limit(self, kind: LimitKind, name: str) -> bool:
        """Forgets a limit; False where there was none. A key is under what is declared for it again."""
        ...

    def running_by_queue(self) -> dict[str, int]:
        """How many jobs of each queue are RUNNING, over all dispatchers."""
        ...

    def running_by_key(self) -> dict[str, int]:
        """How many jobs of each key are RUNNING, over all dispatchers."""
        ...


def in_force(limits: list[Limit]) -> Mapping[tuple[Literal["queue", "key"], str], Limit]:
    """The limits that count, by what they are for: of a key's two, the one that was set."""
    found: dict[tuple[Literal["queue", "key"], str], Limit] = {}
    for limit in limits:
        if limit.kind == "declared":
            found.setdefault(("key", limit.name), limit)
        else:
            found[limit.kind, limit.name] = limit
    return found

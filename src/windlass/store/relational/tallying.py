"""How much is in each queue, counted to the end or as far as somebody wants to wait for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from windlass.store.protocol import QueueState
from windlass.store.relational.base import Role
from windlass.store.relational.engine import Connection
from windlass.store.relational.statements import SQL

_KINDS = ("ready", "conditioned")
_FULL_MOST = 10
"""Where so many queues' worth of ready jobs has been counted, of each other queue only …"""
_FEW = 100
"""… so many are: however many queues there are, a page of them is there at once."""


class Tallying(Role):
    """The verb of the queues' counts."""

    def queues(self, count_to: int | None = None) -> list[QueueState]:
        found: dict[str, dict[str, Any]] = {}
        with self.database.show() as connection:
            for queue, paused, concurrency, pin in connection.execute(
                "SELECT queue, paused, concurrency, pin FROM windlass_queues"
            ):
                found[queue] = {"paused": bool(paused), "concurrency": concurrency, "pin": pin}
            for queue, what, count in _counted(connection, count_to):
                state = found.setdefault(queue, {})
                state[what] = state.get(what, 0) + count
        if count_to is not None:
            _mark(found, count_to)
        return [QueueState(queue=queue, **state) for queue, state in sorted(found.items())]


def _counted(connection: Connection, count_to: int | None) -> Iterator[tuple[str, str, int]]:
    if count_to is None:
        yield from connection.execute(SQL["queues"])
        return
    counted = 0
    for kind in _KINDS:
        for alone in (0, 1):
            queue = ""
            # From queue to queue by the index: what is in them is not walked.
            while row := connection.execute(SQL[f"next_{kind}_queue"], (alone, queue)).fetchone():
                queue = row[0]
                most = count_to if counted < _FULL_MOST * count_to else min(_FEW, count_to)
                (count,) = connection.execute(SQL[f"count_{kind}_queue"], (alone, queue, most)).fetchone()
                counted += count
                yield queue, "ready", count
                if most <= count < count_to:
                    yield queue, "is_least", 1
    yield from connection.execute(SQL["queues_at_least"], (count_to,))


def _mark(found: dict[str, dict[str, Any]], count_to: int) -> None:
    """What is not ready is counted over all queues, until there are so many: then any may have more."""
    totals: Counter[str] = Counter()
    for state in found.values():
        totals.update({what: state.get(what, 0) for what in ("scheduled", "held", "running")})
    is_cut = any(total >= count_to for total in totals.values())
    for state in found.values():
        state["is_least"] = is_cut or "is_least" in state or state.get("ready", 0) >= count_to

"""Many settlements of one kind in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from windlass.outcome import Completed, Released
from windlass.store.postgres.arrays import bigints, texts
from windlass.store.postgres.bundling import Answer, Step
from windlass.store.postgres.dialect import SQL
from windlass.store.postgres.statements import without_nul
from windlass.store.protocol import Settlement
from windlass.store.relational.settling import Settler

_ALIKE_LEAST = 32
"""A statement of their own is worth it for so many."""


class Batch(NamedTuple):
    """Settlements by the ids of their jobs, and the statement for them."""

    name: str
    settlements: Mapping[int, Settlement]
    step: Step

    def left(self, answer: Answer) -> list[Settlement]:
        """Those that the statement did not settle. By name, not by number: a count would not say which."""
        rows = answer.fetchall()
        if self.name == "settle_alike":
            [(settled,)] = rows
            if settled is None:
                return []
        else:
            settled = [job_id for (job_id,) in rows]
            if len(settled) == len(self.settlements):
                return []
        gone = frozenset(settled)
        return [one for job_id, one in self.settlements.items() if job_id not in gone]


def batched(settler: Settler, settlements: Sequence[Settlement]) -> tuple[list[Batch], list[Settlement]]:
    """What is settled together, and the rest. Each job comes once at most."""
    alike: dict[tuple[int, int], dict[int, Settlement]] = {}
    completed: dict[int, Settlement] = {}
    released: dict[int, Settlement] = {}
    rest: list[Settlement] = []
    for one in settlements:
        outcome = one.outcome
        if type(outcome) is Completed:
            if outcome.result is None:
                alike.setdefault((one.token, one.attempt), {})[one.job_id] = one
            else:
                completed[one.job_id] = one
        elif type(outcome) is Released and not outcome.alone:
            released[one.job_id] = one
        else:
            rest.append(one)
    batches: list[Batch] = []
    for (token, attempt), some in alike.items():
        if len(some) < _ALIKE_LEAST:
            completed |= some
        else:
            values = {"token": token, "attempt": attempt, "count": len(some)}
            batches.append(_batch(settler, "settle_alike", some, values))
    for name, some in (("settle_many", completed), ("release_many", released)):
        if some:
            batches.append(_batch(settler, name, some, _columns(list(some.values()))))
    return batches, rest


def _batch(settler: Settler, name: str, some: dict[int, Settlement], values: dict[str, Any]) -> Batch:
    common = {"now_us": settler.now_us, "now": settler.now, "ids": bigints(some)}
    return Batch(name, some, (SQL[name], without_nul(common | values)))


def _columns(some: Sequence[Settlement]) -> dict[str, Any]:
    outcomes = [one.outcome for one in some]
    return {
        "attempts": bigints(one.attempt for one in some),
        "tokens": bigints(one.token for one in some),
        "results": texts(outcome.result if isinstance(outcome, Completed) else None for outcome in outcomes),
    }

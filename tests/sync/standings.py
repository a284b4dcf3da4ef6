"""A row about tea, and the standings that tests begin with."""

from __future__ import annotations

from typing import Any

import msgspec

from windlass.change import RemoteRow, Row, Shadow, Standing
from windlass.sync.merge import Policy
from windlass.sync.pending import carried_out
from windlass.sync.reconcile import Answer, Limits, Refused, receive, seal, settle

replace = msgspec.structs.replace
TEA: Row = {"id": 1, "title": "tea", "done": 0}
GREEN: Row = {**TEA, "title": "green tea"}
COFFEE: Row = {**TEA, "title": "coffee"}
UNSEALED: dict[str, Any] = {"mutation_id": None, "base_version": None}


def sealed(
    row: Row | None, shadow: Row | None = TEA, *, version: str | None = "v1", seq: int = 3
) -> Standing:
    """A row whose change is sealed."""
    before = Standing(1, row, None if shadow is None else Shadow(shadow, version, "1"))
    after = carried_out(before, seal(before, "m1", 5))
    assert after.sent is not None
    return after._replace(sent=replace(after.sent, seq=seq, id=f"c{seq}"))


def settled(standing: Standing, answer: Answer, policy: Policy = "ask", **limits: Any) -> Standing:
    return carried_out(standing, settle(standing, answer, policy, 9, Limits(key=("id",), **limits)))


def received(
    standing: Standing, row: Row | None, version: str | None = "v2", policy: Policy = "ask"
) -> Standing:
    return carried_out(standing, receive(standing, RemoteRow("1", row, version), policy, 9))


def change(standing: Standing) -> tuple[str, Row]:
    assert standing.pending is not None
    return standing.pending.op, standing.pending.data


def asked() -> Standing:
    mine = {**GREEN, "note": "mine"}
    return received(Standing(1, mine, Shadow({**TEA, "note": ""}, "v1")), {**COFFEE, "note": "", "done": 1})


def dead(op: Row | None = GREEN) -> Standing:
    return settled(sealed(op), Refused("422", "{}"))

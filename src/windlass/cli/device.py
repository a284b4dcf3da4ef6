"""``windlass device``: what this machine says of itself now, who told it, and what the services read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
import typer

from windlass.cli.options import App, Db, Json, open_app
from windlass.cli.output import Output
from windlass.clock import from_us, monotonic, sleep
from windlass.constraints import Condition, Constraints, conditions, from_text
from windlass.errors import InvalidJob
from windlass.facts import UNREAD, DeviceState, Fact, Idle, Unknown, Verdict
from windlass.living import live_dispatchers
from windlass.redact import printable

if TYPE_CHECKING:
    from windlass.app import Windlass

cli = typer.Typer(add_completion=False)

_PATIENCE_S = 6.0
"""A predicate may take five seconds."""
_NAP_S = 0.02
_ALWAYS = (
    Constraints(network="connected", charging=True, battery_not_low=True, idle=True, storage_not_low=True),
    Constraints(network="unmetered"),
    Constraints(network="not_roaming"),
)


class Reading(msgspec.Struct, frozen=True):
    """One condition as it stands here now."""

    condition: str
    holds: bool
    reads: str
    """What is known, or why nothing is."""
    probe: str
    """Who found it out."""
    since: datetime | None
    """Since when, as far as a service has seen it."""


@cli.command()
def device(db: Db = None, app: App = None, as_json: Json = False) -> None:
    """What jobs can wait for, as it is read now: each condition, from which probe, and since when."""
    opened = open_app(db, app, handlers=app is not None)
    output = Output(as_json=as_json)
    with output.busy("looking at this device"):
        readings = list(_look(opened))
    output.data(readings, lambda: _table(readings))


def _look(opened: Windlass) -> Iterator[Reading]:
    wanted = [*_ALWAYS, *_waited_for(opened)]
    looked_at = opened.open_device(lambda: None)
    try:
        looked_at.want(wanted)
        deadline = monotonic() + _PATIENCE_S
        while _is_unread(looked_at.state(), wanted) and monotonic() < deadline:
            sleep(_NAP_S)
        state = looked_at.state()
    finally:
        looked_at.close()
    since = _since(opened)
    told: dict[str, Condition] = {one.name: one for asked in wanted for one in conditions(asked)}
    for name, condition in told.items():
        fact = state.facts.get(condition.fact, UNREAD)
        yield Reading(
            condition=name,
            holds=condition.fault(fact, state.now_us, None) is None,
            reads=_reads(fact),
            probe=_probe(opened, condition.fact),
            since=since.get(name),
        )


def _waited_for(opened: Windlass) -> Iterator[Constraints]:
    for text in {lane.constraints for lane in opened.store.lanes() if lane.constraints is not None}:
        try:
            yield from_text(text)
        except InvalidJob:
            continue  # whoever runs its jobs holds them, with the reason


def _is_unread(state: DeviceState, wanted: list[Constraints]) -> bool:
    return any(state.facts.get(one.fact, UNREAD) == UNREAD for asked in wanted for one in conditions(asked))


def _since(opened: Windlass) -> dict[str, datetime]:
    live = {row.id for row in live_dispatchers(opened.store)}
    found: dict[str, datetime] = {}
    for row in opened.store.devices():
        if row.owner in live:
            state = DeviceState.from_text(row.state)
            found |= {name: from_us(since_us) for name, since_us in state.since.items()}
    return found


def _probe(opened: Windlass, fact: str) -> str:
    if opened.device is not None:
        return type(opened.device).__name__
    from windlass.device.machine import probe_of

    made = probe_of(fact, folder=".", predicates=opened.registry.conditions, clock=opened.clock)
    return type(made).__name__


def _reads(fact: Fact) -> str:
    match fact:
        case Unknown(reason):
            return reason
        case Idle(since_us):
            return "in use" if since_us is None else f"idle since {from_us(since_us):%Y-%m-%d %H:%M:%S} UTC"
        case Verdict(holds, told):
            return told or ("it holds" if holds else "it does not hold")
        case _:
            return str(fact)


def _table(readings: list[Reading]) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("condition", "", "reads", "probe", "since (UTC)"):
        table.add_column(column, overflow="fold")
    for one in readings:
        mark = Text("✔", "green") if one.holds else Text("✘", "yellow")
        since = "" if one.since is None else f"{one.since:%Y-%m-%d %H:%M:%S}"
        table.add_row(Text(one.condition), mark, Text(printable(one.reads)), Text(one.probe, "dim"), since)
    return table

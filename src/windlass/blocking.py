"""Why a job waits for a condition: what each running service reads of its device and has written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from windlass.clock import from_us, to_wall_us
from windlass.constraints import Blocked, Constraints, blocked_by, conditions, from_text
from windlass.errors import InvalidJob
from windlass.facts import DeviceState
from windlass.job import Job
from windlass.store.hosts import DispatcherRow
from windlass.store.protocol import Lane, Store

NOT_LOOKED = "the device has not been looked at yet"
"""What is said for a moment, until a service has."""


class _Reading(NamedTuple):
    owner: DispatcherRow
    blocked: tuple[Blocked, ...] | None
    """None: it has not looked yet."""

    @property
    def since_us(self) -> int | None:
        return min((one.since_us for one in self.blocked or () if one.since_us is not None), default=None)

    @property
    def told(self) -> str:
        if self.blocked is None:
            return NOT_LOOKED
        since = (
            f" (since {from_us(self.since_us):%Y-%m-%d %H:%M:%S} UTC)" if self.since_us is not None else ""
        )
        return "; ".join(one.reason for one in self.blocked) + since


def explain_conditions(store: Store, job: Job, live: Sequence[DispatcherRow]) -> str | None:
    """What keeps it waiting; None where one of these services may run it, for all that is known."""
    if job.constraints is None:
        return None
    states = {row.owner: row.state for row in store.devices()}
    readings = [_read(job.constraints, job, row, states.get(row.id)) for row in live]
    if not readings or any(reading.blocked == () for reading in readings):
        return None
    if len(readings) == 1:
        told = readings[0].told
    else:
        told = "; ".join(
            f"service {one.owner.id} (process {one.owner.pid} on {one.owner.host}): {one.told}"
            for one in readings
        )
    return f"it waits for a condition: {told}"


def blocked_lanes(store: Store) -> Iterator[tuple[Lane, str]]:
    """The lanes that no service opens, and why."""
    states = [state for row in store.devices() if (state := _state(row.state)) is not None]
    for lane in store.lanes() if states else ():
        asked = None if lane.constraints is None else _asked(lane.constraints)
        blocked = [] if asked is None else [blocked_by(asked, state) for state in states]
        if blocked and all(blocked):
            yield lane, "; ".join(one.reason for one in blocked[0])


def asked_for(job: Job) -> str:
    """What it would wait for, where nobody looks: ``; then it waits for network unmetered, charging``."""
    if job.constraints is None:
        return ""
    return f"; then it waits for its conditions: {', '.join(one.name for one in conditions(job.constraints))}"


def _read(constraints: Constraints, job: Job, row: DispatcherRow, text: str | None) -> _Reading:
    state = None if text is None else _state(text)
    if state is None:
        return _Reading(row, None)
    return _Reading(row, blocked_by(constraints, state, since_us=to_wall_us(job.created_at)))


def _state(text: str) -> DeviceState | None:
    try:
        return DeviceState.from_text(text)
    except InvalidJob:
        return None  # of another version of this library: what it reads cannot be told here


def _asked(text: str) -> Constraints | None:
    try:
        return from_text(text)
    except (InvalidJob, RecursionError):
        return None  # whoever runs such jobs holds them, with the reason

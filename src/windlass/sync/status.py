"""How a resource stands: what ``app.sync.status()`` tells, and ``watch`` as it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from windlass.clock import from_us
from windlass.errors import ConfigError
from windlass.job import JobStatus
from windlass.store.ledger import LOST, OriginState
from windlass.store.protocol import JobFilter, Store
from windlass.sync.engine import Engine
from windlass.sync.origins import wait_us_until
from windlass.sync.stream import Stream
from windlass.sync.tasks import PULL, PUSH, QUEUE, Tasks
from windlass.sync.ways import trouble_of

_TOGETHER = 200


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One resource, at one moment. Times are aware UTC datetimes."""

    resource: str
    state: str
    """``idle``, ``pushing``, ``pulling``, ``paused``, ``offline``, ``throttled``, ``unauthorized``,
    ``failing``; ``blocked`` where its jobs may not start or its rows are gone, ``broken`` where its table
    cannot be synced."""
    reason: str | None = None
    """What the remote said, or what else the state comes from."""
    since: datetime | None = None
    """Since when, where the state is the remote's doing."""
    until: datetime | None = None
    """When it is asked again, where that waits."""
    rows: int = 0
    """Rows that the remote is known to have."""
    pending: int = 0
    held: int = 0
    """Of the pending: those that wait for another row or for a conflict."""
    failed: int = 0
    """Changes that the remote rejected: they wait for a person."""
    conflicts: int = 0
    quarantined: int = 0
    """Remote rows that could not be written here."""
    oldest_pending: datetime | None = None
    lag_s: float | None = None
    """Age of the oldest pending change, in seconds."""
    last_pull: datetime | None = None
    last_push: datetime | None = None
    last_error: str | None = None
    sweep_refused: str | None = None
    """So much was absent from a complete pull, or is gone here, that a person must say whether it is
    deleted on the other side."""


class Statuses:
    """Reads them."""

    def __init__(self, engine: Engine, store: Callable[[], Store], tasks: Tasks) -> None:
        self._engine = engine
        self._store = store
        self._tasks = tasks

    def read(self, name: str) -> Status:
        """The resource as it stands now.

        Raises:
            ConfigError: it is not declared, or its table cannot be synced.
        """
        cycle = self._engine.cycle(name)
        ledger, now_us = cycle.ledger, self._engine.now_us()
        counts, notes, pulled = ledger.counts(name), ledger.notes(name), ledger.state(name)
        fault = _fault_of(cycle.origin.state(), notes)
        state, reason = self._running().get(name, "idle"), None if fault is None else fault.reason
        if ledger.is_paused(name):
            state = "paused"
        elif state == "idle" and fault is not None:
            state = fault.state
        elif state == "idle":
            blocked = cycle.lacks or notes.get(LOST) or self._tasks.kept_from(name, PUSH, PULL)
            state, reason = ("blocked", blocked) if blocked else (state, reason)
        waits = fault is not None and wait_us_until(fault.until_us, cycle.clock) > 0
        return Status(
            resource=name,
            state=state,
            reason=reason,
            since=None if fault is None else _moment(fault.since_us),
            until=_moment(fault.until_us) if fault is not None and waits else None,
            rows=counts.rows,
            pending=counts.pending,
            held=counts.held,
            failed=counts.failed,
            conflicts=counts.conflicts,
            quarantined=counts.quarantined,
            oldest_pending=_moment(counts.oldest_us),
            lag_s=None if counts.oldest_us is None else max(now_us - counts.oldest_us, 0) / 1_000_000,
            last_pull=_moment(pulled.pulled_at_us),
            last_push=_moment(notes.get("pushed_at_us")),
            last_error=notes.get("last_error"),
            sweep_refused=notes.get(LOST) or notes.get("sweep_refused"),
        )

    def all(self) -> list[Status]:
        """Every declared resource, by name; where a table cannot be synced, the reason is in the status."""
        return [self._read_or_say(name) for name in sorted(self._engine.declared)]

    def _read_or_say(self, name: str) -> Status:
        try:
            return self.read(name)
        except ConfigError as error:
            return Status(resource=name, state="broken", reason=str(error))

    def watch(self, name: str | None, poll_s: float) -> Stream[Status]:
        """Each status as it is, then each that changed; without end, but for its closing."""
        told: dict[str, Status] = {}

        def look() -> Iterator[Status]:
            for status in self.all() if name is None else [self.read(name)]:
                if _without_age(told.get(status.resource)) != _without_age(status):
                    told[status.resource] = status
                    yield status

        return Stream(look, self._store().bell("watch"), poll_s)

    def _running(self) -> dict[str, str]:
        where = JobFilter(status=(JobStatus.RUNNING,), queue=QUEUE)
        found: dict[str, str] = {}
        for job in self._store().select(where, limit=_TOGETHER):
            resource: Any = (job.payload or {}).get("resource")
            if isinstance(resource, str) and job.key in (PUSH, PULL):
                found[resource] = "pushing" if job.key == PUSH else "pulling"
        return found


class _Fault(NamedTuple):
    state: str
    reason: str | None
    since_us: int
    until_us: int | None


def _fault_of(origin: OriginState, notes: Mapping[str, Any]) -> _Fault | None:
    """What is wrong with its server, otherwise with one of its own two ways."""
    if origin.state != "ok":
        return _Fault(origin.state, origin.reason, origin.since_us, origin.until_us)
    for direction in ("push", "pull"):
        if (trouble := trouble_of(notes, direction)) is not None:
            return _Fault("failing", f"{direction}: {trouble.reason}", trouble.since_us, trouble.until_us)
    return None


def _without_age(status: Status | None) -> Status | None:
    return None if status is None else msgspec.structs.replace(status, lag_s=None)


def _moment(wall_us: Any) -> datetime | None:
    return from_us(wall_us) if isinstance(wall_us, int) else None

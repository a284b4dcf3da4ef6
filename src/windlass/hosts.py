"""Hosts: which machines work on this database, what they run, and how one is paused or drained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

import msgspec

from windlass.bridge import asynchronous
from windlass.clock import SystemClock, from_us
from windlass.fields import checked_name
from windlass.living import State, state_of
from windlass.store.hosts import HOST_LABEL, DispatcherRow
from windlass.store.protocol import Store

_LEASES_MOST = 100_000


class Dispatcher(msgspec.Struct, frozen=True, kw_only=True):
    """One that is registered: a service, or a program with ``app.running()``."""

    id: int
    pid: int
    mode: str
    """``service`` or ``embedded``."""
    version: str
    """Of Windlass."""
    state: State
    """``alive``; ``resting``: the same, and it holds no jobs; ``frozen``: it is stopped, or stuck; ``lost``:
    it was silent for too long; ``dead``: its process is gone. What the last three ran, others take over."""
    started_at: datetime
    silent_s: float | None
    """How long ago its last pulse is, in seconds; None: on one machine nobody waits for it."""
    job_keys: tuple[str, ...] | None
    """What it can run; None: everything, as it has a fallback."""
    running: int
    """How many jobs it runs now."""

    @property
    def is_alive(self) -> bool:
        """True where it works."""
        return self.state in ("alive", "resting")


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, by its name: the setting ``host``, or what the machine calls itself."""

    name: str
    paused: bool
    """It starts no more jobs."""
    draining: bool
    """… and its services end when what runs has ended."""
    labels: tuple[str, ...]
    """What its dispatchers have, and queues may be pinned to."""
    dispatchers: tuple[Dispatcher, ...]

    @property
    def is_alive(self) -> bool:
        """True where a dispatcher of it works."""
        return any(one.is_alive for one in self.dispatchers)

    @property
    def running(self) -> int:
        """How many jobs it runs now."""
        return sum(one.running for one in self.dispatchers)


class HostManager:
    """``app.hosts``: the machines that work on this database.

    >>> import tempfile
    >>> from windlass import Windlass
    >>> app = Windlass(tempfile.mkdtemp() + "/app.db", host="alpha", labels=["gpu"])
    >>> with app.running():
    ...     [(host.name, host.labels, host.is_alive) for host in app.hosts.list()]
    [('alpha', ('gpu',), True)]
    """

    def __init__(self, give: Callable[[], Store]) -> None:
        self._give = give

    def list(self) -> list[Host]:
        """Those with a registered dispatcher, and those that someone paused; by name."""
        store = self._give()
        running = Counter(lease.owner for lease in store.leases(limit=_LEASES_MOST))
        switches = {one.host: one for one in store.hosts()}
        rows: dict[str, list[DispatcherRow]] = {name: [] for name in switches}
        for row in store.dispatchers():
            rows.setdefault(row.host, []).append(row)
        return [
            Host(
                name=name,
                paused=name in switches and switches[name].paused,
                draining=name in switches and switches[name].draining,
                labels=tuple(
                    sorted({one for row in found for one in row.labels if not one.startswith(HOST_LABEL)})
                ),
                dispatchers=tuple(_told(row, running[row.id]) for row in found),
            )
            for name, found in sorted(rows.items())
        ]

    def pause(self, name: str) -> None:
        """Has this host start no more jobs; what runs goes on, and others take what comes."""
        self._give().set_host(checked_name("host", name), paused=True)

    def resume(self, name: str) -> None:
        """Has it start jobs again, also where it drains and has not ended yet."""
        self._give().set_host(checked_name("host", name), paused=False, draining=False)

    def drain(self, name: str) -> None:
        """Has this host start no more jobs, and end its services when what runs has ended, whenever that is.

        To start a service there is to end the draining.
        """
        self._give().set_host(checked_name("host", name), draining=True)

    alist = asynchronous(list)
    apause = asynchronous(pause)
    aresume = asynchronous(resume)
    adrain = asynchronous(drain)


def _told(row: DispatcherRow, running: int) -> Dispatcher:
    return Dispatcher(
        id=row.id,
        pid=row.pid,
        mode=row.mode,
        version=row.version,
        state=state_of(row, SystemClock()),
        started_at=from_us(row.started_at_us),
        silent_s=None if row.silent_us is None else row.silent_us / 1_000_000,
        job_keys=row.job_keys,
        running=running,
    )

"""Who dispatches, on which hosts, and who of them lives. A part of the store's contract.

On one machine a lock file says who lives, at once. From afar only what a dispatcher writes can: its *pulse*,
on the clock of the database, so that no two hosts need to agree on the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

HOST_LABEL = "host:"
"""The label that every dispatcher has begins with this; its host's name follows."""
SILENT_US = 20_000_000
"""So long after its last pulse in the database a dispatcher is lost …"""
GONE_US = 12_000_000
"""… or so long, where its session at the server has ended, too; and another one leads, where it did."""


class DispatcherRow(msgspec.Struct, frozen=True, kw_only=True):
    """A dispatcher as registered. Whether it lives is for ``windlass.living`` to say."""

    id: int
    host: str
    pid: int
    boot_id: str
    lock_file: str
    started_at_us: int
    version: str
    mode: str
    job_keys: tuple[str, ...] | None
    """What it knows. None: it has a fallback, and takes every key that nobody else has a handler for."""
    own_keys: tuple[str, ...] = ()
    """What it has handlers for; the same, where it has no fallback."""
    labels: tuple[str, ...] = ()
    """What its machine has, such as ``gpu``: it takes from queues that are pinned to these."""
    silent_us: int | None = None
    """How long ago its last pulse is, on the database's clock; None: here the lock file tells."""
    session: bool | None = None
    """Whether the session that it keeps at the server is there; None: it has none, or nobody can tell."""


class Standing(NamedTuple):
    """How a dispatcher stands among the others, as of its pulse."""

    known: bool = True
    """False: it was taken for dead. Its jobs are others' by now, and it must register anew."""
    leads: bool = True
    """It keeps the house for all: looks after the dead, and prunes. One at a time on many hosts."""
    paused: bool = False
    """Its host takes nothing new."""
    draining: bool = False
    """… and its dispatchers end once nothing runs."""
    others: bool = True
    """There are other dispatchers on record, which may fall silent."""


class HostSwitch(NamedTuple):
    """What was said of a host."""

    host: str
    paused: bool
    draining: bool


class Hosts(Protocol):
    """The verbs. All are thread-safe."""

    @property
    def pulse_every_s(self) -> float | None:
        """How often a dispatcher says that it lives; None: on one machine its lock file does."""
        ...

    def register(
        self,
        *,
        host: str,
        pid: int,
        lock_file: str,
        version: str,
        mode: str,
        job_keys: Sequence[str] | None,
        own_keys: Sequence[str] = (),
        labels: Sequence[str] = (),
    ) -> int:
        """Records a dispatcher; the id is never used again. Its host drains no longer."""
        ...

    def unregister(self, owner: int) -> None:
        """Forgets a dispatcher whose jobs are all settled or reclaimed."""
        ...

    def dispatchers(self) -> list[DispatcherRow]:
        """All registered dispatchers."""
        ...

    def pulse(self, owner: int, host: str) -> Standing:
        """Says that this dispatcher lives; how it stands. It leads where nobody else does."""
        ...

    def orphans(self) -> list[int]:
        """Owners of RUNNING jobs that are not registered: nobody would find these jobs by them."""
        ...

    def hosts(self) -> list[HostSwitch]:
        """The hosts that someone paused or drains."""
        ...

    def set_host(self, host: str, *, paused: bool | None = None, draining: bool | None = None) -> None:
        """Sets what is given."""
        ...

"""One dispatcher among others: registered, heard of, asked to pause or to drain, leading or not."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from typing import NamedTuple

from windlass.store.hosts import HOST_LABEL, SILENT_US, Standing
from windlass.store.protocol import Store
from windlass.worker.lease import Lease

log = logging.getLogger("windlass.worker")

_LOOK_S = 1.0
"""However often somebody rings, the switches of its host are looked at no more often than that …"""
_SWITCHED_LOOK_S = 0.05
"""… and no more often than that while one of them is on."""
_NEVER = float("inf")


class Identity(NamedTuple):
    """What a dispatcher says of itself."""

    version: str
    mode: str
    job_keys: Sequence[str] | None
    host: str
    labels: tuple[str, ...]
    own_keys: tuple[str, ...] = ()
    """What it has handlers for, where it takes other keys, too."""


def identity(
    version: str,
    mode: str,
    job_keys: Sequence[str] | None,
    host: str | None,
    labels: Sequence[str],
    own_keys: Sequence[str] = (),
) -> Identity:
    """The same, with what goes without saying: this machine's name, which is a label, too."""
    host = host or socket.gethostname()
    keys = None if job_keys is None else sorted(job_keys)
    told = (f"{HOST_LABEL}{host}", *sorted(set(labels)))
    return Identity(version, mode, keys, host, told, tuple(sorted(own_keys)))


class Membership:
    """What the others know of this dispatcher, and it of them. Used on its thread alone."""

    def __init__(self, store: Store, lease: Lease, who: Identity) -> None:
        self._store = store
        self._lease = lease
        self.who = who
        self.owner = 0
        self.standing = Standing(leads=False)
        self.next_look = 0.0
        """The moment (``clock.monotonic``) of the next pulse, or look at the switches."""
        self._looked_at = -_NEVER
        self._unbroken_since = 0.0
        self._took_nothing = False

    def enter(self) -> int:
        """Takes the lock and registers; the dispatcher's id."""
        self._lease.take()
        return self._register()

    @property
    def many_hosts(self) -> bool:
        """Others may be on machines of which only the database tells."""
        return self._store.pulse_every_s is not None

    @property
    def is_shut(self) -> bool:
        """Its host is paused, or drains."""
        return self.standing.paused or self.standing.draining

    def goes_on(self) -> bool:
        """True once, when its host may take jobs again."""
        before, self._took_nothing = self._took_nothing, self.is_shut
        return before and not self._took_nothing

    def judges(self, now: float) -> bool:
        """May it take who is silent for dead?

        After an outage of the database everybody has been silent: who has not itself been heard of without a
        break for that long cannot tell.
        """
        return self.standing.leads and now - self._unbroken_since >= SILENT_US / 1_000_000

    def heard(self, now: float) -> None:
        """Somebody has written: it may have been about this host."""
        pause_s = _SWITCHED_LOOK_S if self.is_shut else _LOOK_S
        self.next_look = min(self.next_look, max(now, self._looked_at + pause_s))

    def look(self, now: float) -> bool:
        """Says that it lives, where that is due, and hears how it stands.

        True where it had been taken for dead: its jobs are others' by now, and it has a new id.
        """
        if now < self.next_look:
            return False
        every_s = self._store.pulse_every_s
        before, self.standing = self.standing, self._store.pulse(self.owner, self.who.host)
        if every_s is not None and now - self._looked_at > 2 * every_s:
            self._unbroken_since = now
        self._looked_at = now
        self.next_look = _NEVER if every_s is None else now + every_s
        if self.standing.known:
            if self.standing.leads and not before.leads and self.many_hosts:
                log.info("dispatcher %d leads: it looks after the dead and the old for all hosts", self.owner)
            return False
        lost = self.owner
        self._register()
        self.next_look = now
        log.warning(
            "dispatcher %d was silent for so long that others took over what it ran; it goes on as %d",
            lost,
            self.owner,
        )
        return True

    def _register(self) -> int:
        who = self.who
        self.owner = self._store.register(
            host=who.host, pid=os.getpid(), lock_file=str(self._lease.path), version=who.version,
            mode=who.mode, job_keys=who.job_keys, own_keys=who.own_keys, labels=who.labels,
        )  # fmt: skip
        return self.owner

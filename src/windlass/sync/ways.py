"""The two ways of a resource, its pull and its push: one that goes wrong is left alone, and nothing else is.

A server that is away, throttles, does not know us or fails concerns all who speak to it (``origins.py``). An
answer that cannot be read, or a 4xx, speaks of this collection and of what was asked of it: the other ones
of its server, and the other way of this one, may be well.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from windlass.backoff import Backoff
from windlass.clock import Clock
from windlass.errors import BadResponse, CursorExpired, PageTooLarge, RemoteError, RequestRefused
from windlass.store.ledger import Ledger
from windlass.sync.origins import until_us_of

Direction = Literal["push", "pull"]

_BACKOFF = Backoff.exponential("2s", cap="15m", jitter="equal")


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one way of a resource. Wall times in microseconds."""

    reason: str
    since_us: int
    until_us: int | None
    """Not gone again before this; None: somebody said that it is to be tried at once."""
    failures: int
    """In a row."""


class Way:
    """One way of one resource, as all processes see it."""

    def __init__(self, resource: str, direction: Direction, ledger: Ledger, clock: Clock) -> None:
        self.direction: Direction = direction
        self.subject = f"{direction}:{resource}"
        """Under which people are told of its trouble."""
        self._resource = resource
        self._ledger = ledger
        self._clock = clock

    def trouble(self) -> Trouble | None:
        """What is wrong with it; None: nothing."""
        return trouble_of(self._ledger.notes(self._resource), self.direction)

    def failed(self, error: RemoteError) -> Trouble:
        """It went wrong: what is known of it now."""
        before, now_us = self.trouble(), self._clock.wall_us()
        failures = 1 if before is None else before.failures + 1
        trouble = Trouble(
            reason=str(error),
            since_us=now_us if before is None else before.since_us,
            until_us=until_us_of(error, _BACKOFF.delay_us(failures, chance=random.random()), now_us),
            failures=failures,
        )
        self._keep(trouble)
        return trouble

    def went_well(self) -> None:
        """Its trouble is over."""
        self._keep(None)

    def forgive(self) -> None:
        """Somebody says that it is to be tried at once."""
        found = self.trouble()
        if found is not None and found.until_us is not None:
            self._keep(msgspec.structs.replace(found, until_us=None))

    def _keep(self, trouble: Trouble | None) -> None:
        told = None if trouble is None else msgspec.to_builtins(trouble)
        self._ledger.note(self._resource, _note(self.direction), told)


def trouble_of(notes: Mapping[str, Any], direction: Direction) -> Trouble | None:
    """What the notes about a resource say of one of its ways."""
    told = notes.get(_note(direction))
    return None if told is None else msgspec.convert(told, Trouble)


def is_of_one_way(error: RemoteError) -> bool:
    """The error speaks of what was asked, not of the server.

    >>> is_of_one_way(RequestRefused("404 Not Found")), is_of_one_way(RemoteError("503"))
    (True, False)
    """
    return isinstance(error, BadResponse | RequestRefused | CursorExpired | PageTooLarge)


def _note(direction: Direction) -> str:
    return f"{direction}_trouble"

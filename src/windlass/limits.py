"""Limits: how many jobs of a queue or a job key run at once, and how often they start, over all services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from windlass.duration import describe
from windlass.errors import InvalidJob
from windlass.fields import checked_count, checked_name
from windlass.handlers import Registry
from windlass.job import Job
from windlass.rate import Rate, read_rate
from windlass.store.limits import Limit, LimitKind, in_force
from windlass.store.protocol import Store

RateLike = str | tuple[int, Any]
"""``"50/s"``, ``"600/m"``, ``"5/10s"`` or ``(50, "1s")``."""


class LimitState(msgspec.Struct, frozen=True, kw_only=True):
    """A limit in force, and how much of it is used. None: no such limit."""

    kind: Literal["queue", "key"]
    name: str
    concurrency: int | None = None
    """How many may run at once."""
    rate: str | None = None
    """How many may start in which span, such as ``50/s``."""
    running: int = 0
    next_slot_s: float = 0.0
    """Seconds until the rate lets the next one start."""
    declared: bool = False
    """It is what the program declares; otherwise, what someone set."""


class LimitManager:
    """Limits of queues and of job keys, to be set while everything runs: ``app.limits``."""

    def __init__(self, store: Callable[[], Store], registry: Registry) -> None:
        self._store = store
        self._registry = registry

    def set(
        self,
        *,
        key: str | None = None,
        queue: str | None = None,
        concurrency: int | UnsetType | None = UNSET,
        rate: RateLike | UnsetType | None = UNSET,
    ) -> None:
        """Limits the jobs of a key, or those of a queue, from now on and for all services of the database.

        ``concurrency``: how many run at once. ``rate``: how many start in any span, such as ``"50/s"``. None
        lifts the one, and what is not given stays. It is kept, and wins over what ``@app.job`` declares.

        Raises:
            InvalidJob: neither or both of key and queue are given, or a limit cannot be right.
        """
        kind, name = _subject(key, queue)
        if concurrency is UNSET and rate is UNSET:
            raise InvalidJob("expected concurrency or rate, got neither: None lifts a limit")
        set_limit(self._store(), kind, name, concurrency, rate)

    def list(self) -> list[LimitState]:
        """The limits in force, queues first, by name."""
        store = self._store()
        found = in_force(store.limits())
        running = {"queue": store.running_by_queue(), "key": store.running_by_key()} if found else {}
        shown = [
            LimitState(
                kind=kind,
                name=name,
                concurrency=limit.concurrency,
                rate=None if limit.rate is None else str(limit.rate),
                running=running[kind].get(name, 0),
                next_slot_s=limit.slot_in_us / 1_000_000,
                declared=limit.kind == "declared",
            )
            for (kind, name), limit in found.items()
        ]
        return sorted(shown, key=lambda one: (one.kind != "queue", one.name))

    def lift(self, *, key: str | None = None, queue: str | None = None) -> bool:
        """Forgets what was set for a key or a queue; False where nothing was.

        A key is then under what the program declares, if it does.
        """
        return self._store().lift_limit(*_subject(key, queue))

    def put_declared(self) -> None:
        """Writes down what the program declares, and forgets what it declares no longer."""
        store = self._store()
        known = {limit.name: limit for limit in store.limits() if limit.kind == "declared"}
        for handler in self._registry.handlers():
            if self._registry.get_own(handler.key) is not handler:
                continue
            own, before = handler.options, known.get(handler.key)
            if own.concurrency is None and own.rate is None:
                if before is not None:
                    store.lift_limit("declared", handler.key)
            elif before is None or (before.concurrency, before.rate) != (own.concurrency, own.rate):
                store.set_limit("declared", handler.key, concurrency=own.concurrency, rate=own.rate)


def set_limit(
    store: Store,
    kind: LimitKind,
    name: str,
    concurrency: int | UnsetType | None,
    rate: RateLike | UnsetType | None,
) -> None:
    """Checks a limit and sets it.

    Raises:
        InvalidJob: it cannot be right.
    """
    if concurrency is not UNSET and concurrency is not None:
        checked_count("concurrency", concurrency)
    read: Rate | UnsetType | None = UNSET
    if rate is None or isinstance(rate, UnsetType):
        read = rate
    else:
        read = read_rate(rate)
    store.set_limit(kind, name, concurrency=concurrency, rate=read)


def explain_limit(store: Store, job: Job) -> tuple[str, str] | None:
    """The code and the reason where a limit is what a ready job waits for."""
    found = in_force(store.limits())
    limits = {"queue": found.get(("queue", job.queue)), "key": found.get(("key", job.key))}
    told = (_held_back(store, kind, limit) for kind, limit in limits.items() if limit is not None)
    return next((one for one in told if one is not None), None)


def _held_back(store: Store, kind: str, limit: Limit) -> tuple[str, str] | None:
    if limit.concurrency is not None:
        running = store.running_by_queue() if kind == "queue" else store.running_by_key()
        count = running.get(limit.name, 0)
        if count >= limit.concurrency:
            return "limit", f"its {kind} {limit.name!r} runs {count} of {limit.concurrency} jobs at once"
    if limit.rate is not None and limit.slot_in_us > 0:
        slot_in = describe(limit.slot_in_us)
        return "rate", f"the rate of its {kind} {limit.name!r} is {limit.rate}: next slot in {slot_in}"
    return None


def _subject(key: str | None, queue: str | None) -> tuple[Literal["queue", "key"], str]:
    if key is not None and queue is None:
        return "key", checked_name("job key", key)
    if queue is not None and key is None:
        return "queue", checked_name("queue", queue)
    raise InvalidJob(f"expected the limit of a key or of a queue, got {'both' if key else 'neither'}")

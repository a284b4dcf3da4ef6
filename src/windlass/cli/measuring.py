"""What ``windlass bench`` measures, each through the public API alone."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from windlass.clock import monotonic
from windlass.job import JobStatus
from windlass.store.protocol import Durability

if TYPE_CHECKING:
    from windlass.app import Windlass

Told = Callable[[float], None]
"""Hears which share of a measurement is done, between 0 and 1."""

_FOR_S = 1.0
_THREADS = 8
_MANY = 1000
_BACKLOG = 10_000
_WAKES = 200
_PAYLOAD: dict[str, Any] = {"user": 123456, "note": "x" * 70}
_KEY = "nothing"
_WAKE_KINDS: tuple[tuple[Durability, str], ...] = (("full", "durable"), ("fast", "fast"))


class Figure(msgspec.Struct, frozen=True):
    """One measured number."""

    name: str
    value: float
    unit: str
    what: str


class Bench:
    """The measurements, on a database of their own. ``scale`` shortens (below 1) or lengthens them all."""

    def __init__(self, app: Windlass, scale: float) -> None:
        self._app = app
        self._scale = scale

    def measurements(self) -> Iterator[tuple[str, Callable[[Told], list[Figure]]]]:
        """What to say while each runs, and the measurement."""
        yield "enqueue, durable", lambda told: [self._one_by_one("enqueue_durable", "full", told)]
        yield "enqueue, fast", lambda told: [self._one_by_one("enqueue_fast", "fast", told)]
        yield f"enqueue, durable, {_THREADS} threads", lambda told: [self._by_threads(told)]
        yield f"enqueue_many({_MANY})", lambda told: [self._in_bulk(told)]
        yield "process in this program", lambda told: [self._embedded(told)]
        yield "process in the service, and wake it up", self._service

    # ── enqueue ────────────────────────────────────────────────────────────────────────────────
    def _one_by_one(self, name: str, durability: Durability, told: Told) -> Figure:
        self._paused()
        count, seconds = self._for_a_while(durability, told)
        what = (
            "each on the disk before the call returns"
            if durability == "full"
            else "on the disk within a second"
        )
        return Figure(name, count / seconds, "jobs/s", f"one by one, {what}")

    def _by_threads(self, told: Told) -> Figure:
        self._paused()
        counts: list[int] = []

        def produce() -> None:
            counts.append(self._for_a_while("full", told)[0])

        threads = [threading.Thread(target=produce) for _ in range(_THREADS)]
        begun = monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rate = sum(counts) / (monotonic() - begun)
        return Figure("enqueue_threads_8", rate, "jobs/s", f"{_THREADS} threads, each job on the disk first")

    def _for_a_while(self, durability: Durability, told: Told) -> tuple[int, float]:
        budget_s = _FOR_S * self._scale
        begun, count, spent = monotonic(), 0, 0.0
        while spent < budget_s:
            self._app.enqueue(_KEY, _PAYLOAD, durability=durability)
            count += 1
            spent = monotonic() - begun
            told(spent / budget_s)
        return count, spent

    def _in_bulk(self, told: Told) -> Figure:
        self._paused()
        rounds = max(round(10 * self._scale), 2)
        begun = monotonic()
        for number in range(rounds):
            self._app.enqueue_many(_KEY, [_PAYLOAD] * _MANY)
            told((number + 1) / rounds)
        rate = rounds * _MANY / (monotonic() - begun)
        return Figure("enqueue_many_1000", rate, "jobs/s", f"{_MANY:,} in one durable commit")

    # ── process ────────────────────────────────────────────────────────────────────────────────
    def _embedded(self, told: Told) -> Figure:
        backlog = self._fresh_backlog()
        with self._app.running():
            rate = self._drain(backlog, told)
        return Figure("process_inprocess", rate, "jobs/s", "no-op jobs, in threads of this program")

    def _service(self, told: Told) -> list[Figure]:
        backlog = self._fresh_backlog()
        with self._serving():
            rate = self._drain(backlog, lambda share: told(share * 0.5))
            figures = [Figure("process_isolate", rate, "jobs/s", "no-op jobs, in one isolate of the service")]
            for number, (durability, name) in enumerate(_WAKE_KINDS):
                base = 0.5 + 0.25 * number
                delays = self._wake(durability, lambda share, base=base: told(base + share * 0.25))
                for percent in (50, 99):
                    delay = delays[min(len(delays) * percent // 100, len(delays) - 1)]
                    what = f"from before a {name} enqueue to the handler's first line, service idle"
                    figures.append(Figure(f"wake_{name}_p{percent}", delay * 1000, "ms", what))
        return figures

    def _wake(self, durability: Durability, told: Told) -> list[float]:
        wakes = max(round(_WAKES * self._scale), 20)
        delays: list[float] = []
        for number in range(wakes):
            # Until the service has gone back to sleep: what is measured is being woken.
            select.select([], [], [], 0.005)
            begun = monotonic()
            job = self._app.enqueue("stamp", durability=durability)
            delays.append(float(self._app.jobs.wait(job.id, 30.0).result) - begun)
            told((number + 1) / wakes)
        return sorted(delays)

    def _fresh_backlog(self) -> int:
        """As many ready jobs as are to be worked off, and no others, behind a closed door."""
        self._paused()
        backlog = max(round(_BACKLOG * self._scale), 500)
        while counted := [job.id for job in self._app.jobs.list(limit=5000)]:
            self._app.jobs.delete(counted)
        for start in range(0, backlog, _MANY):
            self._app.enqueue_many(_KEY, [_PAYLOAD] * min(_MANY, backlog - start))
        return backlog

    def _drain(self, backlog: int, told: Told) -> float:
        bell = self._app.store.bell("watch")
        try:
            begun = monotonic()
            self._app.queues.resume("default")
            while (done := self._app.jobs.counts()[JobStatus.COMPLETED]) < backlog:
                told(done / backlog)
                bell.drain()
                select.select([], [], [], 0.02)
                select.select([bell.fileno()], [], [], 0.5)
            return backlog / (monotonic() - begun)
        finally:
            bell.close()

    def _paused(self) -> None:
        self._app.queues.pause("default")

    @contextmanager
    def _serving(self) -> Generator[None]:
        self._app.service.start()
        try:
            yield
        finally:
            self._app.service.stop()

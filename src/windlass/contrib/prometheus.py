"""Metrics by prometheus-client: how the work stands, and what became of it, in the words of Windlass.

The dashboard serves them at ``/metrics``, ``windlass metrics`` prints them once. A program that has a page of
metrics already registers the collector there::

    from prometheus_client import REGISTRY
    from windlass.contrib.prometheus import WindlassCollector

    REGISTRY.register(WindlassCollector(app))

All of it is read from the database, so any process can tell of all the others, and counts go on over
restarts. No label ever holds a job's id or anything of its payload.

Needs the extra ``metrics``.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from windlass.errors import InvalidJob, WindlassError
from windlass.job import JobStatus
from windlass.living import is_alive
from windlass.redact import describe
from windlass.store.activity import OUTCOMES, Total
from windlass.store.sketch import middle_us
from windlass.version import VERSION

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.schedules import Schedule
    from windlass.sync.status import Status

log = logging.getLogger("windlass.metrics")

BOUNDS_S = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
    7200.0,
)  # fmt: skip
"""The upper bounds of the histograms' buckets, in seconds."""
PAIRS_MOST = 100
"""Queues and job keys that have series of their own; all others together are ``other``."""
OTHER = "other"
_OUTCOMES = (*OUTCOMES[:-1], "released")
"""As labels; released attempts, which were nobody's fault, must not look like ``OTHER``."""
_COUNT_AGAIN_US = 60_000_000
_WAITING = ("ready", "scheduled", "held")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
COUNTED_MOST = 50_000
"""So far jobs are counted: a scrape of a table with millions of them takes no longer."""


def metrics_text(collector: WindlassCollector) -> bytes:
    """Everything once, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)


class WindlassCollector(Collector):
    """Reads an app's metrics whenever it is asked. Thread-safe."""

    def __init__(self, app: Windlass, *, pairs_most: int = PAIRS_MOST) -> None:
        self._app = app
        self._pairs_most = pairs_most
        self._warned = False
        self._missed: dict[str, tuple[object, int, int]] = {}
        """Of each schedule: how it stood, when that was, and how many of its times were missed."""

    def describe(self) -> Iterable[Metric]:
        """Nothing: the database is not read while a program registers its metrics."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families; where the database cannot be read, only that it is so."""
        yield InfoMetricFamily("windlass", "This version of Windlass.", {"version": VERSION})
        found: list[Metric] = []
        try:
            found += self._read()
        except WindlassError as error:
            # Whatever else the program tells on its page is told.
            log.warning("the metrics cannot be read: %s", describe(error))
            found.clear()
        yield GaugeMetricFamily("windlass_up", "1 where the database can be read.", int(bool(found)))
        yield from found

    def _read(self) -> Iterator[Metric]:
        app = self._app
        yield from self._standing()
        yield from self._past(app.store.totals())
        yield from self._storage()
        yield from self._schedules()
        if "sync" in vars(app):
            yield from _synced(app.sync.status())

    # ── how it stands ──────────────────────────────────────────────────────────────────────────
    def _standing(self) -> Iterator[Metric]:
        app = self._app
        yield GaugeMetricFamily(
            "windlass_jobs_counted_most",
            "Where there are more jobs than so many, so many are told.",
            COUNTED_MOST,
        )
        jobs = _gauge(
            "windlass_jobs", "Jobs in the table, by status, up to windlass_jobs_counted_most.", "status"
        )
        sizes = app.store.sizes(most=COUNTED_MOST)
        for status in JobStatus:
            names = _WAITING if status is JobStatus.PENDING else (status.value.lower(),)
            jobs.add_metric([status.value], min(sum(sizes[name].number for name in names), COUNTED_MOST))
        yield jobs
        waiting = _gauge(
            "windlass_queue_jobs",
            "Unfinished jobs of a queue, by why they wait, up to windlass_jobs_counted_most.",
            "queue",
            "state",
        )
        paused = _gauge("windlass_queue_paused", "1 where a queue is paused.", "queue")
        counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        for place, queue in enumerate(app.store.queues(COUNTED_MOST)):
            name = queue.queue if place < self._pairs_most else self._other()
            for state in (*_WAITING, "running"):
                counts[name, state] += getattr(queue, state)
            if name != OTHER:
                paused.add_metric([name], queue.paused)
        for labels, count in counts.items():
            waiting.add_metric(labels, count)
        yield waiting
        yield paused
        oldest = _gauge(
            "windlass_job_oldest_ready_seconds",
            "How long the job that has been ready the longest has waited.",
            "queue",
            "job_key",
        )
        now_us = app.store.clock.wall_us()
        for wait in app.store.longest_waits(min(self._pairs_most, 20), count_to=1):
            if wait.since is not None:
                oldest.add_metric([wait.queue, wait.key], max(now_us / 1e6 - wait.since.timestamp(), 0.0))
        yield oldest
        up = _gauge("windlass_dispatchers", "Dispatchers that live, by mode.", "mode")
        living: defaultdict[str, int] = defaultdict(int, service=0, embedded=0)
        for row in app.store.dispatchers():
            living[row.mode] += is_alive(row)
        for mode, count in living.items():
            up.add_metric([mode], count)
        yield up

    def _storage(self) -> Iterator[Metric]:
        path = self._app.place.base if self._app.place.is_file else None
        if not isinstance(path, str):
            return
        yield GaugeMetricFamily("windlass_database_bytes", "Size of the database file.", _size(path))
        yield GaugeMetricFamily(
            "windlass_database_log_bytes", "Size of its write-ahead log.", _size(f"{path}-wal")
        )

    def _schedules(self) -> Iterator[Metric]:
        missed = _gauge(
            "windlass_schedule_missed_runs", "Due times without a run, of those kept.", "schedule"
        )
        following = _gauge(
            "windlass_schedule_next_run_timestamp_seconds", "When a schedule is due next.", "schedule"
        )
        for schedule in self._app.schedules.list()[: self._pairs_most]:
            count = self._count_missed(schedule)
            if count is not None:
                missed.add_metric([schedule.name], count)
            if schedule.next_at is not None:
                following.add_metric([schedule.name], schedule.next_at.timestamp())
        yield missed
        yield following

    def _count_missed(self, schedule: Schedule) -> int | None:
        """None where it is gone since a moment ago, or cannot be read. It takes a look at each run that is
        kept: so it is counted anew after another run, and once a minute while there is none."""
        now_us = self._app.store.clock.wall_us()
        mark = (schedule.rule, schedule.last_at, schedule.last_job_id, schedule.paused)
        known = self._missed.get(schedule.name)
        if known is not None and known[0] == mark and 0 <= now_us - known[1] < _COUNT_AGAIN_US:
            return known[2]
        try:
            count = len(self._app.schedules.missed(schedule.name).times)
        except InvalidJob:
            self._missed.pop(schedule.name, None)
            return None
        self._missed[schedule.name] = mark, now_us, count
        return count

    # ── what became of it ──────────────────────────────────────────────────────────────────────
    def _past(self, totals: Sequence[Total]) -> Iterator[Metric]:
        attempts = CounterMetricFamily(
            "windlass_attempts", "Attempts that ended, by outcome.", labels=["queue", "job_key", "outcome"]
        )
        waits = HistogramMetricFamily(
            "windlass_job_wait_seconds", "From ready to taken by a dispatcher.", labels=["queue", "job_key"]
        )
        runs = HistogramMetricFamily(
            "windlass_job_run_seconds", "From start to end of an attempt.", labels=["queue", "job_key"]
        )
        for one in self._bounded(totals):
            for outcome, count in zip(_OUTCOMES, one.outcomes, strict=True):
                attempts.add_metric([one.queue, one.key, outcome], count)
            waits.add_metric([one.queue, one.key], *_histogram(one.waits))
            runs.add_metric([one.queue, one.key], *_histogram(one.runs))
        yield attempts
        yield waits
        yield runs

    def _bounded(self, totals: Sequence[Total]) -> Iterator[Total]:
        """The first by name, and the sum of all others: a series may join the others, but none leaves them,
        so no count falls."""
        ordered = sorted(totals, key=lambda one: (one.queue, one.key))
        yield from ordered[: self._pairs_most]
        beyond = ordered[self._pairs_most :]
        if beyond:
            name = self._other()
            yield Total(
                name,
                name,
                tuple(map(sum, zip(*(one.outcomes for one in beyond), strict=True))),
                _added([one.waits for one in beyond]),
                _added([one.runs for one in beyond]),
            )

    def _other(self) -> str:
        if not self._warned:
            self._warned = True
            log.warning(
                "more than %d queues and job keys: the metrics of those beyond are told together, as %r",
                self._pairs_most,
                OTHER,
            )
        return OTHER


def _synced(statuses: Iterable[Status]) -> Iterator[Metric]:
    pending = _gauge("windlass_sync_pending_changes", "Local edits that wait to be pushed.", "resource")
    oldest = _gauge("windlass_sync_oldest_pending_seconds", "Age of the oldest of them.", "resource")
    conflicts = _gauge("windlass_sync_open_conflicts", "Conflicts that wait for a person.", "resource")
    dead = _gauge("windlass_sync_dead_changes", "Edits that the remote rejected for good.", "resource")
    pulled = _gauge("windlass_sync_last_pull_timestamp_seconds", "When it was last pulled.", "resource")
    pushed = _gauge("windlass_sync_last_push_timestamp_seconds", "When it was last pushed.", "resource")
    for status in statuses:
        name = [status.resource]
        pending.add_metric(name, status.pending)
        oldest.add_metric(name, status.lag_s or 0.0)
        conflicts.add_metric(name, status.conflicts)
        dead.add_metric(name, status.failed)
        if status.last_pull is not None:
            pulled.add_metric(name, status.last_pull.timestamp())
        if status.last_push is not None:
            pushed.add_metric(name, status.last_push.timestamp())
    yield from (pending, oldest, conflicts, dead, pulled, pushed)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=labels)


def _histogram(counts: Sequence[int]) -> tuple[list[tuple[str, float]], float]:
    """The cumulative buckets of a sketch, and its sum: each value counts as the middle of its own bucket."""
    below = [0] * (len(BOUNDS_S) + 1)
    total_us = 0.0
    place = 0
    for number, count in enumerate(counts):
        middle = middle_us(number)
        while place < len(BOUNDS_S) and middle > BOUNDS_S[place] * 1e6:
            place += 1
        below[place] += count
        total_us += middle * count
    buckets: list[tuple[str, float]] = []
    seen = 0
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), below, strict=True):
        seen += count
        buckets.append((bound, seen))
    return buckets, total_us / 1e6


def _added(sketches: Sequence[Sequence[int]]) -> tuple[int, ...]:
    length = max(map(len, sketches))
    return tuple(sum(one[place] for one in sketches if place < len(one)) for place in range(length))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0

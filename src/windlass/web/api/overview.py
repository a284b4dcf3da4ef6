"""The overview: how much work there is, how it went, what failed, what waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from windlass.clock import from_us
from windlass.figures import Part, Spread, Summary, summarize
from windlass.store.activity import OUTCOMES, Failed, LongestWait
from windlass.store.protocol import Store
from windlass.web.alike import MESSAGE_MOST, by_likeness, kind
from windlass.web.api.matching import FAILURES_LOOKED_AT
from windlass.web.routing import Call, Routes
from windlass.web.shapes.overview import (
    Count,
    Counts,
    Durations,
    Failure,
    Group,
    Outcomes,
    Overview,
    OverviewQuery,
    Series,
    Waiting,
)

routes = Routes("overview")

_GROUPS_MOST = 50
_FAILURES_MOST = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@routes.get("/api/overview")
def show(call: Call, query: OverviewQuery) -> Overview:
    """How much work there is, how it went, what failed of late, and what has waited the longest."""
    store = call.app.store
    now_minute = call.app.store.clock.wall_us() // 60_000_000
    summary = summarize(store, query.range, now_minute)
    failed = store.failures(FAILURES_LOOKED_AT)
    return Overview(
        # To the minute, so that what has not changed is told in the same words.
        at=from_us(now_minute * 60_000_000),
        range=query.range,
        bucket_s=60 * summary.minutes,
        counts=_counts(store),
        outcomes=_outcomes(summary.whole),
        wait=_durations(summary.whole.waits),
        run=_durations(summary.whole.runs),
        per_s=round(summary.last_minute / 60, 3),
        series=_series(summary),
        by_queue=_groups(summary.by_queue),
        by_key=_groups(summary.by_key),
        failures=_failures(failed),
        failures_looked_at=len(failed),
        oldest=[_waiting(one) for one in store.longest_waits()],
        commands=["windlass status", "windlass watch", "windlass jobs list --status failed"],
    )


def _counts(store: Store) -> Counts:
    found = {name: Count(value=one.number, is_least=one.is_least) for name, one in store.sizes().items()}
    return Counts(**found)


def _outcomes(part: Part) -> Outcomes:
    return Outcomes(**dict(zip(OUTCOMES, part.outcomes, strict=True)))


def _ms(us: float | None) -> float | None:
    return None if us is None else float(f"{us / 1000:.3g}")


def _durations(spread: Spread) -> Durations:
    return Durations(
        count=spread.number, p50_ms=_ms(spread.p50_us), p95_ms=_ms(spread.p95_us), p99_ms=_ms(spread.p99_us)
    )


def _series(summary: Summary) -> Series:
    columns = {
        name: [part.outcomes[place] for part in summary.buckets]
        for place, name in enumerate(OUTCOMES)
        if name in ("completed", "failed", "retried", "cancelled")
    }
    waits = [part.waits for part in summary.buckets]
    runs = [part.runs for part in summary.buckets]
    first_s, bucket_s = 60 * summary.first_minute, 60 * summary.minutes
    return Series(
        at=[first_s + number * bucket_s for number in range(len(summary.buckets))],
        **columns,
        wait_p50_ms=[_ms(one.p50_us) for one in waits],
        wait_p95_ms=[_ms(one.p95_us) for one in waits],
        wait_p99_ms=[_ms(one.p99_us) for one in waits],
        run_p50_ms=[_ms(one.p50_us) for one in runs],
        run_p95_ms=[_ms(one.p95_us) for one in runs],
        run_p99_ms=[_ms(one.p99_us) for one in runs],
    )


def _groups(parts: Mapping[str, Part]) -> list[Group]:
    busiest = sorted(parts.items(), key=lambda one: (-sum(one[1].outcomes), one[0]))
    return [
        Group(
            name=name,
            outcomes=_outcomes(part),
            wait=_durations(part.waits),
            run=_durations(part.runs),
        )
        for name, part in busiest[:_GROUPS_MOST]
    ]


def _failures(failed: list[Failed]) -> list[Failure]:
    """By key and what the messages have in common; of each group the newest is told."""
    groups = by_likeness(failed, lambda one: (one.key, one.message))
    return [
        Failure(
            key=some[0].key,
            message=some[0].message[:MESSAGE_MOST],
            like=kind(some[0].message),
            varies=len({one.message for one in some}) > 1,
            count=len(some),
            last_at=some[0].at or _EPOCH,
            last_job_id=some[0].job_id,
        )
        for some in groups[:_FAILURES_MOST]
    ]


def _waiting(one: LongestWait) -> Waiting:
    return Waiting(
        job_id=one.job_id,
        key=one.key,
        queue=one.queue,
        waiting_since=one.since or _EPOCH,
        ready=Count(value=one.ready, is_least=one.ready_is_least),
    )

"""The overview by the API of the dashboard: counts, figures over time, failures and long waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.conformance.steps import claim, settle
from tests.web.asking import Program, asking
from windlass import Windlass
from windlass.figures import SPANS, summarize
from windlass.outcome import Completed, Failed
from windlass.store.activity import Figures
from windlass.store.sketch import BUCKETS, bucket, to_bytes
from windlass.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(database_url: str, clock: ManualClock) -> Iterator[Windlass]:
    app = Windlass(database_url, clock=clock)
    yield app
    app.close()


@pytest.fixture
def api(app: Windlass) -> Iterator[Program]:
    with asking(app) as program:
        yield program


def figures(
    minute: int, *, key: str = "work", owner: int = 1, took_us: int = 1000, count: int = 10
) -> Figures:
    counts = [0] * BUCKETS
    counts[bucket(took_us)] = count
    sketch = to_bytes(counts)
    return Figures(minute, owner, "default", key, count - 1, 1, 0, 0, 0, 0, 0, sketch, sketch)


def minute_of(clock: ManualClock) -> int:
    return clock.wall_us() // 60_000_000


def test_an_empty_database_has_an_overview(api: Program) -> None:
    told = api.get("overview")
    assert told["counts"]["ready"] == {"value": 0, "is_least": False}
    assert told["run"] == {"count": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None}
    assert (told["failures"], told["oldest"], told["by_key"]) == ([], [], [])
    assert len(told["series"]["at"]) == 60


@pytest.mark.parametrize("span", sorted(SPANS))
def test_figures_of_all_dispatchers_are_added_up_in_their_buckets(
    app: Windlass, api: Program, clock: ManualClock, span: str
) -> None:
    buckets, minutes = SPANS[span]  # type: ignore[index]
    now = minute_of(clock)
    app.store.seal(
        [
            figures(now),
            figures(now, owner=2),
            figures(now - 1, key="other", took_us=100_000),
            figures(now - minutes * (buckets - 1)),
            figures(now - minutes * buckets),
        ]
    )
    told = api.get("overview", range=span)
    series = told["series"]
    assert told["outcomes"]["completed"] == sum(series["completed"]) == 36
    assert told["outcomes"]["failed"] == sum(series["failed"]) == 4
    assert {len(column) for column in series.values()} == {buckets}
    assert series["at"][-1] <= now * 60 < series["at"][-1] + told["bucket_s"]
    assert series["completed"][0] == 9
    assert [(group["name"], group["outcomes"]["completed"]) for group in told["by_key"]] == [
        ("work", 27),
        ("other", 9),
    ]
    assert told["by_key"][1]["run"]["p50_ms"] == pytest.approx(100, rel=0.04)
    assert told["run"]["p50_ms"] == pytest.approx(1, rel=0.04)
    assert told["run"]["p99_ms"] == pytest.approx(100, rel=0.04)
    assert told["per_s"] == pytest.approx(10 / 60, abs=0.001)


def test_what_is_told_of_the_past_is_what_was_written(app: Windlass, clock: ManualClock) -> None:
    start = minute_of(clock)
    for _ in range(40):
        now = minute_of(clock)
        app.store.seal([figures(now, count=now - start + 2)])
        for span in SPANS:
            found = summarize(app.store, span, now)
            assert sum(found.whole.outcomes) == sum(
                sum(row[4:11]) for row in app.store.activity(found.first_minute, now, minutes=found.minutes)
            )
        clock.advance("1m")


def test_failures_that_are_alike_make_one_group_and_the_newest_is_told(
    app: Windlass, api: Program, clock: ManualClock
) -> None:
    for text in ("ValueError: one\n  here", "ValueError: one\n  there", "no /a/1.jpg", "two", "no /a/2.jpg"):
        app.enqueue("work")
        settle(app.store, claim(app.store)[0], Failed(text))
        clock.advance(1)
    app.enqueue("work")
    settle(app.store, claim(app.store)[0], Completed())
    told = api.get("overview")
    assert [
        (one["message"], one["count"], one["last_job_id"], one["varies"]) for one in told["failures"]
    ] == [
        ("no /a/2.jpg", 2, 5, True),
        ("ValueError: one", 2, 2, False),
        ("two", 1, 4, False),
    ]
    assert told["failures_looked_at"] == 5
    assert told["counts"]["failed"] == {"value": 5, "is_least": False}


def test_the_jobs_of_a_group_of_failures_are_listed_and_dealt_with(
    app: Windlass, api: Program, clock: ManualClock
) -> None:
    for key, text in (("work", "no row 1"), ("work", "no disk"), ("other", "no row 2"), ("work", "no row 3")):
        app.enqueue(key)
        settle(app.store, claim(app.store)[0], Failed(text))
        clock.advance(1)
    first = api.get("overview")["failures"][0]
    assert (first["key"], first["like"], first["count"]) == ("work", "no row …", 2)
    group = {"status": "FAILED", "key": "work", "like": first["like"]}
    assert [one["id"] for one in api.get("jobs", **group)["jobs"]] == [4, 1]
    assert [one["id"] for one in api.get("jobs", **group, q="4")["jobs"]] == [4]
    assert api.get("jobs", **group, q="2")["jobs"] == []
    assert api.get("jobs", **(group | {"like": "no row 1"}))["jobs"] == [], "it is no word to look for"
    bulk = {"action": "retry", "filter": group | {"status": ["FAILED"]}}
    assert api.post("jobs/bulk", bulk | {"preview": True})["matching"] == 2
    some = {"action": "retry", "filter": {"ids": [2, 4], "like": first["like"]}}
    assert api.post("jobs/bulk", some | {"preview": True})["matching"] == 1
    assert api.post("jobs/bulk", bulk)["changed"] == 2
    assert [(one.id, one.status) for one in app.jobs.list(order="id")] == [
        (1, "PENDING"),
        (2, "FAILED"),
        (3, "FAILED"),
        (4, "PENDING"),
    ]


def test_the_longest_waits_come_first(app: Windlass, api: Program, clock: ManualClock) -> None:
    for key in ("a", "b"):
        app.enqueue_many(key, [None] * 2)
        clock.advance(5)
    told = api.get("overview")
    assert [(one["key"], one["ready"]["value"]) for one in told["oldest"]] == [("a", 2), ("b", 2)]


def test_a_range_that_there_is_not_is_refused(api: Program) -> None:
    assert api.refused("overview?range=2h", 422)["code"]

"""Metrics, as Prometheus' own parser reads them: counts that never fall, and labels that stay few."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests import outsider
from tests.web.asking import TOKEN, asking
from windlass import PermanentError, Windlass
from windlass.contrib import prometheus
from windlass.contrib.prometheus import BOUNDS_S, WindlassCollector, metrics_text
from windlass.store.activity import Figures
from windlass.store.postgres.location import is_postgres
from windlass.store.sketch import BUCKETS, bucket, to_bytes
from windlass.testing import ManualClock

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
_COUNTED = ("_total", "_bucket", "_count", "_sum")


def parsed(text: str) -> Samples:
    """The samples, each with its labels; no two may be alike."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("windlass")
        assert family.documentation
        for sample in family.samples:
            place = sample.name, frozenset(sample.labels.items())
            assert place not in found
            found[place] = sample.value
    return found


def scrape(collector: WindlassCollector) -> Samples:
    return parsed(metrics_text(collector).decode())


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def figures(minute: int, key: str, completed: int, *, owner: int = 1, took_us: int = 20_000) -> Figures:
    counts = [0] * BUCKETS
    counts[bucket(took_us)] = completed
    sketch = to_bytes(counts)
    return Figures(minute, owner, "default", key, completed, 1, 0, 0, 0, 0, 0, sketch, sketch)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(database_url: str, clock: ManualClock) -> Iterator[Windlass]:
    made = Windlass(database_url, clock=clock)
    yield made
    made.close()


def test_a_scrape_tells_what_was_done_and_what_waits(database_url: str) -> None:
    app = Windlass(database_url)

    @app.job
    def work(ok: bool) -> None:
        if not ok:
            raise PermanentError("never")

    @app.periodic(every="1h", initial_delay="1h")
    def clean() -> None: ...

    with app.running(threads=2):
        jobs = [work.using(queue="mail").enqueue(ok=number % 2 == 0) for number in range(10)]
        for job in jobs:
            app.jobs.wait(job.id, "60s")
        with asking(app) as program:
            living = parsed(program.client.get("/metrics").text)
    assert value(living, "windlass_dispatchers", mode="embedded") == 1
    app.enqueue("later", delay="1h")
    app.enqueue("unknown", queue="mail")
    app.queues.pause("mail")
    with asking(app) as program:
        answer = program.client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        samples = parsed(answer.text)
    assert value(samples, "windlass_jobs", status="COMPLETED") == 5
    assert value(samples, "windlass_jobs", status="FAILED") == 5
    assert value(samples, "windlass_jobs", status="RUNNING") == 0
    assert value(samples, "windlass_queue_jobs", queue="default", state="scheduled") == 1
    assert value(samples, "windlass_queue_jobs", queue="mail", state="ready") == 1
    assert value(samples, "windlass_queue_paused", queue="mail") == 1
    assert value(samples, "windlass_dispatchers", mode="embedded") == 0
    assert is_postgres(database_url) or value(samples, "windlass_database_bytes") > 0
    assert value(samples, "windlass_job_oldest_ready_seconds", queue="mail", job_key="unknown") >= 0
    mine = {"queue": "mail", "job_key": "work"}
    assert value(samples, "windlass_attempts_total", **mine, outcome="completed") == 5
    assert value(samples, "windlass_attempts_total", **mine, outcome="failed") == 5
    assert value(samples, "windlass_job_run_seconds_count", **mine) == 10
    # What was taken and given back before it began was taken twice.
    assert value(samples, "windlass_job_wait_seconds_bucket", **mine, le="+Inf") >= 10
    assert value(samples, "windlass_schedule_missed_runs", schedule="clean") == 0
    assert ("windlass_info", frozenset({("version", "0.1.0")})) in samples
    app.close()


def test_who_has_no_token_gets_no_metrics(app: Windlass) -> None:
    with asking(app) as program:
        assert program.client.get("/metrics", headers={"Authorization": ""}).status_code == 401
        assert program.client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_histogram_is_cumulative_and_near_the_truth(app: Windlass, clock: ManualClock) -> None:
    minute = clock.wall_us() // 60_000_000
    app.store.seal(
        [figures(minute, "work", 7, took_us=20_000), figures(minute, "work", 3, owner=2, took_us=2**40)]
    )
    samples = scrape(WindlassCollector(app))
    mine = {"queue": "default", "job_key": "work"}
    told = [value(samples, "windlass_job_run_seconds_bucket", **mine, le=str(bound)) for bound in BOUNDS_S]
    assert told == sorted(told)
    assert told[BOUNDS_S.index(0.01)] == 0
    assert told[BOUNDS_S.index(0.025)] == 7
    assert told[-1] == 7
    assert value(samples, "windlass_job_run_seconds_bucket", **mine, le="+Inf") == 10
    assert value(samples, "windlass_job_run_seconds_sum", **mine) == pytest.approx(3 * 2**40 / 1e6, rel=0.05)


def test_counts_never_fall_over_pruning_restarts_and_a_clock_that_is_set(
    database_url: str, clock: ManualClock
) -> None:
    app = Windlass(database_url, clock=clock)
    living = WindlassCollector(app)
    before: Samples = {}
    expected = 0
    for step in range(60):
        # Now and then nobody works for long, and once the clock is put back by an hour.
        clock.advance("2d" if step % 20 == 19 else "45m")
        if step == 30:
            clock.jump(clock.now - timedelta(hours=1))
        minute = clock.wall_us() // 60_000_000
        app.store.seal([figures(minute, "work", 3), figures(minute, "work", 2, owner=2 + step)])
        expected += 5
        scrapes = [scrape(living), scrape(WindlassCollector(app))]
        if step % 7 == 0:
            app.close()
            app = Windlass(database_url, clock=clock)
            living = WindlassCollector(app)
            scrapes.append(scrape(living))
        for samples in scrapes:
            counted = {place: count for place, count in samples.items() if place[0].endswith(_COUNTED)}
            assert all(counted[place] >= count for place, count in before.items())
            mine = {"queue": "default", "job_key": "work", "outcome": "completed"}
            assert value(samples, "windlass_attempts_total", **mine) == expected
            before = counted
    # Of 120 rows; had none been pruned, this would show nothing.
    assert len(list(app.store.activity(0, minute))) < 90
    app.close()


def test_the_pairs_beyond_the_most_are_told_together(
    app: Windlass, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    minute = clock.wall_us() // 60_000_000
    collector = WindlassCollector(app, pairs_most=5)
    app.store.seal([figures(minute, f"key{number}", 1) for number in range(2, 7)])
    assert not any("other" in dict(labels).values() for _, labels in scrape(collector))
    app.store.seal([figures(minute, f"key{number}", 1) for number in (0, 1, 7, 8, 9)])
    samples = scrape(collector)
    scrape(collector)
    keys = {dict(labels)["job_key"] for name, labels in samples if name == "windlass_attempts_total"}
    assert keys == {"key0", "key1", "key2", "key3", "key4", "other"}
    assert value(samples, "windlass_attempts_total", queue="other", job_key="other", outcome="completed") == 5
    assert value(samples, "windlass_job_run_seconds_count", queue="other", job_key="other") == 5
    assert caplog.text.count("told together, as 'other'") == 1


def test_no_label_holds_a_jobs_id_or_payload(app: Windlass) -> None:
    jobs = [app.enqueue("work", {"secret": "canary-7351"}, tags=["canary-tag"]) for _ in range(200)]
    text = metrics_text(WindlassCollector(app)).decode()
    assert "canary" not in text
    assert {name for _, labels in parsed(text) for name, _ in labels} <= {
        "status", "queue", "state", "job_key", "outcome", "le", "mode", "resource", "schedule", "version",
    }  # fmt: skip
    assert not {str(job.id) for job in jobs} & {told for _, labels in parsed(text) for _, told in labels}


@pytest.mark.parametrize("name", ['"quoted"', "new\nline", "back\\slash", "ünïcode 🚢", "{le}"])
def test_any_name_of_a_queue_or_key_is_told_as_it_is(app: Windlass, clock: ManualClock, name: str) -> None:
    minute = clock.wall_us() // 60_000_000
    app.store.seal([Figures(minute, 1, name, name, 1, 0, 0, 0, 0, 0, 0, None, None)])
    samples = scrape(WindlassCollector(app))
    told = {"queue": name, "job_key": name, "outcome": "completed"}
    assert value(samples, "windlass_attempts_total", **told) == 1


def test_jobs_are_counted_so_far_and_it_is_said_how_far(
    app: Windlass, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "COUNTED_MOST", 5)
    app.enqueue_many("work", [None] * 4, delay="1h")
    app.enqueue_many("work", [None] * 9, queue="mail")
    app.enqueue("work", queue="other")
    samples = scrape(WindlassCollector(app))
    assert value(samples, "windlass_jobs_counted_most") == 5
    assert value(samples, "windlass_jobs", status="PENDING") == 5
    assert value(samples, "windlass_queue_jobs", queue="mail", state="ready") == 5
    assert value(samples, "windlass_queue_jobs", queue="other", state="ready") == 1
    assert value(samples, "windlass_queue_jobs", queue="default", state="scheduled") == 4


def test_where_the_database_cannot_be_read_only_that_is_told(app: Windlass, database_url: str) -> None:
    app.enqueue("work")
    registry = CollectorRegistry()
    registry.register(WindlassCollector(app))
    assert value(parsed(generate_latest(registry).decode()), "windlass_up") == 1
    outsider.run(database_url, "DROP TABLE windlass_activity_totals")
    # A program's page of metrics is there, whatever becomes of the database.
    samples = parsed(generate_latest(registry).decode())
    assert value(samples, "windlass_up") == 0
    assert {name for name, _ in samples} == {"windlass_up", "windlass_info"}


def test_a_schedule_that_cannot_be_read_takes_no_other_metric_along(app: Windlass, database_url: str) -> None:
    for name in ("good", "odd"):
        app.schedules.add(name, job="work", every="1h")
    outsider.run(database_url, "UPDATE windlass_schedules SET spec = 'nonsense' WHERE name = 'odd'")
    samples = scrape(WindlassCollector(app))
    assert value(samples, "windlass_schedule_missed_runs", schedule="good") == 0
    assert value(samples, "windlass_up") == 1


def test_missed_runs_are_counted_again_after_a_minute_and_after_another_run(
    app: Windlass, clock: ManualClock
) -> None:
    app.schedules.add("often", job="work", every="1m")
    app.schedules.run_now("often")
    collector = WindlassCollector(app)

    def told() -> float:
        return value(scrape(collector), "windlass_schedule_missed_runs", schedule="often")

    assert told() == len(app.schedules.missed("often").times)
    app.schedules.pause("often")
    clock.advance("5m")
    before = told()
    clock.advance("30s")
    assert told() == before
    clock.advance("5m")
    assert told() == len(app.schedules.missed("often").times)
    app.schedules.remove("often")
    assert ("windlass_schedule_missed_runs", frozenset({("schedule", "often")})) not in scrape(collector)


def test_a_program_registers_the_collector_beside_its_own(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(WindlassCollector(Windlass(tmp_path / "app.db")))
    assert not (tmp_path / "app.db").exists()


def test_the_command_line_tells_the_same_once(app: Windlass, database_url: str, tmp_path: Path) -> None:
    app.enqueue("work")
    command = [sys.executable, "-m", "windlass.cli", "metrics", "--db", database_url]
    printed = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert printed.returncode == 0, printed.stderr
    assert value(parsed(printed.stdout), "windlass_jobs", status="PENDING") == 1
    written = subprocess.run([*command, "-o", "windlass.prom"], capture_output=True, text=True, cwd=tmp_path)
    assert (written.returncode, written.stdout) == (0, "")
    assert parsed((tmp_path / "windlass.prom").read_text()).keys() == parsed(printed.stdout).keys()
    assert [path.name for path in tmp_path.glob("windlass.prom*")] == ["windlass.prom"]

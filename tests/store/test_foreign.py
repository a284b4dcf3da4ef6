"""Rows that other programs wrote, in any language, with one plain INSERT or with less care than that."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.store.conformance.steps import accept_any, add, claim, settle, the
from windlass.job import JobStatus
from windlass.outcome import Completed, Retried
from windlass.store.protocol import Claim, ClaimRequest, JobFilter
from windlass.store.sqlite.inspecting import count_odd
from windlass.store.sqlite.store import SqliteStore
from windlass.testing import ManualClock

CONTRACT = (
    "INSERT INTO background_service_jobs (job_key, payload, priority, max_attempts, status) "
    "VALUES (?, ?, ?, ?, 'PENDING')"
)
"""The origin's own statement."""


@pytest.fixture
def other(store: SqliteStore, path: Path) -> Iterator[sqlite3.Connection]:
    """Another program's connection, which commits each statement."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def put(other: sqlite3.Connection, **columns: Any) -> int:
    values = {"job_key": "work", **columns}
    marks = ", ".join("?" * len(values))
    statement = f"INSERT INTO background_service_jobs ({', '.join(values)}) VALUES ({marks})"
    return other.execute(statement, tuple(values.values())).lastrowid or 0


def test_the_origins_own_statement_makes_a_job_that_runs(
    store: SqliteStore, other: sqlite3.Connection
) -> None:
    """The contract: names, defaults and meanings."""
    job_id = other.execute(CONTRACT, ("syncUserData", '{"userId":"123"}', 1, 3)).lastrowid or 0
    job = the(store, job_id)
    assert (job.key, job.payload, job.priority, job.max_attempts) == ("syncUserData", {"userId": "123"}, 1, 3)
    assert (job.status, job.attempts, job.queue) == (JobStatus.PENDING, 0, "default")
    assert abs(job.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    (one,) = claim(store)
    assert (one.job_id, one.payload) == (job_id, '{"userId":"123"}')
    assert settle(store, one, Completed('"done"'))
    assert the(store, job_id).result == "done"


def test_a_key_alone_is_enough(store: SqliteStore, other: sqlite3.Connection) -> None:
    other.execute("INSERT INTO background_service_jobs (job_key) VALUES ('ping')")
    (one,) = claim(store)
    assert (one.key, one.payload, one.max_attempts) == ("ping", None, 3)


def test_explicit_nulls_mean_the_defaults(store: SqliteStore, other: sqlite3.Connection) -> None:
    """``NULL + 1`` stays NULL, and would match no fence for ever."""
    urgent = put(other, priority=1)
    null = put(other, payload=None, priority=None, max_attempts=None, attempts=None, timeout_us=None)
    least = put(other, priority=-1)
    claimed = claim(store)
    assert [one.job_id for one in claimed] == [urgent, null, least]
    one = claimed[1]
    assert (one.attempt, one.max_attempts, one.payload) == (1, 3, None)
    assert settle(store, one, Retried("again", 0))
    assert (the(store, null).attempts, the(store, null).max_attempts) == (1, 3)
    assert settle(store, claim(store)[0], Completed())


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"payload": b"\x00\x01"}, "payload is bytes, expected JSON text"),
        ({"attempts": "many"}, "attempts is 'many', expected a number of runs"),
        ({"attempts": -1}, "attempts is -1, expected"),
        ({"attempts": 2**62}, "expected a number of runs"),
        ({"attempts": 1.5}, "attempts is 1.5, expected"),
        ({"max_attempts": 0}, "max_attempts is 0, expected a positive number of runs"),
        ({"max_attempts": b"3"}, "max_attempts is b'3', expected"),
        ({"priority": "high"}, "priority is 'high', expected a number"),
        ({"priority": b"9"}, "priority is b'9', expected a number"),
        ({"timeout_us": "soon"}, "timeout_us is 'soon', expected microseconds"),
        ({"job_key": b"work"}, "job_key is b'work', expected text"),
        ({"queue": b"mail"}, "queue is b'mail', expected text"),
        ({"created_at": "yesterday"}, "created_at is not a time in ISO 8601"),
        ({"created_at": b"2026"}, "created_at is not a time in ISO 8601"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_read_holds_its_job_with_a_reason_and_stops_no_other(
    store: SqliteStore, other: sqlite3.Connection, columns: dict[str, Any], reason: str
) -> None:
    bad, good = put(other, **columns), put(other)
    assert [one.job_id for one in claim(store)] == [good]
    job = the(store, bad)
    assert (job.status, job.reason) == (JobStatus.PENDING, None)
    assert job.hold is not None
    assert reason in job.hold
    assert [held.id for held in store.select(JobFilter(held=True))] == [bad]
    assert store.lanes() == []


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"status": "pending"}, "status is 'pending', expected PENDING"),
        ({"status": "DONE"}, "status is 'DONE', expected PENDING"),
        ({"status": b"PENDING"}, "status is b'PENDING', expected PENDING"),
        ({"status": ""}, "status is '', expected PENDING"),
        ({"status": "RUNNING"}, "status is RUNNING, but no dispatcher runs it"),
        ({"run_at": "tomorrow"}, "run_at is 'tomorrow', expected microseconds"),
        ({"run_at": 1.5}, "run_at is 1.5, expected microseconds"),
        ({"run_at": 5, "boot_id": "x"}, "run_at_boot is None, expected microseconds"),
        ({"run_at": 5, "boot_id": "x", "run_at_boot": "soon"}, "run_at_boot is 'soon', expected"),
    ],
    ids=str,
)
def test_a_state_that_no_job_can_be_in_is_held_with_a_reason(
    store: SqliteStore, other: sqlite3.Connection, columns: dict[str, Any], reason: str
) -> None:
    """An unknown status is never read as pending."""
    bad, good = put(other, **columns), put(other)
    assert [one.job_id for one in claim(store)] == [good]
    assert count_odd(store) == 1
    assert store.hold_odd() == 1
    assert store.hold_odd() == count_odd(store) == 0
    job = the(store, bad)
    assert job.hold is not None
    assert reason in job.hold
    assert store.retry([bad]) == [bad]
    assert [one.job_id for one in claim(store)] == [bad]


def test_odd_rows_are_held_in_bounded_steps(store: SqliteStore, other: sqlite3.Connection) -> None:
    for _ in range(5):
        put(other, status="LOST")
    assert [store.hold_odd(limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_a_cancel_of_an_odd_row_is_no_error(store: SqliteStore, other: sqlite3.Connection) -> None:
    assert store.cancel([put(other, status="odd")]) == {1: JobStatus.PENDING}


def test_finished_jobs_without_an_end_are_dated_and_pruned_later(
    store: SqliteStore, other: sqlite3.Connection, clock: ManualClock
) -> None:
    """As they come from a program that kept no such time."""
    for end in (None, None, "x", b"y", None):
        put(other, status="COMPLETED", finished_at=end)
    assert store.prune(older_than_us=0, keep=2) == 0
    assert store.hold_odd() == 5
    assert store.counts()[JobStatus.COMPLETED] == 5
    clock.advance(10)
    assert store.prune(older_than_us=60_000_000, keep=2) == 3
    assert store.prune(older_than_us=5_000_000, keep=2) == 2


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-01-02 03:04:05", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000Z"),
        ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123Z"),
        ("2026-01-02", "2026-01-02T00:00:00.000Z"),
        ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
    ],
)
def test_times_in_other_spellings_are_written_anew(
    store: SqliteStore, other: sqlite3.Connection, written: str, kept: str
) -> None:
    """Mixed spellings sort wrongly as text."""
    job_id = put(other, created_at=written, updated_at=written)
    assert the(store, job_id).created_at == datetime.fromisoformat(kept).astimezone(UTC) or "." in written
    assert len(claim(store)) == 1
    assert other.execute("SELECT created_at FROM background_service_jobs").fetchone() == (kept,)


@pytest.mark.parametrize(
    "columns",
    [
        {"run_at": 2**62},
        {"finished_at": -(2**62), "status": "COMPLETED"},
        {"progress": "[1,2,3,4,5]"},
        {"progress": '{"done":1}'},
        {"progress": "half"},
        {"tags": "7"},
        {"tags": '{"a":1}'},
        {"tags": "not json"},
        {"meta": "[1]"},
        {"payload": "[" * 10_000 + "]" * 10_000},
        {"payload": '{"a":' * 10_000 + "1" + "}" * 10_000},
        {"payload": "no json"},
        {"payload": '"\\ud800"'},
        {"result": "\x00"},
        {"idempotency_key": 7},
        {"hold": 7},
        {"crashes": "x"},
        {"last_error": b"\xff"},
        {"updated_at": "never", "created_at": "x"},
    ],
    ids=lambda columns: str(columns)[:40],
)
def test_whatever_a_row_holds_it_can_be_listed(
    store: SqliteStore, other: sqlite3.Connection, columns: dict[str, Any]
) -> None:
    job_id = put(other, **columns)
    assert the(store, job_id).id == job_id
    assert [job.id for job in store.select(JobFilter())] == [job_id]
    assert store.select(JobFilter(tag="x")) == []
    store.counts()
    store.queues()


@pytest.mark.parametrize("column", ["job_key", "queue", "payload", "last_error", "tags"])
def test_text_that_is_not_utf8_is_shown_by_its_bytes(
    store: SqliteStore, other: sqlite3.Connection, column: str
) -> None:
    """A foreign program wrote Latin-1: nobody's listing fails for it."""
    put(other)
    other.execute(f"UPDATE background_service_jobs SET {column} = CAST(x'c4ff' AS TEXT)")
    good = put(other)
    assert [job.id for job in store.select(JobFilter(), order="id")] == [1, good]
    assert store.get(1) is not None
    assert len(store.queues()) in (1, 2)
    assert good in [one.job_id for one in claim(store)]


def test_what_was_accepted_before_a_row_that_cannot_be_read_is_claimed_once(
    store: SqliteStore, other: sqlite3.Connection
) -> None:
    """Whoever said yes to a job has begun to run it: it must not be offered again, nor left unclaimed."""
    for _ in range(6):
        put(other)
    other.execute("UPDATE background_service_jobs SET payload = CAST(x'ff' AS TEXT) WHERE id = 4")
    accepted: list[int] = []

    def accept(one: Claim) -> bool:
        accepted.append(one.job_id)
        return True

    claimed: list[int] = []
    for _ in range(3):
        request = ClaimRequest(1, 100, dict.fromkeys(store.lanes(), 100), accept)
        claimed += [one.job_id for one in store.settle_and_claim([], request).claimed]
    assert accepted == claimed == [1, 2, 3, 5, 6]
    held = the(store, 4)
    assert held.hold is not None
    assert "UTF-8" in held.hold


def test_an_idempotency_key_that_another_program_used_is_found(
    store: SqliteStore, other: sqlite3.Connection
) -> None:
    job_id = put(other, idempotency_key="k", created_at="some time")
    assert add(store, idempotency_key="k") == job_id


def test_a_statement_in_a_name_stays_a_name(store: SqliteStore, other: sqlite3.Connection) -> None:
    """pgmq #295: identifier injection."""
    evil = 'x"; DROP TABLE background_service_jobs; --'
    put(other, job_key=evil, queue=evil)
    assert [(lane.queue, lane.key) for lane in store.lanes()] == [(evil, evil)]
    (one,) = claim(store)
    assert (one.key, one.queue) == (evil, evil)
    store.set_queue(evil, paused=True)
    assert [queue.queue for queue in store.queues()] == [evil]
    assert settle(store, one, Completed())
    assert store.counts()[JobStatus.COMPLETED] == 1


def test_a_hundred_thousand_foreign_rows_in_one_statement_are_claimed_in_order(
    store: SqliteStore, other: sqlite3.Connection
) -> None:
    other.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
        "INSERT INTO background_service_jobs (job_key, priority) SELECT 'work', i % 10 FROM n"
    )
    request = ClaimRequest(1, 50, dict.fromkeys(store.lanes(), 100), accept_any)
    claimed = store.settle_and_claim([], request).claimed
    assert [one.job_id for one in claimed] == list(range(9, 500, 10))


# ── unique keys ────────────────────────────────────────────────────────────────────────────────────
def test_a_row_of_no_known_status_does_not_stop_upkeep_though_its_unique_key_is_taken(
    store: SqliteStore, other: sqlite3.Connection
) -> None:
    odd = put(other, status="queued", unique_key="u")
    kept = add(store, unique="u")
    assert store.hold_odd() == 1
    assert (the(store, odd).unique, the(store, kept).unique) == (None, "u")
    assert the(store, odd).hold == "status is 'queued', expected PENDING"


def test_a_row_that_cannot_be_read_keeps_its_unique_key_where_it_stood_in_the_way(
    store: SqliteStore, other: sqlite3.Connection
) -> None:
    text = "INSERT INTO background_service_jobs (job_key, payload, status, unique_key) VALUES ('k', {}, ?, ?)"
    bad = text.format("CAST(x'47e47374' AS TEXT)")
    pending = other.execute(bad, ("PENDING", "u")).lastrowid or 0
    odd = other.execute(bad, ("queued", "u")).lastrowid or 0
    claim(store)
    assert [the(store, one).hold is not None for one in (pending, odd)] == [True, True]
    assert [the(store, one).unique for one in (pending, odd)] == ["u", None]
    assert store.holder_of("u") == pending


def test_a_foreign_insert_of_a_taken_unique_key_fails_or_does_nothing_as_it_asks(
    store: SqliteStore, other: sqlite3.Connection
) -> None:
    add(store, unique="u")
    with pytest.raises(sqlite3.IntegrityError):
        put(other, unique_key="u")
    other.execute(
        "INSERT INTO background_service_jobs (job_key, unique_key) VALUES ('k', 'u') ON CONFLICT DO NOTHING"
    )
    assert store.counts()[JobStatus.PENDING] == 1

"""The dispatcher: what it claims, when it looks, and what it does while the database cannot be used."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.service.waiting import until
from tests.worker.rig import Rig, exclusive
from windlass import JobStatus
from windlass.clock import monotonic
from windlass.errors import OutcomeUnknown
from windlass.outcome import Released
from windlass.store.postgres.location import is_postgres
from windlass.worker import isolates

COMPLETED, PENDING, RUNNING = JobStatus.COMPLETED, JobStatus.PENDING, JobStatus.RUNNING
CONTRACT_INSERT = (
    "INSERT INTO background_service_jobs (job_key, payload, priority, max_attempts, status) "
    "VALUES ('{key}', '{payload}', 0, 3, 'PENDING')"
)


# ── hearing ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.sqlite
def test_a_foreign_insert_from_the_sqlite_shell_is_heard_at_once(rig: Rig):
    """The contract of the table: a program that knows nothing of Windlass enqueues with one statement."""
    rig.crew()
    waits_s: list[float] = []
    for n in range(10):
        name = f"foreign-{n}"
        statement = CONTRACT_INSERT.format(key="nap", payload=f'{{"ms": 0, "name": "{name}"}}')
        shell = ["sqlite3", "-cmd", ".timeout 5000", str(rig.database), statement]
        subprocess.run(shell, check=True, stdin=subprocess.DEVNULL)
        committed = time.monotonic()
        rig.begun(name)
        waits_s.append(rig.diary("start", name)[0]["at"] - committed)
    median_ms = sorted(waits_s)[5] * 1000
    print(f"from the shell's end to the handler's first line: median {median_ms:.1f} ms of 10")
    assert median_ms < 1000


@pytest.mark.sqlite
def test_a_foreign_insert_is_heard_after_the_log_was_replaced(rig: Rig):
    crew = rig.crew(poll_s=30.0)
    rig.ended(rig.enqueue("quick"))
    crew.on_its_thread(crew.store.database.reset)
    rig.app.close()
    until(lambda: rig.rows("SELECT 1"))  # the last one out takes the log along, the next makes a new one
    connection = sqlite3.connect(rig.database)
    connection.execute(CONTRACT_INSERT.format(key="nap", payload='{"ms": 0, "name": "later"}'))
    connection.commit()
    connection.close()
    rig.begun("later")


def test_the_bell_wakes_a_watcher_in_the_other_direction(rig: Rig):
    """With slow polls on both sides, nothing but rings tells in time."""
    rig.crew(poll_s=300.0)
    job_id = rig.enqueue("gated", name="g")
    rig.begun("g")
    rig.open("g")
    with rig.jobs.watch(job_id) as changes:
        changes._poll_s = 300.0
        until(lambda: (job := changes.next()) and job.status == COMPLETED)


def test_messages_go_both_ways(rig: Rig):
    crew = rig.crew()
    crew.dispatcher.broadcast("where", "here?", 7)
    until(lambda: ("where", [crew.isolates()[0], "here?"]) in crew.messages)
    rig.ended(rig.enqueue("sending", what="hello"))
    until(lambda: ("said", "hello") in crew.messages)


# ── lanes ──────────────────────────────────────────────────────────────────────────────────────────
def test_a_pool_full_of_async_jobs_starts_a_sync_one_at_once(rig: Rig):
    rig.crew(async_concurrency=2)
    waiting = [rig.enqueue("agated", name="async") for _ in range(5)]
    until(lambda: len(rig.diary("start", "async")) == 2)
    assert rig.ended(rig.enqueue("quick", n=1))[0].result == 1
    rig.open("async")
    rig.ended(*waiting)


def test_two_async_lanes_share_the_room_and_hide_no_other(rig: Rig):
    rig.crew(async_concurrency=2)
    ids = [rig.enqueue(key, name="a", **more) for key, more in [("agated", {}), ("anap", {"ms": 60_000})] * 2]
    until(lambda: len(rig.diary("start", "a")) == 2)
    assert rig.ended(rig.enqueue("quick", n=1))[0].result == 1
    rig.jobs.cancel(ids)
    rig.ended(*ids)


def test_an_unknown_key_is_held_and_runs_when_a_worker_that_knows_it_starts(rig: Rig):
    """J8, River #1105 (the rescuer discards kinds it does not know), APScheduler #341."""
    rig.crew("faults")
    job_id = rig.enqueue("gated", name="later")
    rig.ended(rig.enqueue("innocent"))
    job = rig.job(job_id)
    assert (job.status, job.attempts, rig.jobs.why(job_id).code) == (PENDING, 0, "unknown_key")
    rig.crew("handlers")
    rig.begun("later")
    rig.open("later")
    assert rig.ended(job_id)[0].attempts == 1


def test_a_fallback_takes_what_nobody_knows(rig: Rig):
    rig.crew("fallback")
    assert rig.ended(rig.enqueue("whatever", a=1))[0].result == ["whatever", {"a": 1}]


def test_a_key_that_only_the_isolate_lacks_is_put_off_unspent(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    """Its code changed under the service: the job must not go round in a circle."""
    monkeypatch.setenv("WINDLASS_TEST_KNOWS", str(os.getpid()))
    crew = rig.crew("older")
    job_id = rig.enqueue("removed")
    until(lambda: rig.outcomes(job_id) == ["snoozed"])
    job = rig.job(job_id)
    assert (job.status, job.attempts) == (PENDING, 0)
    assert job.run_at is not None
    assert rig.ended(rig.enqueue("kept"))[0].result in crew.isolates()


# ── queues ─────────────────────────────────────────────────────────────────────────────────────────
def test_a_paused_queue_starts_nothing_until_it_is_resumed(rig: Rig):
    rig.crew()
    rig.queues.pause("mail")
    mail = rig.enqueue("quick", options={"queue": "mail"})
    rig.ended(rig.enqueue("quick"))
    assert rig.status(mail) == PENDING
    assert rig.jobs.why(mail).code == "paused"
    rig.queues.resume("mail")
    rig.ended(mail)


def test_a_queue_at_its_limit_goes_on_by_itself(rig: Rig):
    """Each job makes room for the next one, with no ring from outside."""
    rig.crew(isolates=2, poll_s=30.0)
    rig.queues.limit("one", 1)
    ids = [rig.enqueue("nap", ms=5, name="n", options={"queue": "one"}) for _ in range(20)]
    rig.ended(*ids, patience_s=10)
    assert [entry["what"] for entry in rig.diary(name="n")] == ["start", "end"] * 20


def test_two_dispatchers_do_not_overshoot_the_limit_of_a_queue(rig: Rig):
    """delayed_job #915 (LIMIT overshoot): RUNNING is counted where it is claimed."""
    rig.queues.limit("few", 3)
    rig.crew()
    rig.crew()
    ids = [rig.enqueue("anap", ms=5, name="n", options={"queue": "few"}) for _ in range(60)]
    rig.ended(*ids)
    level = most = 0
    for entry in sorted(rig.diary(name="n"), key=lambda entry: entry["at"]):
        level += 1 if entry["what"] == "start" else -1
        most = max(most, level)
    assert most == 3


@pytest.mark.slow
@pytest.mark.sqlite
def test_what_ends_during_a_turn_that_takes_long_holds_nothing_up(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    """Its results are heard before the jobs behind it are called overdue and go back."""
    patience_s = 1.0
    monkeypatch.setattr(isolates, "OVERDUE_S", patience_s)
    crew = rig.crew()
    turn, sent_back = crew.store.settle_and_claim, list[Any]()

    def takes_long(settlements: Any, *rest: Any) -> Any:
        sent_back.extend(one for one in settlements if isinstance(one.outcome, Released))
        made = turn(settlements, *rest)
        ends = monotonic() + 1.1 * patience_s
        until(lambda: not made.claimed or monotonic() >= ends)
        return made

    monkeypatch.setattr(crew.store, "settle_and_claim", takes_long)
    rig.ended(*rig.enqueue_many("quick", [{}] * 250))
    assert sent_back == []


def test_a_limit_is_lifted_while_everything_runs(rig: Rig):
    rig.crew()
    rig.queues.limit("q", 1)
    ids = [rig.enqueue("agated", name="g", options={"queue": "q"}) for _ in range(3)]
    rig.begun("g")
    assert {rig.status(job_id) for job_id in ids} == {RUNNING, PENDING}
    rig.queues.limit("q", None)
    until(lambda: len(rig.diary("start", "g")) == 3)
    rig.open("g")
    rig.ended(*ids)


# ── several at once ────────────────────────────────────────────────────────────────────────────────
def test_many_dispatchers_run_each_job_once(rig: Rig):
    """APScheduler #231 #655 #959 (N workers, N runs)."""
    for _ in range(3):
        rig.crew()
    ids = rig.enqueue_many("nap", [{"ms": 0, "name": f"{n}"} for n in range(300)])
    rig.ended(*ids)
    names = [entry["name"] for entry in rig.diary("start")]
    assert sorted(names, key=int) == [f"{n}" for n in range(300)]
    assert rig.rows("SELECT sum(attempts) FROM background_service_jobs") == [(300,)]


def test_a_job_that_fails_after_it_was_taken_away_changes_nothing(rig: Rig):
    """Oban #532 (a late attempt resurrects a discarded job), Solid Queue #589 (finished *and* failed)."""
    crew = rig.crew()
    job_id = rig.enqueue("gated", name="late")
    rig.begun("late")
    # A person ends it by hand, as a rescue on another host would.
    rig.rows(
        "UPDATE background_service_jobs SET status = 'FAILED', lease_token = NULL, reason = 'by hand', "
        "finished_at = 1 WHERE id = ?",
        job_id,
    )
    rig.open("late")
    until(lambda: crew.on_its_thread(crew.pool.held) == [])
    rig.ended(rig.enqueue("quick"))
    job = rig.job(job_id)
    assert (job.status, job.reason, job.result) == (JobStatus.FAILED, "by hand", None)


@pytest.mark.sqlite
@pytest.mark.parametrize("column", ["payload", "job_key", "queue", "status"])
def test_one_row_that_cannot_be_read_is_held_and_strands_no_others(rig: Rig, column: str):
    """DBOS #546 (one bad dispatch strands its batch): a foreign program wrote Latin-1."""
    row = {"job_key": "'quick'", "payload": "'{\"n\": 1}'", "queue": "'default'", "status": "'PENDING'"}
    row[column] = "CAST(x'47e47374' AS TEXT)"
    connection = sqlite3.connect(rig.database)
    connection.execute(
        "INSERT INTO background_service_jobs (job_key, payload, queue, status, priority, max_attempts) "
        f"VALUES ({row['job_key']}, {row['payload']}, {row['queue']}, {row['status']}, 9, 3)"
    )
    connection.commit()
    connection.close()
    rig.crew()
    assert rig.ended(rig.enqueue("quick", n=2))[0].result == 2
    of_it = "SELECT status, hold, attempts FROM background_service_jobs WHERE id = 1 AND hold > ''"
    [(status, hold, attempts)] = until(lambda: rig.rows(of_it))
    assert (status, attempts) == ("PENDING", 0)
    assert hold.startswith(f"{column}: expected UTF-8 text")
    if column != "status":
        assert rig.rows(f"SELECT {column} FROM background_service_jobs WHERE id = 1") == [("G\\xe4st",)]


# ── trouble with the database ──────────────────────────────────────────────────────────────────────
def test_a_database_locked_for_longer_than_patience_fails_no_job(rig: Rig):
    """``BEGIN EXCLUSIVE``, or ``LOCK TABLE``, by another program: work waits, and goes on by itself."""
    crew = rig.crew(busy_timeout_s=0.2)
    done = rig.enqueue("gated", name="through")
    rig.begun("through")
    ids = rig.enqueue_many("nap", [{"ms": 1}] * 20)
    with exclusive(rig.database):
        rig.open("through")
        until(lambda: crew.on_its_thread(lambda: crew.dispatcher._failures) >= 3)
    assert {(job.status, job.attempts) for job in rig.ended(done, *ids)} == {(COMPLETED, 1)}
    assert rig.rows("SELECT count(*) FROM windlass_attempts") == [(0,)]


def test_a_timeout_is_kept_while_the_database_is_locked(rig: Rig):
    crew = rig.crew(busy_timeout_s=0.2)
    job_id = rig.enqueue("limited", name="limited", options={"max_attempts": 1})
    victim = rig.begun("limited")
    with exclusive(rig.database):
        until(lambda: victim not in crew.isolates())
    assert rig.ended(job_id)[0].reason == "timeout"


@pytest.mark.sqlite
def test_a_log_deleted_live_leaves_nothing_running_for_ever(rig: Rig):
    """OutcomeUnknown on a turn: what may have been claimed unseen is looked for."""
    crew = rig.crew()
    rig.ended(*rig.enqueue_many("quick", [{}] * 50))
    waiting = rig.enqueue("gated", name="g")
    rig.begun("g")
    until(lambda: crew.on_its_thread(lambda: crew.store.checkpoint(force=True)).pages == 0)
    Path(f"{rig.database}-wal").unlink()
    rig.app.close()  # this process reopens, as every program is told to
    rig.open("g")
    ids = [rig.enqueue("quick", n=n) for n in range(20)]
    rig.ended(*ids, waiting)
    until(lambda: rig.jobs.counts()[RUNNING] == 0)
    assert crew.on_its_thread(lambda: crew.dispatcher._failures) == 0


def test_jobs_that_a_claim_of_unknown_outcome_took_are_found_and_run(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
):
    """The commit went through, the answer did not: nobody holds what is RUNNING now."""
    crew = rig.crew()
    real = crew.store.settle_and_claim

    def unsure(*arguments: Any) -> Any:
        turn = real(*arguments)
        if turn.claimed:
            monkeypatch.undo()
            raise OutcomeUnknown("the answer was lost")
        return turn

    monkeypatch.setattr(crew.store, "settle_and_claim", unsure)
    ids = rig.enqueue_many("quick", [{"n": n} for n in range(5)])
    assert {(job.status, job.attempts) for job in rig.ended(*ids)} == {(COMPLETED, 1)}
    assert rig.outcomes(ids[0]) == ["lost"]


def test_a_connection_closed_under_the_dispatcher_is_opened_again(rig: Rig):
    """Another thread found the log replaced, or gave up on the server, and closed every connection."""
    crew = rig.crew()
    database = crew.store.database
    reset = database.connections.reset if is_postgres(rig.database) else database.reset
    for n in range(20):
        job_id = rig.enqueue("quick", n=n)
        reset()
        assert rig.ended(job_id)[0].result == n


def test_progress_survives_a_turn_that_could_not_be_written(rig: Rig):
    crew = rig.crew(busy_timeout_s=0.1)
    job_id = rig.enqueue("telling_later", name="t")
    rig.begun("t")
    with exclusive(rig.database):
        rig.open("t")
        until(lambda: crew.on_its_thread(lambda: crew.dispatcher._failures) >= 2)
    until(lambda: (p := rig.job(job_id).progress) and p.done == 1)
    rig.open("t-end")
    rig.ended(job_id)


def test_what_counts_as_a_handlers_timeout_is_never_shorter_than_a_retry(rig: Rig):
    """django-q #183 (a retry shorter than the timeout runs a job twice): there is no such clock here.

    A job runs again when its lease is lost, and a lease is lost with its process, never by time alone.
    """
    rig.crew()
    job_id = rig.enqueue("gated", name="long", options={"timeout": "1h"})
    rig.begun("long")
    assert len(rig.diary("start", "long")) == 1
    rig.open("long")
    assert rig.ended(job_id)[0].attempts == 1

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import outsider
from tests.attempting import Workshop
from windlass.context import Context, Stopped, current, sweep_tempdirs, temp_root
from windlass.outcome import Completed


@pytest.fixture
def shop(database_url: str) -> Iterator[Workshop]:
    made = Workshop(database_url)
    made.make_reports_table()
    yield made
    made.close()


def context(shop: Workshop, **fields: Any) -> Context:
    return Context(shop.claim("job", **fields), shop)


def test_it_tells_which_attempt_of_which_job_runs(shop: Workshop) -> None:
    ctx = context(shop, payload='{"a":1}', max_attempts=5)
    assert (ctx.key, ctx.attempt, ctx.max_attempts, ctx.queue) == ("job", 1, 5, "default")
    assert ctx.job.id == ctx.job_id
    assert ctx.job.payload == {"a": 1}
    assert ctx.job is ctx.job


def test_a_job_that_was_deleted_meanwhile_is_said_to_be_gone(shop: Workshop) -> None:
    ctx = context(shop)
    outsider.run(shop.database, "DELETE FROM background_service_jobs")
    with pytest.raises(LookupError, match="no longer in the database"):
        _ = ctx.job


def test_the_service_is_at_hand(shop: Workshop) -> None:
    ctx = context(shop)
    ctx.service.send("quality", {"level": 2})
    ctx.service.stop()
    assert shop.service.sent == [("quality", {"level": 2})]
    assert shop.service.stopped


def test_log_records_say_which_job_they_belong_to(shop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    ctx = context(shop)
    with caplog.at_level(logging.INFO, "windlass.job"):
        ctx.log.info("%d of %d", 1, 2, extra={"own": "x"})
    [record] = caplog.records
    assert record.getMessage() == f"[job #{ctx.job_id}/1] 1 of 2"
    assert (record.job_id, record.job_key, record.attempt, record.own) == (ctx.job_id, "job", 1, "x")  # type: ignore[attr-defined]


def test_progress_is_passed_on_as_json_without_secrets(shop: Workshop) -> None:
    ctx = context(shop)
    ctx.progress(3, 10, "EUR")
    ctx.progress(3, 10, "EUR")
    ctx.progress(4.5)
    ctx.progress(5, message="token=CANARY \0")
    assert [json.loads(text) for text in shop.progress] == [
        [3, 10, "EUR"],
        [4.5, None, None],
        [5, None, "token=[redacted] \\x00"],
    ]


@pytest.mark.parametrize(("done", "total"), [(float("nan"), None), (-1, None), (1, float("inf"))])
def test_progress_must_be_a_number_that_means_something(
    shop: Workshop, done: float, total: float | None
) -> None:
    with pytest.raises(ValueError, match="to be a finite number from 0 up"):
        context(shop).progress(done, total)


def test_the_current_context_is_known_only_while_a_job_runs(shop: Workshop) -> None:
    @shop.job
    def job(ctx: Context) -> bool:
        return current() is ctx

    assert current() is None
    assert shop.perform("job") == Completed("true")
    assert current() is None


def test_the_first_reason_to_stop_stays(shop: Workshop) -> None:
    ctx = context(shop)
    assert not ctx.cancelled
    assert ctx.stop_reason is None
    ctx.raise_if_cancelled()
    ctx.stop("cancelled")
    ctx.stop("shutdown")
    assert ctx.cancelled
    assert ctx.stop_reason == "cancelled"
    with pytest.raises(Stopped, match="asked to stop: cancelled"):
        ctx.raise_if_cancelled()


def test_waiting_to_be_stopped_ends_when_someone_asks(shop: Workshop) -> None:
    ctx = context(shop)
    assert not ctx.wait_cancelled(0)
    waiting = threading.Event()
    answers: list[bool] = []

    def wait() -> None:
        waiting.set()
        answers.append(ctx.wait_cancelled(60))

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait()
    ctx.stop("shutdown")
    thread.join(10)
    assert answers == [True]
    assert ctx.wait_cancelled()


def test_writes_that_were_not_committed_are_rolled_back_with_a_warning(
    shop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    ctx = context(shop)
    ctx.db.execute("INSERT INTO reports VALUES ('kept')")
    ctx.db.commit()
    ctx.db.execute("INSERT INTO reports VALUES ('lost')")
    connection = ctx.db
    with caplog.at_level(logging.WARNING, "windlass.job"):
        ctx.close()
    assert shop.reports() == ["kept"]
    assert "was rolled back" in caplog.text
    with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match="closed"):
        connection.execute("SELECT 1")


def test_an_attempt_has_one_connection_for_everything_it_does(shop: Workshop) -> None:
    def job(ctx: Context, db: Any) -> bool:
        return ctx.db is db

    job.__annotations__["db"] = shop.connection_type
    shop.job(job)
    assert shop.perform("job") == Completed("true")


def test_the_temporary_folder_is_private_and_gone_afterwards(shop: Workshop) -> None:
    ctx = context(shop)
    folder = ctx.tempdir
    assert folder is ctx.tempdir
    assert folder.parent == temp_root(shop.store)
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("x")
    ctx.close()
    assert not folder.exists()


def test_a_failing_job_leaves_no_folder(shop: Workshop) -> None:
    kept: list[Path] = []

    @shop.job
    def job(ctx: Context) -> None:
        kept.append(ctx.tempdir)
        raise ValueError("no")

    shop.perform("job")
    assert not kept[0].exists()


def test_folders_of_crashed_attempts_are_swept_and_those_of_running_ones_stay(shop: Workshop) -> None:
    root = temp_root(shop.store)
    assert sweep_tempdirs(root, lambda ids: ids) == []
    running, crashed = context(shop), context(shop)
    kept, left = running.tempdir, crashed.tempdir
    (root / "not ours").mkdir()
    asked: list[set[int]] = []

    def still_running(ids: Any) -> set[int]:
        asked.append(set(ids))
        return {running.job_id}

    assert sweep_tempdirs(root, still_running) == [left]
    assert asked == [{running.job_id, crashed.job_id}]
    assert sorted(os.listdir(root)) == sorted([kept.name, "not ours"])
    running.close()

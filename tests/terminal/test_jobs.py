"""The tab of jobs and the sheet of one, as somebody at the keys meets them."""

from __future__ import annotations

import sqlite3
import time

import pytest

from tests.terminal.stage import Stage, play
from windlass import Windlass
from windlass.job import JobStatus
from windlass.terminal.filtering import Wanted
from windlass.terminal.pulse import GAP_S


def fail(app: Windlass, reason: str) -> int:
    """A job that has failed for good."""
    job = app.enqueue("refuse", {"reason": reason})
    with app.running():
        app.jobs.wait(job.id, 30)
    return job.id


def test_a_job_that_is_enqueued_elsewhere_appears_by_itself(app: Windlass) -> None:
    first = app.enqueue("greet", {"name": "ada"})

    async def story(here: Stage) -> None:
        await here.press("2")
        await here.until(lambda: here.listed() == [str(first.id)], "the first is listed")
        second = app.enqueue("greet", {"name": "bob"})
        await here.until(lambda: here.listed() == [str(second.id), str(first.id)], "the newest is on top")
        app.jobs.cancel(first.id)
        await here.until_drawn("CANCELLED")

    play(app, story)


def test_the_filter_takes_statuses_fields_and_words(app: Windlass) -> None:
    failed = fail(app, "no such mailbox")
    waiting = app.enqueue("greet", {"name": "ada"}, queue="mail")

    async def story(here: Stage) -> None:
        await here.press("2", "/", *"failed")
        await here.until(lambda: here.listed() == [str(failed)], "the failed one is listed")
        await here.until_drawn("$ windlass jobs list --status FAILED")
        await here.press("escape")
        await here.until(lambda: len(here.listed()) == 2, "all are listed")
        await here.press("/", *"queue:mail", "enter")
        await here.until(lambda: here.listed() == [str(waiting.id)], "that of the queue is listed")
        await here.press("escape", "/", *"mailbox")
        await here.until(lambda: here.listed() == [str(failed)], "the one with the word is listed")

    play(app, story)


def test_it_may_be_opened_on_what_the_command_line_asks_for(app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"})
    mail = app.enqueue("greet", {"name": "bob"}, queue="mail")

    async def story(here: Stage) -> None:
        await here.until(lambda: here.listed() == [str(mail.id)], "that of the queue is listed")

    play(app, story, wanted=Wanted(queue="mail"))


def test_a_job_tells_its_payload_why_it_waits_and_what_went_wrong_and_no_secret(app: Windlass) -> None:
    failed = fail(app, "no such mailbox")
    app.enqueue("greet", {"name": "ada", "api_token": "hunter2-canary"})

    async def story(here: Stage) -> None:
        await here.press("2")
        await here.until(lambda: len(here.listed()) == 2, "both are listed")
        await here.press("enter")
        await here.until_drawn('"name": "ada"', "[redacted]", "no service is running on this database")
        assert "hunter2" not in here.drawn()
        await here.press("escape", "down", "enter")
        await here.until_drawn(f"job {failed}", "PermanentError: no such mailbox", "attempts that went wrong")

    play(app, story, size=(80, 40))


def test_a_retry_makes_it_ready_and_is_in_the_audit_log(app: Windlass) -> None:
    failed = fail(app, "no such mailbox")

    async def story(here: Stage) -> None:
        await here.press("2")
        await here.until_drawn("FAILED")
        await here.press("r")
        await here.until_drawn("PENDING", f"job {failed} (refuse) is ready again")

    play(app, story)
    assert app.jobs.list(status="PENDING")[0].id == failed
    (entry,) = app.audit.list().entries
    assert (entry.action, entry.subject, entry.outcome) == ("jobs.retry", str(failed), "ok")
    assert entry.who.startswith("terminal")


def test_a_cancel_is_asked_twice(app: Windlass) -> None:
    job = app.enqueue("greet", {"name": "ada"})

    def status() -> JobStatus | None:
        found = app.jobs.get(job.id)
        return found and found.status

    async def story(here: Stage) -> None:
        await here.press("2")
        await here.until_drawn("PENDING")
        await here.press("x")
        await here.until_drawn(f"Cancel job {job.id} (greet)?")
        await here.press("n")
        await here.until_gone("Cancel job")
        assert status() is JobStatus.PENDING
        await here.press("x", "y")
        await here.until(lambda: status() is JobStatus.CANCELLED, "it is cancelled")
        await here.until_drawn("CANCELLED")

    play(app, story)


def test_all_that_match_are_cancelled_after_their_number_is_seen(app: Windlass) -> None:
    app.enqueue_many("greet", [{"name": str(number)} for number in range(1200)], queue="mail")
    other = app.enqueue("greet", {"name": "ada"})

    async def story(here: Stage) -> None:
        await here.press("X")
        await here.until_drawn("Cancel 1,", "jobs?", "All that match queue:mail.")
        await here.press("y")
        await here.until_drawn("1,200 jobs are cancelled")

    play(app, story, wanted=Wanted(queue="mail"))
    assert [job.id for job in app.jobs.list(status="PENDING")] == [other.id]


@pytest.mark.sqlite
def test_the_window_stays_awake_while_an_action_waits_for_the_database(app: Windlass) -> None:
    failed = fail(app, "no such mailbox")
    writer = sqlite3.connect(app.settings.database, isolation_level=None)

    async def story(here: Stage) -> None:
        await here.press("2")
        await here.until_drawn("FAILED")
        writer.execute("BEGIN IMMEDIATE")
        await here.press("r", "3")
        await here.until_drawn("$ windlass queues list")
        assert app.jobs.list(status="PENDING") == []
        writer.execute("ROLLBACK")
        await here.until(lambda: [job.id for job in app.jobs.list(status="PENDING")] == [failed], "retried")

    play(app, story)
    writer.close()


def test_it_looks_less_often_than_jobs_come(app: Windlass) -> None:
    async def story(here: Stage) -> None:
        await here.press("2")
        before, begun = here.window.pulse.looks, time.monotonic()
        last = 0
        for number in range(300):
            last = app.enqueue("greet", {"name": str(number)}, durability="fast").id
            if number % 20 == 0:
                await here.pilot.pause(0)
        await here.until(lambda: str(last) in here.listed(), "the last one is listed")
        assert here.window.pulse.looks - before <= (time.monotonic() - begun) / GAP_S + 2

    play(app, story)


def test_keys_are_told(app: Windlass) -> None:
    async def story(here: Stage) -> None:
        await here.press("2", "?")
        await here.until_drawn("Retry all that match", "Filter", "Dark or light")
        await here.press("escape")
        await here.until_gone("Dark or light")

    play(app, story)

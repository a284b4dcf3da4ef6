"""The other tabs: queues, schedules, sync."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.shelf import Shelf
from tests.terminal.conftest import Edit
from tests.terminal.stage import Stage, play
from windlass import Windlass


def test_a_queue_is_paused_limited_and_resumed(app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"}, queue="mail")

    async def story(here: Stage) -> None:
        await here.press("3")
        await here.until(lambda: here.listed() == ["mail"], "the queue is listed")
        await here.press("p")
        await here.until_drawn("paused", "queue mail is paused")
        await here.press("c", *"2", "enter")
        await here.until(lambda: app.queues.list()[0].concurrency == 2, "the limit is set")
        await here.press("v", *"50/s", "enter")
        await here.until(lambda: app.queues.list()[0].rate == "50/s", "the rate is set")
        await here.press("v", *"nonsense", "enter")
        await here.until_drawn("rate")
        await here.press("p")
        await here.until(lambda: not app.queues.list()[0].paused, "it goes on")
        await here.press("enter")
        await here.until_drawn("1 job match queue:mail")

    play(app, story)
    assert app.queues.list()[0].rate == "50/s"
    assert "queues.limits" in {entry.action for entry in app.audit.list().entries}


@pytest.mark.sqlite
def test_the_file_is_looked_at_and_copied(app: Windlass, home: Path) -> None:
    app.enqueue("greet", {"name": "ada"})
    (home / "app.db").chmod(0o644)

    async def story(here: Stage) -> None:
        await here.press("7")
        await here.until_drawn(
            "app.db", "of log", "free", "SQLite", "others may read the payloads", "chmod 600"
        )
        (home / "app.db").chmod(0o600)
        await here.press("b")
        await here.until_drawn("a copy of")
        await here.until(lambda: len(here.listed()) == 1, "the copy is listed")

    play(app, story, size=(120, 30))
    [copy] = home.glob("app.db-backups/*.db")
    with closing(Windlass(copy)) as there:
        assert [job.payload for job in there.jobs.list()] == [{"name": "ada"}]
    assert "storage.backup" in {entry.action for entry in app.audit.list().entries}


def test_the_server_is_looked_at_and_says_how_it_is_copied(home: Path, postgres_ready_url: str) -> None:
    app = Windlass(postgres_ready_url)

    async def story(here: Stage) -> None:
        await here.press("7")
        await here.until_drawn("PostgreSQL", "connections", "its clock")
        await here.until(lambda: "background_service_jobs" in here.listed(), "our tables are listed")
        await here.press("b")
        await here.until_drawn("pg_dump")

    play(app, story, size=(120, 40))
    app.close()


def test_a_schedule_is_run_now_paused_and_looked_at(app: Windlass) -> None:
    app.schedules.add("nightly", job="greet", payload={"name": "ada"}, cron="30 2 * * *", tz="Europe/Zurich")

    async def story(here: Stage) -> None:
        await here.press("4")
        await here.until(lambda: here.listed() == ["nightly"], "it is listed")
        await here.press("n")
        await here.until(lambda: app.jobs.list(key="greet"), "its job is enqueued")
        await here.press("n")
        await here.until_drawn("is not over yet")
        await here.press("p")
        await here.until(lambda: app.schedules.list()[0].paused, "it is paused")
        await here.press("enter")
        await here.until_drawn("schedule nightly", "02:30:00", "PENDING", "windlass schedules show nightly")
        await here.press("l")
        await here.until_drawn("job 1  greet")
        await here.press("escape")
        await here.until_drawn("schedule nightly")
        await here.press("escape")
        await here.until_gone("windlass schedules show nightly")
        await here.until(lambda: here.states()["nightly"] == "paused", "the list says so")
        await here.press("p")
        await here.until(lambda: not app.schedules.list()[0].paused, "it goes on")

    play(app, story)


def test_a_conflict_shows_three_sides_and_is_settled_after_a_second_yes(
    synced: Windlass, shelf: Shelf
) -> None:
    notes = synced.sync["notes"]

    async def story(here: Stage) -> None:
        await here.press("5")
        await here.until(lambda: here.listed(1)[:2] == ["conflict", "dead"], "both wait")
        await here.press("tab", "enter")
        await here.until_drawn("base", "mine", "theirs", "tea", "green tea", "black coffee")
        await here.until_drawn("both sides have edited title")
        await here.press("t")
        await here.until_drawn("Take the remote's side?", "Lost of yours: title: green tea")
        await here.press("n")
        await here.until_gone("Take the remote's side?")
        assert len(notes.conflicts()) == 1
        await here.press("m")
        await here.until_drawn("Keep your side?", "Lost of theirs: title: black coffee")
        await here.press("y")
        await here.until(lambda: not notes.conflicts(), "it is settled")
        await here.until_drawn("it is settled")

    play(synced, story)
    notes.push()
    # The server's own change of another column is kept.
    assert shelf.documents["1"] == {"id": 1, "title": "green tea", "done": 0, "stars": 4}


def test_a_conflict_is_settled_column_by_column(synced: Windlass, shelf: Shelf, edit: Edit) -> None:
    notes = synced.sync["notes"]
    edit("UPDATE notes SET title = 'white tea', stars = 2 WHERE id = 1")

    async def story(here: Stage) -> None:
        await here.press("5", "tab")
        await here.until(lambda: here.listed(1)[:1] == ["conflict"], "it waits")
        await here.press("enter")
        await here.until_drawn("both sides have edited")
        await here.press("c")
        await here.until(lambda: sorted(here.listed()) == ["stars", "title"], "both columns are listed")
        await here.until_drawn("2 of 2 to choose", "white tea", "black coffee")
        first = here.listed()[0]
        await here.press("s")
        await here.until_drawn("some columns are not chosen yet")
        if first == "title":
            await here.press("e", *"oolong", "enter", "t")
        else:
            await here.press("t", "e", *"oolong", "enter")
        await here.until_drawn("every column is chosen", "oolong")
        await here.press("s")
        await here.until_drawn("Settle it like this?", "title: your own", "stars: theirs")
        await here.press("y")
        await here.until(lambda: not notes.conflicts(), "it is settled")
        await here.until_drawn("it is settled")

    play(synced, story)
    notes.push()
    assert (shelf.documents["1"]["title"], shelf.documents["1"]["stars"]) == ("oolong", 4)


def test_a_choice_that_its_column_cannot_keep_settles_nothing(synced: Windlass, edit: Edit) -> None:
    notes = synced.sync["notes"]

    async def story(here: Stage) -> None:
        await here.press("5", "tab")
        await here.until(lambda: here.listed(1)[:1] == ["conflict"], "it waits")
        await here.press("enter")
        await here.until_drawn("both sides have edited title")
        await here.press("c")
        await here.until(lambda: here.listed() == ["title"], "the column is listed")
        await here.press("m")
        await here.until_drawn("every column is chosen")
        edit("UPDATE notes SET title = 'mint tea' WHERE id = 1")
        await here.until_drawn("edited meanwhile", "1 of 1 to choose", "mint tea")
        await here.press("escape", "escape")

    play(synced, story)
    assert len(notes.conflicts()) == 1


def test_more_than_the_oldest_fifty_are_shown_by_a_key(synced: Windlass, edit: Edit) -> None:
    for row in range(100, 160):
        edit(f"INSERT INTO notes VALUES ({row}, 'a bad one', false, 3)")
    notes = synced.sync["notes"]
    notes.push()
    assert notes.status().failed == 61

    async def story(here: Stage) -> None:
        await here.press("5")
        await here.until_drawn("dead: the oldest 50 of 61")
        await here.press("tab", "m")
        await here.until(lambda: here.listed(1).count("dead") == 61, "all are listed")
        await here.until_gone("dead: the oldest")
        await here.press("end", "k", "enter")
        await here.until_drawn("422 the title is bad", "dead letter")

    play(synced, story)


def test_a_conflict_that_was_edited_meanwhile_is_not_settled_unseen(synced: Windlass, shelf: Shelf) -> None:
    notes = synced.sync["notes"]

    async def story(here: Stage) -> None:
        await here.press("5", "tab")
        await here.until(lambda: here.listed(1)[:1] == ["conflict"], "it waits")
        await here.press("enter")
        await here.until_drawn("both sides have edited title")
        await here.press("t")
        await here.until_drawn("Take the remote's side?")
        notes.resolve(1, "mine")
        await here.press("y")
        await here.until_drawn("has no conflict about 1")

    play(synced, story)


def test_a_dead_letter_tells_what_the_server_said_and_is_edited_or_given_up(
    synced: Windlass, shelf: Shelf
) -> None:
    notes = synced.sync["notes"]

    async def story(here: Stage) -> None:
        await here.press("5", "tab")
        await here.until(lambda: here.listed(1)[1:2] == ["dead"], "it waits")
        await here.press("down", "enter")
        await here.until_drawn("422 the title is bad", "Unprocessable", "a bad one", "[red]no[/red]")
        await here.press("e", *"title=fine", "enter")
        await here.until(lambda: not notes.dead(), "it is sent again")
        await here.until_drawn("it is settled")

    play(synced, story)
    notes.push()
    assert shelf.documents["9"]["title"] == "fine"


def test_a_dead_letter_is_given_up_after_a_second_yes(synced: Windlass) -> None:
    notes = synced.sync["notes"]

    async def story(here: Stage) -> None:
        await here.press("5", "tab")
        await here.until(lambda: here.listed(1)[1:2] == ["dead"], "it waits")
        await here.press("down", "enter", "x")
        await here.until_drawn("Give this change up?")
        assert len(notes.dead()) == 1
        await here.press("y")
        await here.until(lambda: not notes.dead(), "it is given up")

    play(synced, story)


def test_the_overview_looks_further_back_and_groups_what_ran(app: Windlass) -> None:
    with app.running(threads=1):
        done = [app.enqueue("greet", {"name": name}, queue="mail") for name in ("ada", "bob")]
        failed = app.enqueue("refuse", {"reason": "no"})
        for job in (*done, failed):
            app.jobs.wait(job.id, "60s")

    async def story(here: Stage) -> None:
        await here.until_drawn("last 1h", "1 in 1h")
        for span in ("6h", "24h", "15m", "1h"):
            await here.press("t")
            await here.until_drawn(f"last {span}")
        await here.press("b")
        await here.until(lambda: here.listed() == ["greet", "refuse"], "what ran is listed by key")
        await here.press("b")
        await here.until(lambda: here.listed() == ["mail", "default"], "and by queue")
        await here.press("r", "enter")
        await here.until_drawn("jobs match queue:mail", "hello ada", "hello bob")
        await here.press("1", "b")
        await here.until(lambda: set(here.listed()) == {str(job.id) for job in (*done, failed)}, "the jobs")

    play(app, story)
    assert app.jobs.get(failed.id).status == "FAILED", "what is not on show was not retried"


def test_every_tab_says_so_where_there_is_nothing(app: Windlass) -> None:
    async def story(here: Stage) -> None:
        for key, said in (
            ("2", "0 jobs"), ("3", "no queue holds jobs"), ("4", "there are no schedules"),
            ("5", "nothing is synced"), ("6", "not running"), ("1", "0 pending"),
        ):  # fmt: skip
            await here.press(key)
            await here.until_drawn(said)

    play(app, story, size=(80, 24))

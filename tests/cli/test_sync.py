"""``windlass sync`` by the real command line: a program, its database, and a remote that is a JSON file."""

from __future__ import annotations

import io
import json
import subprocess
import sys

from rich.console import Console

from tests.cli.conftest import Command
from tests.cli.shelf import TABLE, Shelf, Sql
from tests.service.waiting import until
from windlass.store.postgres.location import is_postgres

# Nothing but the command asks for a push: there is nothing to send.
TURNED_AWAY = """
SELECT count(*) FROM windlass_attempts AS one JOIN background_service_jobs AS job ON job.id = one.job_id
WHERE job.job_key = 'windlass.sync.push' AND one.outcome = 'snoozed'
"""


# ── see ──────────────────────────────────────────────────────────────────────────────────────────
def test_status_tells_how_each_resource_stands(cli: Command, shelf: Shelf, sql: Sql) -> None:
    assert cli("sync", "status", "--json").data[0]["rows"] == 0
    sql("INSERT INTO notes (title) VALUES ('a'), ('b')")
    status = cli("sync", "status", "notes", "--json").data[0]
    assert (status["resource"], status["state"], status["pending"]) == ("notes", "idle", 2)
    shown = cli("sync", "status").out
    assert "notes" in shown
    assert "never" in shown


def test_pending_tells_what_waits_and_why(cli: Command, shelf: Shelf, sql: Sql) -> None:
    shelf.put(1, title="a", done=False, stars=1)
    cli("sync", "now", "--here")
    shelf.cut()
    sql("UPDATE notes SET title = 'b'")
    assert cli("sync", "now", "--here").code == 1
    found = cli("sync", "pending", "--json").data
    assert [(one["key"], one["change"]["op"], one["change"]["data"]) for one in found] == [
        (1, "update", {"title": "b"})
    ]
    assert found[0]["why"]
    assert "update" in cli("sync", "pending", "notes").out


def test_what_is_empty_is_said_so(cli: Command, shelf: Shelf) -> None:
    for command, sentence in (
        ("pending", "nothing is pending"),
        ("conflicts", "no conflict waits"),
        ("dead", "no change has failed"),
    ):
        assert sentence in cli("sync", command).out
        assert cli("sync", command, "--json").data == []


def test_quarantine_shows_what_could_not_be_written_and_why(cli: Command, shelf: Shelf) -> None:
    shelf.put(1, title={"de": "nested"})
    shelf.put(2, title="fine")
    assert cli("sync", "now", "--here").code == 0
    found = cli("sync", "quarantine", "notes", "--json").data
    assert [one["remote_id"] for one in found] == ["1"]
    shown = cli("sync", "quarantine", "notes").out
    assert "title is TEXT, and the remote sent dict" in shown


def test_watch_prints_each_change_of_a_status_as_it_happens(cli: Command, shelf: Shelf) -> None:
    cli("sync", "status")
    command = [sys.executable, "-m", "windlass.cli", "sync", "watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        cli("sync", "pause")
        second = json.loads(watching.stdout.readline())
        watching.terminate()
    assert (first["state"], second["state"]) == ("idle", "paused")


def test_on_a_terminal_watch_draws_all_resources_anew(shelf: Shelf) -> None:
    from windlass.cli import sync
    from windlass.cli.output import Output
    from windlass.sync.status import Status

    output, stream = Output(), io.StringIO()
    output.out = Console(file=stream, force_terminal=True, width=120, color_system=None)
    sync.draw(output, [Status(resource="notes", state="idle"), Status(resource="tasks", state="offline")])
    last = stream.getvalue().rpartition("\x1b[H")[2]
    assert "notes" in last
    assert "offline" in last


# ── now ──────────────────────────────────────────────────────────────────────────────────────────
def test_now_brings_both_sides_in_step(cli: Command, shelf: Shelf, sql: Sql) -> None:
    shelf.put(1, title="there", done=True, stars=5)
    cli("sync", "status")
    sql("INSERT INTO notes VALUES (2, 'here', false, 1)")
    answer = cli("sync", "now", "--json")
    assert answer.code == 0, answer
    assert [(one["direction"], one["outcome"]) for one in answer.data] == [
        ("push", "completed"),
        ("pull", "completed"),
    ]
    assert shelf.documents["2"] == {"id": 2, "title": "here", "done": False, "stars": 1}
    assert sql("SELECT title, done FROM notes WHERE id = 1") == [("there", 1)]


def test_now_says_what_it_did(cli: Command, shelf: Shelf, sql: Sql) -> None:
    for number in range(5):
        shelf.put(number, title="x")
    shown = cli("sync", "now").out
    assert "pushed 0 changes" in shown
    assert "pulled 5 rows, 5 written" in shown


def test_now_asks_the_service_where_one_runs(cli: Command, shell: Command, shelf: Shelf, sql: Sql) -> None:
    shelf.put(1, title="there")
    assert shell("start").code == 0
    try:
        answer = cli("sync", "now", "--json")
        ended = cli("jobs", "list", "--status", "COMPLETED", "--queue", "sync", "--json").data
        shelf.cut()
        postponed = cli("sync", "now", "--json")
    finally:
        shell("stop")
    assert answer.code == 0, answer
    assert {one["direction"]: one["outcome"] for one in answer.data} == {
        "push": "completed",
        "pull": "completed",
    }
    assert sql("SELECT title FROM notes") == [("there",)]
    assert {job["key"] for job in ended} == {"windlass.sync.push", "windlass.sync.pull"}
    assert postponed.code == 1, postponed
    pull = next(one for one in postponed.data if one["direction"] == "pull")
    assert (pull["outcome"], pull["reason"]) == ("postponed", "offline: the shelf is out of reach")
    assert pull["until"] is not None


def test_now_waits_for_a_pull_of_another_process(
    cli: Command, shell: Command, shelf: Shelf, sql: Sql
) -> None:
    """That the service finds somebody at it is no answer: it comes back, and the rows are there."""
    shelf.put(1, title="there")
    shelf.slow()
    sync_now = [sys.executable, "-m", "windlass.cli", "sync", "now", "--json"]
    with subprocess.Popen([*sync_now, "--here"], stdout=subprocess.DEVNULL) as other:
        until(lambda: shelf.is_pulled)
        assert shell("start").code == 0
        try:
            with subprocess.Popen(sync_now, stdout=subprocess.PIPE, text=True) as asking:
                until(lambda: sql(TURNED_AWAY)[0][0] > 2)
                shelf.go_on()
                assert asking.stdout is not None
                told = json.loads(asking.stdout.read())
        finally:
            shell("stop")
    assert {one["direction"]: one["outcome"] for one in told} == {"push": "completed", "pull": "completed"}
    assert (asking.returncode, other.returncode) == (0, 0)
    assert sql("SELECT title FROM notes") == [("there",)]


def test_now_is_exit_code_1_with_the_reason_where_it_was_put_off(cli: Command, shelf: Shelf) -> None:
    shelf.cut()
    answer = cli("sync", "now", "--json")
    assert answer.code == 1, answer
    pull = answer.data[-1]
    assert (pull["direction"], pull["outcome"]) == ("pull", "postponed")
    assert "the shelf is out of reach" in pull["reason"]
    assert pull["until"] is not None
    assert "pull postponed: offline: the shelf is out of reach; again in" in cli("sync", "now").out
    shelf.mend()
    assert cli("sync", "now").code == 0


def test_a_paused_resource_stays_so_until_it_is_resumed(cli: Command, shelf: Shelf, sql: Sql) -> None:
    assert cli("sync", "pause", "--json").data[0]["state"] == "paused"
    answer = cli("sync", "now")
    assert answer.code == 1
    assert "notes is paused: windlass sync resume notes lets it go on" in answer.out
    assert cli("sync", "resume", "notes", "--json").data[0]["state"] != "paused"
    assert cli("sync", "now").code == 0


def test_most_of_a_table_is_swept_only_where_a_person_says_so(cli: Command, shelf: Shelf, sql: Sql) -> None:
    for number in range(40):
        shelf.put(number, title="x")
    cli("sync", "now")
    shelf.forget(*range(1, 40))
    refused = cli("sync", "now")
    assert "windlass sync now notes --sweep-all" in refused.err
    assert sql("SELECT count(*) FROM notes") == [(40,)]
    done = cli("sync", "now", "--sweep-all", "--json")
    assert done.code == 0, done
    assert sql("SELECT count(*) FROM notes") == [(1,)]


def test_a_table_that_was_made_anew_is_synced_only_as_a_person_says(
    cli: Command, shelf: Shelf, sql: Sql
) -> None:
    for number in (1, 2, 3):
        shelf.put(number, title="x", done=False, stars=1)
    cli("sync", "now")
    before = sql("SELECT * FROM notes ORDER BY id")
    for word, left in (("--bring-back", before), ("--sweep-there", [])):
        sql("DROP TABLE notes")
        sql(TABLE)
        refused = cli("sync", "now", "--json")
        assert refused.code == 1
        assert {"3 of the 3 rows" in one["reason"] for one in refused.data} == {True}
        assert "3 of the 3 rows" in cli("sync", "status", "--json").data[0]["sweep_refused"]
        done = cli("sync", "now", word, "--json")
        assert done.code == 0, done
        assert sql("SELECT * FROM notes ORDER BY id") == left
        assert len(shelf.documents) == len(left)
    assert cli("sync", "now", "--sweep-there", "--bring-back").code == 2


def test_the_bars_name_the_first_snapshot_and_count_its_rows() -> None:
    from windlass.cli.sync_now import Bars

    stream = io.StringIO()
    bars = Bars(Console(file=stream, force_terminal=True, width=120, color_system=None), ["notes"])
    with bars.shown():
        bars.begin("notes", "pull")
        bars.tell("notes", "pull", 12_000, 200_000)
        bars.begin("notes", "push")
        bars.tell("notes", "push", 1, None)
    shown = stream.getvalue()
    assert "notes: first snapshot" in shown
    assert "12,000 of 200,000 rows" in shown
    assert "notes: push" in shown
    assert "1 changes" in shown


# ── the schema ───────────────────────────────────────────────────────────────────────────────────
REBUILD = """
import sqlite3
db = sqlite3.connect("notes.db")
db.executescript(\"\"\"
    BEGIN;
    CREATE TABLE new (id INTEGER PRIMARY KEY, title TEXT, done BOOLEAN, stars INTEGER, mood TEXT);
    INSERT INTO new SELECT id, upper(title), done, stars, 'calm' FROM notes;
    DROP TABLE notes;
    ALTER TABLE new RENAME TO notes;
    COMMIT;
\"\"\")
db.close()
print("rebuilt")
"""
REWORD = """
import psycopg
with psycopg.connect("{url}") as db:
    db.execute("UPDATE notes SET title = upper(title)")
    db.execute("ALTER TABLE notes ADD COLUMN mood TEXT DEFAULT 'calm'")
print("rebuilt")
"""


def test_schema_change_runs_a_command_and_finds_what_it_changed(
    cli: Command, shelf: Shelf, sql: Sql, shell: Command, database_url: str
) -> None:
    shelf.put(1, title="a", done=True, stars=1)
    cli("sync", "now")
    program = REWORD.format(url=database_url) if is_postgres(database_url) else REBUILD
    answer = shell("sync", "schema-change", "notes", "--json", "--", sys.executable, "-c", program)
    assert answer.code == 0, answer
    assert answer.data == {"resource": "notes", "ended": 0, "pending": 1}
    assert "rebuilt" in answer.err
    sql("UPDATE notes SET stars = 9")
    assert cli("sync", "now", "--here").code == 0
    assert shelf.documents["1"] == {"id": 1, "title": "A", "done": True, "stars": 9, "mood": "calm"}


def test_the_capture_is_put_back_where_the_command_fails(cli: Command, shelf: Shelf, sql: Sql) -> None:
    failed = cli("sync", "schema-change", "notes", "--", sys.executable, "-c", "raise SystemExit(7)")
    assert failed.code == 1, failed
    assert "ended with 7" in failed.err
    missing = cli("sync", "schema-change", "notes", "--", "no-such-command-anywhere")
    assert missing.code == 2, missing
    sql("INSERT INTO notes (title) VALUES ('captured')")
    assert cli("sync", "status", "--json").data[0]["pending"] == 1


def test_without_a_command_enter_puts_the_capture_back(cli: Command, shelf: Shelf, sql: Sql) -> None:
    answer = cli("sync", "schema-change", "notes", stdin="\n")
    assert answer.code == 0, answer
    assert "press Enter" in answer.err
    assert "captured again" in answer.out


# ── which program ────────────────────────────────────────────────────────────────────────────────
def test_a_program_that_syncs_nothing_is_told_so(cli: Command, app: object) -> None:
    assert cli("migrate").code == 0
    answer = cli("sync", "status")
    assert answer.code == 2
    assert "declare a table with app.sync.resource" in answer.err


def test_a_resource_that_is_not_declared_is_named_with_those_that_are(cli: Command, shelf: Shelf) -> None:
    answer = cli("sync", "pending", "tasks")
    assert answer.code == 2
    assert "there is no resource 'tasks': this program declares notes" in answer.err

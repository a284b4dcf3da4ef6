"""``windlass sync`` where its jobs may not start, or a table cannot be had: by the real command line."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path

from rich.console import Console

from tests.cli.conftest import Command
from tests.cli.shelf import Shelf, Sql
from tests.service.waiting import until

NEVER = """
@app.condition("never")
def never():
    return False
"""


def test_now_tells_what_keeps_the_service_from_starting_it(
    cli: Command, shell: Command, shelf: Shelf, sql: Sql
) -> None:
    """It waited without a word for as long as the queue was paused."""
    assert shell("start").code == 0
    try:
        assert cli("sync", "now").code == 0
        assert cli("queues", "pause", "sync").code == 0
        sql("INSERT INTO notes (title) VALUES ('a')")
        answer = shell("sync", "now", "--json", timeout=30)
        pending = cli("sync", "pending", "--json").data
        status = cli("sync", "status", "--json").data
        assert cli("queues", "resume", "sync").code == 0
        until(lambda: shelf.documents)
    finally:
        shell("stop")
    reason = "its queue 'sync' is paused: windlass queues resume sync"
    assert answer.code == 1, answer
    assert [(one["direction"], one["outcome"], one["reason"]) for one in answer.data] == [
        ("push", "postponed", reason),
        ("pull", "postponed", reason),
    ]
    assert [one["why"] for one in pending] == [f"waits for the push, which cannot start: {reason}"]
    assert [(one["state"], one["reason"]) for one in status] == [("blocked", reason)]


def test_now_tells_the_condition_that_does_not_hold(
    cli: Command, shell: Command, shelf: Shelf, home: Path, sql: Sql
) -> None:
    program = home / "notes_program.py"
    text = program.read_text().replace("import Windlass\n", "import Constraints, Windlass\n")
    asked = 'remote=Shelf(), constraints=Constraints(when="never"))'
    program.write_text(text.replace("remote=Shelf())", asked) + NEVER)
    assert shell("start").code == 0
    try:
        answer = shell("sync", "now", "--json", timeout=40)
        status = shell("sync", "status", "--json").data
    finally:
        shell("stop")
    assert answer.code == 1, answer
    assert {one["outcome"] for one in answer.data} == {"postponed"}
    assert all("never" in one["reason"] for one in answer.data)
    assert [one["state"] for one in status] == ["blocked"]
    assert "never" in status[0]["reason"]


def test_the_bar_says_that_another_process_is_at_it(shell: Command, shelf: Shelf, sql: Sql) -> None:
    from windlass.cli.sync_base import open_synced
    from windlass.cli.sync_now import Bars, Outcome, ask_service

    stream = io.StringIO()
    bars = Bars(Console(file=stream, force_terminal=True, width=240, color_system=None), [])
    shelf.slow()
    outcomes: list[Outcome] = []
    sync_now = [sys.executable, "-m", "windlass.cli", "sync", "now", "--json"]
    with subprocess.Popen([*sync_now, "--here"], stdout=subprocess.DEVNULL):
        until(lambda: shelf.is_pulled)
        assert shell("start").code == 0
        try:
            opened = open_synced(None, None)
            asking = threading.Thread(target=lambda: outcomes.extend(ask_service(opened, ["notes"], bars)))
            asking.start()
            until(lambda: "waits: notes is pushed or pulled by another process" in stream.getvalue())
            shelf.go_on()
            asking.join(60)
            opened.close()
        finally:
            shell("stop")
    assert [one.outcome for one in outcomes] == ["completed", "completed"]


def test_a_table_that_cannot_be_synced_is_named_and_the_others_go_on(
    cli: Command, shelf: Shelf, home: Path, sql: Sql
) -> None:
    """Each of these commands said only what was wrong with the other table."""
    program = home / "notes_program.py"
    program.write_text(program.read_text() + 'app.sync.resource("drafts", remote=Shelf())\n')
    shelf.put(1, title="there")
    for words in (("status",), ("status", "notes"), ("dead",), ("pending", "notes")):
        assert cli("sync", *words, "--json").code == 0
    found = {one["resource"]: one for one in cli("sync", "status", "--json").data}
    assert (found["drafts"]["state"], found["notes"]["state"]) == ("broken", "idle")
    assert "drafts" in found["drafts"]["reason"]
    assert "broken" in cli("sync", "status").out
    assert "drafts is not synced: " in cli("sync", "pending").err
    assert cli("sync", "now", "notes", "--json").code == 0
    answer = cli("sync", "now", "--json")
    assert answer.code == 1, answer
    told = {(one["resource"], one["direction"]): one["outcome"] for one in answer.data}
    assert told == {
        ("notes", "push"): "completed", ("notes", "pull"): "completed",
        ("drafts", "push"): "failed", ("drafts", "pull"): "failed",
    }  # fmt: skip
    assert sql("SELECT title FROM notes") == [("there",)]
    assert cli("sync", "status", "drafts").code == 2
    paused = cli("sync", "pause", "--json")
    assert (paused.code, [one["state"] for one in paused.data]) == (1, ["paused"])

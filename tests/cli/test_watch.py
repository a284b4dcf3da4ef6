from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Command
from windlass import Windlass


def test_following_a_job_ends_with_it_and_tells_by_its_exit_code(shell: Command, app: Windlass) -> None:
    app.job("greet")(lambda: "hello")
    done, gone = app.enqueue("greet"), app.enqueue("greet", delay="1h")
    app.jobs.cancel(gone.id)
    with app.running():
        app.jobs.wait(done.id, 10)
    good = shell("watch", str(done.id), "--json")
    bad = shell("watch", str(gone.id), "--json")
    assert (good.code, bad.code) == (0, 1)
    assert [line["status"] for line in good.lines] == ["COMPLETED"]
    assert [line["status"] for line in bad.lines] == ["CANCELLED"]


def test_watching_everything_prints_each_change_as_it_happens(app: Windlass, home: Path) -> None:
    app.enqueue("greet", {"name": "ada"})
    command = [sys.executable, "-m", "windlass.cli", "watch", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        app.jobs.cancel(first["id"])
        second = json.loads(watching.stdout.readline())
        third = app.enqueue("greet", {"name": "bob"})
        told = json.loads(watching.stdout.readline())
        watching.terminate()
    assert (first["status"], second["status"]) == ("PENDING", "CANCELLED")
    assert told["id"] == third.id


def test_watching_a_job_that_does_not_exist_is_exit_code_3(cli: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"})
    assert cli("watch", "4711").code == 3


def test_the_board_shows_counts_queues_and_jobs(app: Windlass) -> None:
    import io

    from rich.console import Console

    from windlass.cli.board import Board

    app.enqueue("greet", {"name": "ada"}, queue="mail")
    stream = io.StringIO()
    console = Console(file=stream, width=140, height=40)
    console.print(Board(app, console, key=None, queue=None, tag=None).look())
    shown = stream.getvalue()
    for text in (app.place.title, "no service is running", "1 pending", "mail", "greet"):
        assert text in shown

"""``windlass move``: the service is stopped at the cut, and what comes after goes on in the new database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command
from windlass import Windlass
from windlass.job import JobStatus

pytestmark = pytest.mark.sqlite


def test_a_service_is_stopped_and_its_jobs_go_on_in_the_new_database(shell: Command, app: Windlass) -> None:
    first = app.enqueue("greet", {"name": "ada"})
    assert shell("start").code == 0
    assert app.jobs.wait(first.id, timeout=60)
    later = app.enqueue("greet", {"name": "bob"}, delay=3600)
    moved = shell("move", "jobs.db", "new.db", "--json")
    assert moved.code == 0, moved
    assert moved.data["rows"]["background_service_jobs"] == 2
    assert shell("status").code == 3
    refused = shell("enqueue", "greet", "name=eve")
    assert refused.code == 5, refused
    assert "was moved to" in refused.err
    assert "Traceback" not in refused.err
    new = Windlass("new.db")
    assert new.jobs.get(first.id).status == JobStatus.COMPLETED
    assert new.jobs.get(later.id).status == JobStatus.PENDING
    new.close()
    again = shell("move", "jobs.db", "new.db")
    assert again.code == 4, again
    assert "moved to" in again.err


def test_a_program_that_runs_jobs_is_not_pulled_from_under(shell: Command, app: Windlass, home: Path) -> None:
    held = app.enqueue("greet", {"name": "ada"}, delay=3600)
    with app.running():
        refused = shell("move", "jobs.db", "new.db")
        assert refused.code == 4, refused
        assert "jobs still run in process" in refused.err
        assert app.enqueue("greet", {"name": "bob"}, delay=3600)
    moved = shell("move", "jobs.db", "new.db")
    assert moved.code == 0, moved
    assert "2 jobs" in " ".join(moved.out.split()), "wherever the lines are broken"
    new = Windlass(str(home / "new.db"))
    assert new.jobs.get(held.id).key == "greet"
    new.close()


def test_a_move_that_was_interrupted_can_be_given_up(shell: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"}, delay=3600)
    with app.running():
        assert shell("move", "jobs.db", "new.db").code == 4
    given_up = shell("move", "jobs.db", "new.db", "--abandon")
    assert given_up.code == 0, given_up
    assert app.enqueue("greet", {"name": "bob"})
    assert shell("move", "jobs.db", "new.db", "--abandon").code == 4

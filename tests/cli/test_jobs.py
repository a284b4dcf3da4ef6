from __future__ import annotations

import pytest

from tests.cli.conftest import Command
from windlass import Windlass


def test_list_prints_what_the_job_manager_finds(cli: Command, app: Windlass) -> None:
    for number in range(3):
        app.enqueue("greet", {"name": f"n{number}"}, queue="mail" if number else "default")
    answer = cli("jobs", "list", "--queue", "mail", "--status", "PENDING", "--json")
    assert answer.code == 0, answer
    assert [job["payload"]["name"] for job in answer.data] == ["n2", "n1"]


def test_list_for_people_shows_key_status_and_queue(cli: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"}, queue="mail")
    answer = cli("jobs", "list")
    assert "greet" in answer.out
    assert "PENDING" in answer.out
    assert "mail" in answer.out


def test_what_a_job_says_cannot_steer_the_terminal(cli: Command, app: Windlass) -> None:
    job = app.enqueue("greet", {"name": "\x1b[2J[bold]x[/bold]"})
    answer = cli("jobs", "show", str(job.id))
    assert "\x1b[2J" not in answer.out
    assert "[bold]x[/bold]" in answer.out


def test_show_and_why_and_attempts_tell_one_story(cli: Command, app: Windlass) -> None:
    job = app.enqueue("greet", {"name": "ada"}, delay="1h")
    shown = cli("jobs", "show", str(job.id), "--json")
    assert (shown.data["key"], shown.data["history"]) == ("greet", [])
    why = cli("jobs", "why", str(job.id), "--json")
    assert why.data["code"] == "scheduled"
    assert "due" in cli("jobs", "why", str(job.id)).out
    assert cli("jobs", "attempts", str(job.id), "--json").data == []


@pytest.mark.parametrize("command", ["show", "why", "attempts", "logs", "retry", "cancel", "delete"])
def test_an_id_that_does_not_exist_is_exit_code_3(cli: Command, app: Windlass, command: str) -> None:
    app.enqueue("greet", {"name": "ada"})
    answer = cli("jobs", command, "4711")
    assert answer.code == 3, answer
    assert "there is no job 4711" in answer.err


def test_cancel_retry_and_delete_do_what_they_say(cli: Command, app: Windlass) -> None:
    job = app.enqueue("greet", {"name": "ada"})

    def status() -> str | None:
        found = app.jobs.get(job.id)
        return None if found is None else found.status.value

    assert cli("jobs", "cancel", str(job.id)).code == 0
    assert status() == "CANCELLED"
    assert cli("jobs", "retry", str(job.id)).code == 0
    assert status() == "PENDING"
    assert cli("jobs", "delete", str(job.id)).code == 0
    assert status() is None


def test_filters_change_all_that_match_after_a_question(cli: Command, app: Windlass) -> None:
    app.enqueue_many("greet", [{"name": str(number)} for number in range(1200)])
    kept = app.enqueue("other", None)
    refused = cli("jobs", "delete", "--key", "greet", stdin="n\n")
    assert refused.code == 1
    assert "1,200 jobs" in refused.err
    assert app.jobs.counts()["PENDING"] == 1201
    done = cli("jobs", "delete", "--key", "greet", "--yes", "--json")
    assert done.code == 0, done
    assert len(done.data["deleted"]) == 1200
    assert [job.id for job in app.jobs.list()] == [kept.id]


def test_changing_jobs_needs_ids_or_filters_and_not_both(cli: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"})
    assert cli("jobs", "delete").code == 2
    assert cli("jobs", "delete", "1", "--key", "greet").code == 2
    assert app.jobs.counts()["PENDING"] == 1


def test_a_job_that_cannot_be_changed_is_named(cli: Command, app: Windlass) -> None:
    job = app.enqueue("greet", {"name": "ada"})
    app.jobs.cancel(job.id)
    app.jobs.retry(job.id)
    app.jobs.cancel(job.id)
    answer = cli("jobs", "cancel", str(job.id), "--json")
    assert answer.data["left"] in ({}, {str(job.id): "CANCELLED"})


def test_a_status_that_does_not_exist_is_a_sentence_and_exit_code_2(cli: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"})
    answer = cli("jobs", "list", "--status", "DONE")
    assert answer.code == 2
    assert "COMPLETED" in answer.err
    assert "Traceback" not in answer.err


def test_queues_are_paused_limited_and_resumed(cli: Command, app: Windlass) -> None:
    app.enqueue("greet", {"name": "ada"}, queue="mail")
    assert cli("queues", "pause", "mail", "--json").data[0]["paused"] is True
    assert cli("queues", "limit", "mail", "3", "--json").data[0]["concurrency"] == 3
    assert cli("queues", "limit", "mail", "none", "--json").data[0]["concurrency"] is None
    assert cli("queues", "resume", "mail", "--json").data[0]["paused"] is False
    assert "mail" in cli("queues", "list").out
    assert cli("queues", "limit", "mail", "many").code == 2


def test_a_misspelt_database_is_not_made(cli: Command, home: object) -> None:
    answer = cli("jobs", "list", "--db", "typo.db")
    assert answer.code == 3
    assert "typo.db" in answer.err
    from pathlib import Path

    assert not Path("typo.db").exists()


def test_cancel_takes_what_matches_and_is_not_over(cli: Command, app: Windlass) -> None:
    mail = [app.enqueue("greet", {"name": name}, tags=["mail"]).id for name in ("ada", "ben", "cora")]
    app.jobs.cancel(mail[0])
    line = [app.enqueue("greet", {"name": "x"}, unique="u", existing="append").id for _ in range(2)]
    other = app.enqueue("greet", {"name": "dot"}).id
    assert cli("jobs", "cancel", "--tag", "mail", "--yes", "--json").data["cancelled"] == mail[1:]
    assert cli("jobs", "cancel", "--unique", "u", "--yes", "--json").data["cancelled"] == line
    assert cli("jobs", "cancel", "--all", "--yes", "--json").data["cancelled"] == [other]
    assert app.jobs.counts()["PENDING"] == 0


def test_cancel_all_says_how_many_and_asks(cli: Command, app: Windlass) -> None:
    for _ in range(3):
        app.enqueue("greet", {"name": "ada"})
    answer = cli("jobs", "cancel", "--all", stdin="n\n")
    assert answer.code == 1, answer
    assert "cancel 3 jobs?" in answer.err
    assert app.jobs.counts()["PENDING"] == 3


def test_cancel_all_stands_alone(cli: Command, app: Windlass) -> None:
    job = app.enqueue("greet", {"name": "ada"})
    for more in (str(job.id), "--tag=mail", "--status=PENDING"):
        answer = cli("jobs", "cancel", "--all", more)
        assert answer.code == 2, answer
        assert "give --all alone" in answer.err
    assert app.jobs.counts()["PENDING"] == 1

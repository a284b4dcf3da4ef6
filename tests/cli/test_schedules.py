"""``windlass schedules``, and what ``windlass doctor`` says of them."""

from __future__ import annotations

import pytest

from tests import outsider
from tests.cli.conftest import Command
from windlass import Windlass


def test_a_schedule_is_added_listed_shown_and_removed(cli: Command, app: Windlass) -> None:
    answer = cli(
        "schedules", "add", "nightly", "greet", "name=Ada", "--cron", "0 3 * * MON", "--tz", "Europe/Zurich",
        "--missed", "all", "--flex", "10m", "--json",
    )  # fmt: skip
    assert answer.code == 0, answer
    assert answer.data["rule"] == "cron 0 3 * * MON (Europe/Zurich)"
    assert (answer.data["payload"], answer.data["missed"]) == ({"name": "Ada"}, "all")
    assert [one["name"] for one in cli("schedules", "list", "--json").data] == ["nightly"]
    for words in (("list",), ("show", "nightly")):
        shown = cli("schedules", *words)
        assert shown.code == 0, shown
        assert "cron 0 3 * * MON (Europe/Zurich)" in shown.out
    assert "a run for each" in shown.out
    assert cli("schedules", "remove", "nightly").code == 0
    assert "there are no schedules" in cli("schedules", "list").out


def test_the_next_times_are_those_of_its_zones_clocks(cli: Command, app: Windlass) -> None:
    app.schedules.add("it", job="greet", at="07:30", tz="Asia/Tokyo")
    answer = cli("schedules", "next", "it", "-n", "3")
    assert answer.code == 0, answer
    assert answer.out.count("07:30:00 JST") == 3
    assert len(cli("schedules", "next", "it", "--json").data) == 5


def test_times_of_day_are_several_and_a_moment_is_one(cli: Command, app: Windlass) -> None:
    words = ("schedules", "add", "it", "greet", "name=Ada", "--json")
    several = cli(*words, "--at", "19:00", "--at", "07:30", "--tz", "UTC")
    assert several.data["rule"] == "at 07:30 and 19:00 UTC"
    once = cli(*words, "--at", "2099-12-24T17:00+01:00")
    assert (once.data["rule"], once.data["next_at"]) == (
        "once at 2099-12-24 16:00:00 UTC",
        "2099-12-24T16:00:00Z",
    )
    wrong = cli(*words, "--at", "2099-13-24")
    assert (wrong.code, "expected at to be times of day" in wrong.err) == (2, True)


def test_pause_resume_and_run_now(cli: Command, app: Windlass) -> None:
    app.schedules.add("it", job="greet", payload={"name": "Ada"}, every="1h", initial_delay="1h")
    assert cli("schedules", "pause", "it", "--json").data["paused"]
    assert "windlass schedules resume NAME" in cli("doctor", "--quick").out
    assert not cli("schedules", "resume", "it", "--json").data["paused"]
    first, second = cli("schedules", "run-now", "it"), cli("schedules", "run-now", "it")
    (job,) = app.jobs.list(key="greet")
    assert first.out == f"enqueued job {job.id}\n"
    assert second.out == f"job {job.id} is not over: no second one was made\n"


@pytest.mark.parametrize("command", ["show", "next", "pause", "resume", "remove", "run-now"])
def test_what_is_not_there_is_exit_code_3(cli: Command, app: Windlass, command: str) -> None:
    app.jobs.counts()
    answer = cli("schedules", command, "nothing")
    assert (answer.code, answer.err) == (3, "windlass: there is no schedule 'nothing'\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "expected one of every, cron and at, got none of them"),
        (("--cron", "61 * * * *", "--tz", "UTC"), "an expression that can come true"),
        (("--at", "07:30", "--tz", "Mars/Olympus"), "there is no zone 'Mars/Olympus'"),
        (("--every", "1h", "--flex", "2h"), "expected flex to be shorter than"),
        (("--every", "1h", "--fixed", "never"), 'expected fixed to be "rate" or "delay"'),
    ],
)
def test_what_cannot_be_right_is_exit_code_2(
    cli: Command, app: Windlass, words: tuple[str, ...], why: str
) -> None:
    answer = cli("schedules", "add", "it", "greet", "name=Ada", *words)
    assert answer.code == 2, answer
    assert why in answer.err
    assert app.schedules.list() == []


def test_doctor_names_a_schedule_that_cannot_be_read(cli: Command, app: Windlass) -> None:
    app.schedules.add("it", job="greet", payload={"name": "Ada"}, every="1h")
    assert "schedules" in [one["check"] for one in cli("doctor", "--quick", "--json").data["findings"]]
    outsider.run(app.settings.database, """UPDATE windlass_schedules SET spec = '{"version":9}'""")
    answer = cli("doctor", "--quick")
    assert "schedule it makes no jobs, it cannot be read: it was written by a newer Windlass" in " ".join(
        answer.out.split()
    )
    shown = cli("schedules", "show", "it")
    assert shown.code == 0, shown
    assert "cannot be read" in shown.out

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from windlass import (
    AlreadyRunning,
    InvalidPayload,
    NewerSchema,
    NotRunning,
    OutcomeUnknown,
    StartFailed,
    StoreUnavailable,
    Windlass,
)
from windlass.cli.enqueue import read_payload
from windlass.cli.exits import ExitCode, code_for


def test_values_that_are_json_are_taken_as_such_and_others_are_text() -> None:
    assert read_payload(["a=7", "b=true", "c=[1, 2]", "d=ada", "e=0123", 'f="7"', "g=", "h=a=b"]) == {
        "a": 7, "b": True, "c": [1, 2], "d": "ada", "e": "0123", "f": "7", "g": "", "h": "a=b",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ada"], "NAME=VALUE"),
        (["=7"], "NAME=VALUE"),
        (["a=1", "a=2"], "twice"),
        (['{"a": '], "JSON object"),
        (["[" * 100_000], "NAME=VALUE"),
        (['{"a":' * 100_000], "deep"),
    ],
)
def test_a_payload_that_is_none_is_refused_with_a_sentence(words: list[str], said: str) -> None:
    with pytest.raises(InvalidPayload, match=said):
        read_payload(words)


def test_an_enqueued_job_is_in_the_database_with_all_its_options(cli: Command, app: Windlass) -> None:
    answer = cli(
        *("enqueue", "greet", "name=ada", "--priority", "9", "--queue", "mail", "--delay", "10m"),
        *("--max-attempts", "5", "--timeout", "30s", "--tag", "a", "--tag", "b", "--json"),
    )
    assert answer.code == 0, answer
    job = app.jobs.get(answer.data["id"])
    assert job is not None
    assert (job.key, job.payload, job.priority, job.queue) == ("greet", {"name": "ada"}, 9, "mail")
    assert (job.max_attempts, job.timeout_s, job.tags) == (5, 30.0, ("a", "b"))
    assert job.run_at is not None


def test_a_payload_may_come_from_stdin(cli: Command, app: Windlass) -> None:
    answer = cli("enqueue", "greet", "-", "--json", stdin='{"name": "ada"}')
    assert answer.code == 0, answer
    assert answer.data["payload"] == {"name": "ada"}


def test_a_payload_that_does_not_fit_the_handler_is_refused_and_nothing_is_written(
    cli: Command, app: Windlass
) -> None:
    answer = cli("enqueue", "greet", "nam=ada")
    assert answer.code == 2
    assert "name" in answer.err
    assert "Traceback" not in answer.err
    assert app.jobs.list() == []


def test_a_key_that_no_handler_has_is_enqueued_all_the_same(cli: Command, app: Windlass) -> None:
    assert cli("enqueue", "somewhere_else", "a=1").code == 0
    assert [job.key for job in app.jobs.list()] == ["somewhere_else"]


def test_one_idempotency_key_makes_one_job(cli: Command, app: Windlass) -> None:
    first = cli("enqueue", "greet", "name=ada", "--idempotency-key", "k", "--json")
    second = cli("enqueue", "greet", "name=ada", "--idempotency-key", "k", "--json")
    assert (first.data["created"], second.data["created"]) == (True, False)
    assert first.data["id"] == second.data["id"]


def test_the_database_flag_wins_over_the_configuration(cli: Command, app: Windlass) -> None:
    assert cli("enqueue", "other", "--db", "other.db").code == 0
    other = Windlass("other.db")
    assert [job.key for job in other.jobs.list()] == ["other"]
    assert app.jobs.list() == []
    other.close()


def test_a_database_that_it_had_to_make_is_named(shell: Command, tmp_path: Path) -> None:
    """Who forgot --app would wait for a job that no service sees."""
    other = tmp_path / "other.db"
    first, again = (shell("enqueue", "greet", "--db", str(other)) for _ in range(2))
    assert f"{other} is a new file" in first.err.replace("\n", "")
    assert "new file" not in again.err


def test_wait_returns_the_result_and_tells_failure_by_its_exit_code(shell: Command, app: Windlass) -> None:
    assert shell("start").code == 0
    try:
        good = shell("enqueue", "greet", "name=ada", "--wait", "--json")
        bad = shell("enqueue", "refuse", "reason=no such order", "--wait")
    finally:
        stopped = shell("stop")
    assert good.code == 0, good
    assert good.data["result"] == "hello ada"
    assert bad.code == 1, bad
    assert "no such order" in bad.out
    assert stopped.code == 0, stopped


@pytest.mark.parametrize(
    ("database", "code", "said"),
    [
        ("folder", 1, "directory"),
        ("no/such/folder/jobs.db", 5, "does not exist"),
        ("letter.db", 1, "not an SQLite database"),
        ("mysql://somewhere/jobs", 2, "no store for mysql"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_sentence(
    cli: Command, home: Path, database: str, code: int, said: str
) -> None:
    (home / "folder").mkdir()
    (home / "letter.db").write_text("dear database" * 1000)
    answer = cli("enqueue", "greet", "name=ada", "--db", database)
    assert answer.code == code, answer
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1


@pytest.mark.parametrize(
    "payload",
    ['{"a": NaN}', '{"a": "\\ud800"}', '{"a": 123456789012345678901234567890}', "[1]", '"text"', "{"],
)
def test_a_payload_that_no_job_can_have_is_exit_code_2(cli: Command, app: Windlass, payload: str) -> None:
    answer = cli("enqueue", "anything", "-", stdin=payload)
    assert answer.code == 2, answer
    assert "Traceback" not in answer.err
    assert app.jobs.list() == []


def test_a_payload_that_is_too_large_is_exit_code_2(cli: Command, app: Windlass) -> None:
    answer = cli("enqueue", "anything", "-", stdin='{"a": "' + "x" * 2_000_000 + '"}')
    assert answer.code == 2, answer
    assert len(answer.err) < 500
    assert app.jobs.list() == []


def test_each_kind_of_error_has_its_exit_code() -> None:
    assert code_for(OutcomeUnknown("")) is ExitCode.UNKNOWN
    assert code_for(StoreUnavailable("")) is ExitCode.TRY_AGAIN
    assert code_for(NewerSchema("")) is ExitCode.FAILURE
    assert code_for(InvalidPayload("")) is ExitCode.USAGE
    assert code_for(StartFailed("")) is ExitCode.FAILURE
    assert code_for(NotRunning("")) is ExitCode.NOT_FOUND
    assert code_for(AlreadyRunning("")) is ExitCode.CONFLICT


def test_it_says_what_it_did_to_the_job_that_was_there(cli: Command, app: Windlass) -> None:
    def enqueue(*more: str) -> str:
        answer = cli("enqueue", "greet", "name=ada", "--unique", "u", *more)
        assert answer.code == 0, answer
        return re.sub(r"job \d+", "job N", answer.out.strip())

    assert enqueue() == "enqueued job N"
    assert enqueue() == "job N has that idempotency key or unique key already: no new job was made"
    assert enqueue("--existing", "update", "--deadline", "1h") == "updated job N"
    assert enqueue("--existing", "append") == "enqueued job N: it runs after what has its unique key"
    assert enqueue("--debounce", "2s") == "put off job N"
    assert enqueue("--existing", "replace") == "enqueued job N in place of what had its unique key"
    job = app.jobs.get(1)
    assert job is not None
    assert job.deadline is not None


def test_a_policy_that_does_not_exist_is_refused(cli: Command) -> None:
    answer = cli("enqueue", "greet", "name=ada", "--unique", "u", "--existing", "drop")
    assert answer.code == 2, answer
    assert "expected existing to be one of keep, replace" in answer.err

"""Conflicts and failed changes, put right from the command line."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Command
from tests.cli.shelf import Shelf, Sql


@pytest.fixture
def conflict(cli: Command, shelf: Shelf, sql: Sql) -> None:
    """Note 1 was edited here and there."""
    shelf.put(1, title="base", done=False, stars=1)
    assert cli("sync", "now", "--here").code == 0
    sql("UPDATE notes SET title = 'mine', stars = 2 WHERE id = 1")
    shelf.put(1, title="theirs", done=True)
    assert cli("sync", "now", "--here").code == 0


@pytest.fixture
def rejected(cli: Command, shelf: Shelf, sql: Sql) -> None:
    """Notes 1 and 2 are bad, and the remote has said so."""
    assert cli("sync", "status").code == 0
    sql("INSERT INTO notes VALUES (1, 'bad one', false, 1), (2, 'bad two', false, 2), (3, 'good', true, 3)")
    assert cli("sync", "now", "--here").code == 0


# ── conflicts ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.usefixtures("conflict")
def test_conflicts_show_base_mine_and_theirs(cli: Command) -> None:
    found = cli("sync", "conflicts", "--json").data
    assert [(one["resource"], one["key"]) for one in found] == [("notes", 1)]
    assert found[0]["fields"]["title"] == ["base", "mine", "theirs"]
    shown = cli("sync", "conflicts").out
    line = next(line for line in shown.splitlines() if line.startswith("title"))
    assert line.split() == ["title", "base", "mine", "theirs"]


@pytest.mark.usefixtures("conflict")
@pytest.mark.parametrize(
    ("words", "title"),
    [
        (["mine"], "mine"),
        (["theirs"], "theirs"),
        (["--set", "title=both"], "both"),
        (["--null", "title"], None),
    ],
)
def test_a_conflict_is_resolved_by_one_side_or_by_columns(
    cli: Command, shelf: Shelf, sql: Sql, words: list[str], title: str | None
) -> None:
    answer = cli("sync", "resolve", "notes", "1", *words)
    assert answer.code == 0, answer
    assert cli("sync", "conflicts", "--json").data == []
    cli("sync", "now", "--here")
    # What one side alone has changed is kept, whoever wins.
    assert sql("SELECT title, done, stars FROM notes") == [(title, 1, 2)]
    assert shelf.documents["1"] == {"id": 1, "title": title, "done": True, "stars": 2}


def test_a_row_deleted_on_one_side_is_shown_so_and_resolved_either_way(
    cli: Command, shelf: Shelf, sql: Sql
) -> None:
    for number in (1, 2):
        shelf.put(number, title="base", done=False, stars=1)
    cli("sync", "now", "--here")
    sql("DELETE FROM notes")
    for number in (1, 2):
        shelf.put(number, title="theirs")
    cli("sync", "now", "--here")
    line = next(line for line in cli("sync", "conflicts").out.splitlines() if line.startswith("the row"))
    assert line.split() == ["the", "row", "there", "deleted", "there"]
    assert cli("sync", "resolve", "notes", "1", "mine").code == 0
    assert cli("sync", "resolve", "notes", "2", "theirs").code == 0
    cli("sync", "now", "--here")
    assert sql("SELECT id, title FROM notes") == [(2, "theirs")]
    assert list(shelf.documents) == ["2"]


@pytest.mark.usefixtures("conflict")
def test_a_conflict_that_is_not_there_is_exit_code_3(cli: Command) -> None:
    answer = cli("sync", "resolve", "notes", "4711", "mine")
    assert answer.code == 3
    assert "notes has no conflict about 4711" in answer.err


@pytest.mark.usefixtures("conflict")
def test_resolve_wants_a_side_or_columns_and_not_both(cli: Command) -> None:
    assert cli("sync", "resolve", "notes", "1").code == 2
    assert cli("sync", "resolve", "notes", "1", "ours").code == 2
    assert cli("sync", "resolve", "notes", "1", "mine", "--set", "title=x").code == 2
    unknown = cli("sync", "resolve", "notes", "1", "--set", "titel=x")
    assert unknown.code == 2
    assert "no synced column 'titel': it has id, title" in unknown.err


# ── dead letters ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.usefixtures("rejected")
def test_dead_shows_the_servers_own_message(cli: Command, shelf: Shelf) -> None:
    found = cli("sync", "dead", "--json").data
    assert [one["key"] for one in found] == [1, 2]
    assert found[0]["error"] == "422 the title is bad"
    assert found[0]["problem"]["title"] == "Unprocessable"
    shown = cli("sync", "dead").out
    assert "422 the title is bad" in shown
    assert "Unprocessable" in shown
    assert "3" in shelf.documents


@pytest.mark.sqlite
def test_a_value_that_json_does_not_know_fails_once_and_is_not_sent_for_ever(
    cli: Command, shelf: Shelf, sql: Sql
) -> None:
    cli("sync", "status")
    sql("INSERT INTO notes VALUES (1, 'x', 0, 9e999), (2, x'00ff', 0, 1), (3, 'good', 0, 1)")
    for _ in range(2):
        assert cli("sync", "now", "--here").code == 0
        found = {one["key"]: one["error"] for one in cli("sync", "dead", "--json").data}
        assert "stars holds inf, and JSON knows no infinity" in found[1]
        assert "title holds bytes" in found[2]
        assert list(shelf.documents) == ["3"]


def test_what_a_server_says_cannot_steer_the_terminal(cli: Command, shelf: Shelf, sql: Sql) -> None:
    cli("sync", "status")
    sql("INSERT INTO notes (title) VALUES (?)", "bad \x1b[2J [bold]x[/bold]")
    cli("sync", "now", "--here")
    for command in ("dead", "pending", "status"):
        assert "\x1b" not in cli("sync", command).out
    shown = cli("sync", "dead").out
    assert "[red]no[/red]" in shown
    assert "[bold]x[/bold]" in shown


@pytest.mark.usefixtures("rejected")
def test_edit_mends_a_rejected_row_and_sends_it_again(cli: Command, shelf: Shelf, sql: Sql) -> None:
    answer = cli("sync", "edit", "notes", "1", "--set", "title=good = better", "--set", "stars=7")
    assert answer.code == 0, answer
    cli("sync", "now", "--here")
    assert shelf.documents["1"] == {"id": 1, "title": "good = better", "done": False, "stars": 7}
    assert sql("SELECT title, stars FROM notes WHERE id = 1") == [("good = better", 7)]
    assert [one["key"] for one in cli("sync", "dead", "--json").data] == [2]


@pytest.mark.usefixtures("rejected")
def test_an_edit_that_the_table_refuses_is_no_success(cli: Command, sql: Sql) -> None:
    sql("CREATE UNIQUE INDEX one_title ON notes (title)")
    answer = cli("sync", "edit", "notes", "1", "--set", "title=good")
    assert (answer.code, answer.out) == (1, "")
    assert "notes: the table refuses it: " in answer.err
    assert [one["key"] for one in cli("sync", "dead", "--json").data] == [1, 2]
    assert cli("sync", "quarantine", "notes", "--json").data == []


@pytest.mark.usefixtures("rejected")
def test_retry_sends_it_as_it_is(cli: Command, shelf: Shelf) -> None:
    assert cli("sync", "retry", "notes", "2", "--json").data == {"retried": [2]}
    assert [one["key"] for one in cli("sync", "dead", "--json").data] == [1]
    assert cli("sync", "retry", "notes", "--all", "--json").data == {"retried": [1]}
    cli("sync", "now", "--here")
    assert len(cli("sync", "dead", "--json").data) == 2


@pytest.mark.usefixtures("rejected")
def test_discard_keeps_the_row_and_revert_gives_the_remotes(cli: Command, shelf: Shelf, sql: Sql) -> None:
    assert cli("sync", "discard", "notes", "1").code == 0
    assert sql("SELECT title FROM notes WHERE id = 1") == [("bad one",)]
    assert cli("sync", "revert", "notes", "2").code == 0
    # The remote never had it.
    assert sql("SELECT id FROM notes") == [(1,), (3,)]


@pytest.mark.usefixtures("rejected")
def test_all_rows_are_overwritten_only_after_a_question(cli: Command, sql: Sql) -> None:
    refused = cli("sync", "revert", "notes", "--all", stdin="n\n")
    assert refused.code == 1
    assert "overwrite 2 rows of notes?" in refused.err
    assert sql("SELECT count(*) FROM notes") == [(3,)]
    assert cli("sync", "revert", "notes", "--all", "--yes").code == 0
    assert sql("SELECT count(*) FROM notes") == [(1,)]


@pytest.mark.usefixtures("rejected")
@pytest.mark.parametrize("words", [["retry"], ["discard"], ["revert"], ["edit", "--set", "title=x"]])
def test_a_row_without_a_failed_change_is_exit_code_3(cli: Command, words: list[str]) -> None:
    command, *rest = words
    answer = cli("sync", command, "notes", "3", *rest)
    assert answer.code == 3, answer
    assert "notes has no change of 3 that failed" in answer.err
    assert cli("sync", command, "notes", *rest).code == 2


def test_a_column_may_be_called_as_an_argument_of_ours(cli: Command, shelf: Shelf, sql: Sql) -> None:
    sql("ALTER TABLE notes ADD COLUMN key TEXT")
    cli("sync", "status")
    sql("INSERT INTO notes (id, title) VALUES (1, 'bad')")
    cli("sync", "now", "--here")
    answer = cli("sync", "edit", "notes", "1", "--set", "title=good", "--set", "key=x")
    assert answer.code == 0, answer
    cli("sync", "now", "--here")
    assert shelf.documents["1"]["key"] == "x"

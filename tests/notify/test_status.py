"""The status line: the latest message of a running job, ten seconds of the last one, the standing text."""

from __future__ import annotations

from windlass.notify.status import LINGER_US, Board, Status

STANDING = Status("Field notes", "in step")
ONE, TWO, THREE = (1, 11), (2, 22), (3, 33)


def notice(text: str) -> Status:
    return Status("Job", text, kind="notice")


def progress(text: str) -> Status:
    return Status("Job", text, kind="progress")


def test_the_latest_message_wins_and_the_next_latest_of_a_running_job_comes_back() -> None:
    board = Board(STANDING)
    assert board.shown(0) == STANDING
    board.say(ONE, notice("one"))
    board.say(TWO, notice("two"))
    board.say(THREE, notice("three"))
    board.say(ONE, notice("one again"))
    assert board.shown(0) == notice("one again")
    board.ended(ONE, 0)
    assert board.shown(0) == notice("three")
    board.ended(TWO, 0)
    board.ended(THREE, 0)
    assert board.shown(0) == notice("three")


def test_the_last_message_stays_ten_seconds_and_then_the_standing_text_returns() -> None:
    assert LINGER_US == 10_000_000
    board = Board(STANDING)
    board.say(ONE, notice("done: 14 sent"))
    board.ended(ONE, 5_000_000)
    assert board.lingers
    assert board.shown(14_999_999) == notice("done: 14 sent")
    assert board.shown(15_000_000) == STANDING
    assert not board.lingers


def test_progress_goes_with_its_run_and_what_was_said_before_it_stays() -> None:
    board = Board(STANDING)
    board.say(ONE, progress("9 of 10"))
    assert board.shown(0) == progress("9 of 10")
    board.ended(ONE, 0)
    assert board.shown(0) == STANDING
    board.say(TWO, notice("sending"))
    board.say(TWO, progress("1 of 2"))
    assert board.shown(0) == progress("1 of 2")
    board.ended(TWO, 0)
    assert board.shown(0) == notice("sending")


def test_a_message_that_lingers_makes_way_for_a_running_job() -> None:
    board = Board(STANDING)
    board.say(ONE, notice("done"))
    board.ended(ONE, 0)
    board.say(TWO, notice("at work"))
    assert board.shown(1) == notice("at work")
    board.ended(TWO, 2)
    assert board.shown(3) == notice("at work")


def test_a_retry_of_a_job_is_another_run() -> None:
    board = Board(None)
    board.say((7, 1), notice("first"))
    board.say((7, 2), notice("second"))
    board.ended((7, 1), 0)
    assert board.shown(LINGER_US) == notice("second")


def test_where_nothing_was_said_nothing_is_shown() -> None:
    board = Board(None)
    board.ended(ONE, 0)
    assert board.shown(0) is None
    assert not board.lingers

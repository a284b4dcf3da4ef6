"""Files that change, in real folders."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.device.watching import Watched
from windlass.constraints import Constraints
from windlass.device import files

INBOX = Constraints(files=("inbox/*.csv",), debounce="50ms")


@pytest.fixture(params=["told", "looked for"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose changes inotify tells, or nobody."""
    if request.param == "looked for":
        monkeypatch.setattr(files, "_inotify", lambda: None)
        monkeypatch.setattr(files, "_POLL_S", 0.05)
    (tmp_path / "inbox").mkdir()
    return tmp_path


def now_us() -> int:
    return time.time_ns() // 1000


def later(folder: Path) -> int:
    """A moment at which what has changed so far in the folder is surely past, by the clock of its files."""
    latest = max((each.stat().st_ctime_ns for each in folder.rglob("*")), default=0) // 1000 + files._TICK_US
    ticking = folder / "tick"
    while True:
        ticking.write_text("tock")
        if (passed := ticking.stat().st_ctime_ns // 1000) > latest:
            return passed


def test_a_new_file_is_a_change(folder: Path):
    with Watched(INBOX, folder=folder) as watched:
        waited_us = later(folder)
        (folder / "inbox" / "new.csv").write_text("1,2")

        watched.until_open(since_us=waited_us)


def test_a_file_that_is_written_or_moved_to_its_place_is_a_change(folder: Path):
    old, elsewhere = folder / "inbox" / "old.csv", folder / "elsewhere.csv"
    old.write_text("1,2")
    elsewhere.write_text("3,4")
    with Watched(INBOX, folder=folder) as watched:
        waited_us = later(folder)
        with old.open("a") as opened:
            opened.write("5,6")
        watched.until_open(since_us=waited_us)

        waited_us = later(folder)
        elsewhere.rename(folder / "inbox" / "moved.csv")
        watched.until_open(since_us=waited_us)


def test_what_changed_before_the_job_is_no_change_and_what_changed_while_nobody_looked_is(folder: Path):
    (folder / "inbox" / "old.csv").write_text("1,2")
    waited_us = later(folder)
    with Watched(INBOX, folder=folder) as watched:
        watched.until_open(since_us=0)

        assert watched.blocked(since_us=waited_us)[0].reason == (
            "old.csv changed last: files waits for a change of inbox/*.csv"
        )


def test_other_files_and_deleted_ones_are_no_change(folder: Path):
    gone, news = folder / "inbox" / "gone.csv", Constraints(files="news", debounce="200ms")
    gone.write_text("1,2")
    with Watched(INBOX, news, folder=folder) as watched:
        waited_us = later(folder)
        (folder / "inbox" / "notes.txt").write_text("none of these")
        gone.unlink()
        (folder / "news").write_text("of another job, so that there is something to wait for")

        [blocked] = watched.until(lambda blocked: len(blocked) == 1, since_us=waited_us)

    assert "waits for a change of inbox/*.csv" in blocked.reason


def test_a_job_that_clears_its_inbox_goes_on(folder: Path):
    new, news = folder / "inbox" / "new.csv", Constraints(files="news", debounce="200ms")
    with Watched(INBOX, news, folder=folder) as watched:
        waited_us = later(folder)
        new.write_text("1,2")
        watched.until(lambda blocked: len(blocked) == 1, since_us=waited_us)

        new.unlink()
        (folder / "news").write_text("so that there is something to wait for")
        watched.until_open(since_us=waited_us)


def test_a_folder_that_is_not_there_yet_is_waited_for(folder: Path):
    deep = Constraints(files="one/two/*.csv", debounce="50ms")
    with Watched(deep, folder=folder) as watched:
        waited_us = later(folder)
        (folder / "one" / "two").mkdir(parents=True)
        (folder / "one" / "two" / "new.csv").write_text("1,2")

        watched.until_open(since_us=waited_us)


def test_a_folder_that_is_replaced_is_followed(folder: Path):
    with Watched(INBOX, folder=folder) as watched:
        (folder / "inbox").rename(folder / "old inbox")
        (folder / "inbox").mkdir()
        waited_us = later(folder)
        (folder / "inbox" / "new.csv").write_text("1,2")

        watched.until_open(since_us=waited_us)


def test_a_file_from_the_future_is_not_news_for_ever(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "_changed_us", lambda entry: now_us() + 10**12)
    (folder / "inbox" / "odd.csv").write_text("1,2")
    with Watched(INBOX, folder=folder) as watched:
        watched.until_open(since_us=0)

        assert watched.blocked(since_us=now_us() + 10**9) != []


def test_a_file_that_is_being_written_is_not_told_before_it_is_left_alone(tmp_path: Path):
    patient = Constraints(files="*.csv", debounce="30s")
    with Watched(patient, folder=tmp_path) as watched:
        waited_us = later(tmp_path)
        with (tmp_path / "long.csv").open("w") as opened:
            for _ in range(20):
                opened.write("more\n")
                opened.flush()
                os.fsync(opened.fileno())

        assert watched.blocked(since_us=waited_us) != []

"""The log's name: whoever takes it away is noticed before the next acknowledgement, on every thread."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from windlass.store.sqlite.logpin import LogPin


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.touch()
    other.rename(path)


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def pinned(path: Path) -> LogPin:
    path.touch()
    return LogPin(str(path), path.stat().st_ino)


@pytest.mark.parametrize("asked", [0, 100], ids=["by stat", "by the kernel"])
@pytest.mark.parametrize("take_away", [Path.unlink, replace, move], ids=["deleted", "replaced", "moved"])
def test_a_log_that_lost_its_name_is_noticed(
    tmp_path: Path, asked: int, take_away: Callable[[Path], None]
) -> None:
    pin = pinned(tmp_path / "log")
    assert all(pin.holds() for _ in range(asked))
    take_away(tmp_path / "log")
    assert not pin.holds()
    assert not pin.holds()
    pin.close()


def test_other_changes_to_the_log_are_no_loss(tmp_path: Path) -> None:
    pin = pinned(tmp_path / "log")
    assert all(pin.holds() for _ in range(100))
    (tmp_path / "log").chmod(0o600)
    (tmp_path / "log").write_bytes(b"frame")
    assert pin.holds()
    pin.close()


def test_threads_ask_at_once_and_all_of_them_learn_of_the_loss(tmp_path: Path) -> None:
    pin = pinned(tmp_path / "log")
    gone, answers = threading.Event(), list[bool]()

    def ask() -> None:
        while not gone.is_set():
            assert pin.holds() or not (tmp_path / "log").exists()
        answers.append(pin.holds())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    (tmp_path / "log").unlink()
    gone.set()
    for thread in threads:
        thread.join()
    assert answers == [False] * 4
    pin.close()


def test_a_pin_that_was_let_go_leaves_no_file_open(tmp_path: Path) -> None:
    if sys.platform != "linux":
        return
    before = len(os.listdir("/proc/self/fd"))
    pin = pinned(tmp_path / "log")
    assert all(pin.holds() for _ in range(100))
    assert len(os.listdir("/proc/self/fd")) == before + 2
    pin.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert pin.holds()

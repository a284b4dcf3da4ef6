"""Reading ahead: the next page is on its way while this one is applied, and nothing else is different."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from windlass.errors import Offline
from windlass.sync import ahead
from windlass.sync.ahead import Ahead
from windlass.sync.remote import Ask, Page

FIRST, SECOND = Ask(None, None, None, 10), Ask(None, "2", None, 10)


class Slow:
    """A remote of which each page is waited for, until it is let go."""

    origin, batch, dedupes, reads_ahead = "slow:", 10, True, True

    def __init__(self) -> None:
        self.asked: list[tuple[Ask, int]] = []
        self.go = threading.Event()
        self.aborted = 0
        self.fails = False

    def pull(self, ask: Ask) -> Page:
        self.asked.append((ask, threading.get_ident()))
        assert ask == FIRST or self.go.wait(30)
        if self.fails:
            raise Offline("it was cut")
        return Page((), next_page="2" if ask == FIRST else None)

    def abort(self) -> None:
        self.aborted += 1
        self.fails = True
        self.go.set()

    push = fetch = probe = None  # type: ignore[assignment]


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Slow:
    monkeypatch.setattr(ahead, "_WORTH_S", 0.0)
    return Slow()


def pages(remote: Any) -> Ahead:
    """With the first page read."""
    found = Ahead(remote)
    found.page(FIRST)
    return found


def test_the_next_page_is_read_on_another_thread(remote: Slow) -> None:
    found = pages(remote)
    found.ask(SECOND)
    remote.go.set()
    assert found.page(SECOND).next_page is None
    assert [ask for ask, _ in remote.asked] == [FIRST, SECOND], "each page is asked for once"
    assert remote.asked[0][1] == threading.get_ident() != remote.asked[1][1]


def test_no_more_than_one_page_is_read_ahead(remote: Slow) -> None:
    found = pages(remote)
    found.ask(SECOND)
    found.ask(SECOND._replace(page="3"))
    remote.go.set()
    found.page(SECOND)
    assert [ask for ask, _ in remote.asked] == [FIRST, SECOND]


def test_an_error_is_raised_where_its_page_is_taken(remote: Slow) -> None:
    found = pages(remote)
    remote.fails = True
    found.ask(SECOND)
    remote.go.set()
    with pytest.raises(Offline, match="cut"):
        found.page(SECOND)


def test_what_was_read_ahead_is_dropped_where_something_else_is_asked(remote: Slow) -> None:
    found = pages(remote)
    found.ask(SECOND)
    remote.go.set()
    smaller = SECOND._replace(limit=5)
    remote.abort = lambda: None  # type: ignore[method-assign]
    assert found.page(smaller).next_page is None
    assert remote.asked[-1][0] == smaller


def test_closing_ends_the_request_under_way(remote: Slow) -> None:
    found = pages(remote)
    found.ask(SECOND)
    found.close()
    assert remote.aborted >= 1
    assert "windlass-read-ahead" not in [thread.name for thread in threading.enumerate()]


def test_what_is_here_at_once_is_worth_no_thread(remote: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_WORTH_S", 3600.0)
    found = pages(remote)
    found.ask(SECOND)
    assert len(remote.asked) == 1


def test_a_remote_that_does_not_say_so_is_asked_by_one_thread(remote: Slow) -> None:
    remote.reads_ahead = False
    found = pages(remote)
    found.ask(SECOND)
    assert len(remote.asked) == 1

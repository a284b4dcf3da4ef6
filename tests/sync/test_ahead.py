"""Reading ahead: the next page is on its way while this one is applied, and nothing else is different."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from windlass.errors import LostHold, Offline
from windlass.sync import ahead
from windlass.sync.ahead import Ahead
from windlass.sync.exchange import work_meanwhile
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


def nothing() -> None:
    """To be done while the next page is on its way."""


def pages(remote: Any) -> Ahead:
    """With the first page read."""
    found = Ahead(remote)
    found.page(FIRST)
    return found


def test_the_next_page_is_read_on_another_thread(remote: Slow) -> None:
    found = pages(remote)
    found.ask(SECOND, nothing)
    remote.go.set()
    assert found.page(SECOND).next_page is None
    assert [ask for ask, _ in remote.asked] == [FIRST, SECOND], "each page is asked for once"
    assert remote.asked[0][1] == threading.get_ident() != remote.asked[1][1]


def test_no_more_than_one_page_is_read_ahead(remote: Slow) -> None:
    found = pages(remote)
    found.ask(SECOND, nothing)
    found.ask(SECOND._replace(page="3"), nothing)
    remote.go.set()
    found.page(SECOND)
    assert [ask for ask, _ in remote.asked] == [FIRST, SECOND]


def test_an_error_is_raised_where_its_page_is_taken(remote: Slow) -> None:
    found = pages(remote)
    remote.fails = True
    found.ask(SECOND, nothing)
    remote.go.set()
    with pytest.raises(Offline, match="cut"):
        found.page(SECOND)


def test_what_was_read_ahead_is_dropped_where_something_else_is_asked(remote: Slow) -> None:
    found = pages(remote)
    found.ask(SECOND, nothing)
    remote.go.set()
    smaller = SECOND._replace(limit=5)
    remote.abort = lambda: None  # type: ignore[method-assign]
    assert found.page(smaller).next_page is None
    assert remote.asked[-1][0] == smaller


def test_closing_ends_the_request_under_way(remote: Slow) -> None:
    found = pages(remote)
    found.ask(SECOND, nothing)
    found.close()
    assert remote.aborted >= 1
    assert "windlass-read-ahead" not in [thread.name for thread in threading.enumerate()]


def test_what_is_here_at_once_is_worth_no_thread(remote: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_WORTH_S", 3600.0)
    found = pages(remote)
    found.ask(SECOND, nothing)
    assert len(remote.asked) == 1


class Quick(Slow):
    """A remote whose pages are here at once, and that waits for them as a ``Transport`` does."""

    def pull(self, ask: Ask) -> Page:
        self.asked.append((ask, threading.get_ident()))
        work_meanwhile()
        if self.fails:
            raise Offline("it was cut")
        return Page((), next_page="2" if ask == FIRST else None)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Quick:
    monkeypatch.setattr(ahead, "_WORTH_S", 3600.0)
    return Quick()


def test_a_page_that_is_here_soon_is_asked_for_before_the_work_and_read_after_it(quick: Quick) -> None:
    found, asked = pages(quick), []
    found.ask(SECOND, lambda: asked.extend(quick.asked))
    assert [ask for ask, _ in asked] == [FIRST, SECOND], "it was on its way when the work was done"
    assert found.page(SECOND).next_page is None
    assert quick.asked == asked, "each page is asked for once, by the one thread"
    assert {thread for _, thread in asked} == {threading.get_ident()}


def test_a_page_that_fails_while_the_work_is_done_fails_where_it_is_taken(quick: Quick) -> None:
    found, worked = pages(quick), []
    quick.fails = True
    found.ask(SECOND, lambda: worked.append(1))
    assert worked == [1]
    with pytest.raises(Offline, match="cut"):
        found.page(SECOND)


def test_a_page_that_was_not_waited_for_keeps_no_work_from_being_done(quick: Quick) -> None:
    found, worked = pages(quick), []
    found._pull = lambda ask: Page(())
    found.ask(SECOND, lambda: worked.append(1))
    assert worked == [1]


def test_work_that_fails_ends_the_request_beside_it(quick: Quick) -> None:
    found = pages(quick)

    def fails() -> None:
        raise LostHold("another process has taken over")

    with pytest.raises(LostHold):
        found.ask(SECOND, fails)


def test_a_remote_that_does_not_say_so_is_asked_by_one_thread(remote: Slow) -> None:
    remote.reads_ahead = False
    found = pages(remote)
    found.ask(SECOND, nothing)
    assert len(remote.asked) == 1

"""One thing is told once, whoever finds it out, until it is over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.store.children import child
from windlass import ConflictWaiting, Event, SyncFailed, SyncFailing, SyncRecovered, Windlass
from windlass.errors import RegistrationError

REJECTED = SyncFailed("notes", 7, "title must not be empty")
OUT = SyncFailing("notes", "https://api.example.org", "offline", datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
BACK = SyncRecovered("notes", "https://api.example.org")


@pytest.fixture
def app(database_url: str) -> Iterator[Windlass]:
    made = Windlass(database_url)
    yield made
    made.close()


@pytest.fixture
def heard(app: Windlass) -> list[Event]:
    found: list[Event] = []
    app.on_event(found.append)
    return found


def test_a_subject_is_told_once_until_it_is_cleared(app: Windlass, heard: list[Event]) -> None:
    assert app.notifier.tell(REJECTED, subject="dead:notes:7")
    assert not app.notifier.tell(REJECTED, subject="dead:notes:7")
    assert app.notifier.tell(REJECTED, subject="dead:notes:8")
    assert heard == [REJECTED, REJECTED]
    assert app.notifier.clear("dead:notes:7")
    assert not app.notifier.clear("dead:notes:7")
    assert app.notifier.tell(REJECTED, subject="dead:notes:7")
    assert len(heard) == 3


def test_a_recovery_is_told_only_where_the_failure_was(app: Windlass, heard: list[Event]) -> None:
    assert not app.notifier.clear("out:notes", BACK)
    assert heard == []
    app.notifier.tell(OUT, subject="out:notes")
    assert app.notifier.clear("out:notes", BACK)
    assert not app.notifier.clear("out:notes", BACK)
    assert heard == [OUT, BACK]


def test_what_was_told_is_known_after_a_restart_and_counted(app: Windlass, database_url: str) -> None:
    app.notifier.tell(OUT, subject="out:notes")
    app.close()
    later = Windlass(database_url)
    assert not later.notifier.tell(OUT, subject="out:notes")
    (notice,) = later.notifier.told()
    assert (notice.subject, notice.event, notice.times) == ("out:notes", "SyncFailing", 2)
    assert '"since":"2026-01-02T03:04:00Z"' in notice.fields
    later.close()


TELL = """
from windlass import SyncFailed, Windlass
app = Windlass(path)
heard = []
app.on_event(heard.append)
app.store
say("ready"); hear()
app.notifier.tell(SyncFailed("notes", 7, "no"), subject="dead:notes:7")
say(len(heard))
app.close()
"""


def test_of_several_processes_that_find_it_out_at_once_one_tells(app: Windlass, database_url: str) -> None:
    app.jobs.counts()
    with (
        child(database_url, TELL) as one,
        child(database_url, TELL) as two,
        child(database_url, TELL) as three,
    ):
        children = (one, two, three)
        assert [each.heard() for each in children] == ["ready"] * 3
        for each in children:
            each.tell()
        told = [each.heard() for each in children]
        for each in children:
            each.finish()
    assert sorted(told) == ["0", "0", "1"]


def test_a_callback_hears_the_kind_of_event_it_asked_for(app: Windlass) -> None:
    failures: list[SyncFailed] = []
    conflicts: list[ConflictWaiting] = []

    @app.on_event(SyncFailed)
    def on_failure(event: SyncFailed) -> None:
        failures.append(event)

    app.on_event(ConflictWaiting)(conflicts.append)
    app.notifier.tell(REJECTED, subject="a")
    app.notifier.tell(OUT, subject="b")
    asked = ConflictWaiting("notes", 7, ("title",))
    app.notifier.tell(asked, subject="c")
    assert (failures, conflicts) == ([REJECTED], [asked])


def test_a_callback_that_raises_is_logged_and_the_others_are_told(
    app: Windlass, caplog: pytest.LogCaptureFixture
) -> None:
    @app.on_event
    def fail(event: Event) -> None:
        raise ZeroDivisionError

    heard: list[Event] = []
    app.on_event(heard.append)
    assert app.notifier.tell(REJECTED, subject="a")
    assert heard == [REJECTED]
    assert "fail" in caplog.text
    assert "failed to take SyncFailed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_the_log_says_it_in_a_sentence(app: Windlass, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="windlass.notify"):
        for number, event in enumerate((REJECTED, OUT, ConflictWaiting("notes", 7, ("title", "body")))):
            app.notifier.tell(event, subject=f"{number}")
        app.notifier.clear("1", BACK)
    assert [record.getMessage() for record in caplog.records] == [
        "notes 7: the change was not accepted: title must not be empty",
        "notes: no sync with https://api.example.org since 2026-01-02 03:04 UTC: offline",
        "notes 7: changed here and there: title, body",
        "notes: in sync with https://api.example.org again",
    ]
    assert [record.levelname for record in caplog.records] == [*["WARNING"] * 3, "INFO"]


async def later(event: Event) -> None: ...


@pytest.mark.parametrize(
    ("kind", "callback", "why"),
    [
        (int, print, "expected on_event to be given a kind of event such as SyncFailed"),
        (Event, 7, "expected a function for on_event, got int"),
        (Event, later, "on_event calls plain functions"),
    ],
)
def test_what_cannot_be_called_is_refused_where_it_is_registered(
    app: Windlass, kind: Any, callback: Any, why: str
) -> None:
    with pytest.raises(RegistrationError, match=why):
        app.notifier.on(kind, callback)

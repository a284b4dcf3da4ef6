"""Quiet hours and floods: what is held back is told once, later, as one summary."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.notify.walls import Wall
from windlass import JobFailed, SyncFailed, SyncFailing, SyncRecovered, Windlass
from windlass.notify.jobs import SUMMARY
from windlass.testing import ManualClock, drain

NIGHT = datetime(2026, 1, 1, 23, 30, tzinfo=UTC)


def rejected(key: int) -> SyncFailed:
    return SyncFailed("notes", key, "no")


OUT = SyncFailing("notes", "https://example.com", "offline", NIGHT)
BACK = SyncRecovered("notes", "https://example.com")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NIGHT)


@pytest.fixture
def app(database_url: str, clock: ManualClock) -> Iterator[Windlass]:
    made = Windlass(
        database_url, clock=clock, notify_quiet="22:00-07:00 UTC", notify_urgent=["JobFailed"],
        notify_most=3,
    )  # fmt: skip
    yield made
    made.close()


@pytest.fixture
def wall(app: Windlass) -> Wall:
    made = Wall()
    app.notify_by(made)
    return made


def test_the_night_is_told_in_the_morning_as_one_summary(
    app: Windlass, wall: Wall, clock: ManualClock
) -> None:
    heard: list[SyncFailed] = []
    app.on_event(SyncFailed)(heard.append)
    for key in (1, 2, 2):
        app.notifier.tell(rejected(key), subject=f"dead:{key}")
        clock.advance("1s")
    drain(app)
    assert wall.told == []
    assert len(heard) == 2, "the program itself hears of it at once"
    clock.advance("7h 28m 57s")
    drain(app)
    assert wall.told == []
    clock.advance("1m")
    drain(app)
    (summary,) = wall.texts
    assert summary.splitlines() == [
        "2 things happened:",
        "notes 2: the change was not accepted: no",
        "notes 1: the change was not accepted: no",
    ]
    clock.advance("1d")
    drain(app)
    assert len(wall.told) == 1


def test_what_is_over_by_the_morning_is_not_told(app: Windlass, wall: Wall, clock: ManualClock) -> None:
    app.notifier.tell(OUT, subject="out")
    app.notifier.tell(rejected(1), subject="dead:1")
    assert app.notifier.clear("out", BACK)
    clock.advance("8h")
    drain(app)
    assert wall.texts == ["notes 1: the change was not accepted: no"]


def test_that_something_of_yesterday_is_over_is_told_in_the_morning(
    app: Windlass, wall: Wall, clock: ManualClock
) -> None:
    clock.advance("12h")
    app.notifier.tell(OUT, subject="out")
    clock.advance("12h")
    app.notifier.clear("out", BACK)
    assert wall.told == [OUT]
    clock.advance("8h")
    drain(app)
    assert wall.texts[1:] == ["notes: in sync with https://example.com again"]


def test_urgent_events_pass_by_their_kind_or_by_the_word_of_who_tells(app: Windlass, wall: Wall) -> None:
    failed = JobFailed(7, "backup", "disk full")
    app.notifier.tell(failed, subject="job:backup")
    app.notifier.tell(rejected(1), subject="a", urgent=True)
    app.notifier.tell(rejected(2), subject="b")
    assert wall.told == [failed, rejected(1)]


def test_a_summary_that_comes_late_into_the_next_night_waits_for_its_end(
    app: Windlass, wall: Wall, clock: ManualClock
) -> None:
    app.notifier.tell(rejected(1), subject="a")
    clock.advance("1d")
    drain(app)
    assert wall.told == []
    clock.advance("7h 30m")
    drain(app)
    assert len(wall.told) == 1


def test_it_is_kept_over_a_restart(app: Windlass, wall: Wall, clock: ManualClock, database_url: str) -> None:
    app.notifier.tell(rejected(1), subject="a")
    app.close()
    later = Windlass(database_url, clock=clock)
    new = Wall()
    later.notify_by(new)
    clock.advance("8h")
    drain(later)
    assert new.texts == ["notes 1: the change was not accepted: no"]
    later.close()


def test_of_a_flood_a_few_are_told_and_the_rest_is_one_summary(
    app: Windlass, wall: Wall, clock: ManualClock
) -> None:
    clock.advance("12h 10s")
    for key in range(50):
        app.notifier.tell(rejected(key), subject=f"dead:{key}")
        clock.advance("100ms")
    assert wall.told == [rejected(0), rejected(1), rejected(2)]
    assert len(app.jobs.list(key=SUMMARY)) == 1
    clock.advance("1m")
    drain(app)
    assert len(wall.told) == 4
    lines = wall.texts[-1].splitlines()
    assert lines[0] == "47 things happened:"
    assert lines[1] == "notes 49: the change was not accepted: no"
    assert lines[-1] == "and 27 more"


def test_what_comes_and_goes_again_and_again_is_a_flood_too(
    app: Windlass, wall: Wall, clock: ManualClock
) -> None:
    clock.advance("12h")
    for _ in range(20):
        app.notifier.tell(OUT, subject="out")
        app.notifier.clear("out", BACK)
    assert len(wall.told) == 3


def test_without_people_nothing_is_held_and_no_job_is_made(app: Windlass) -> None:
    app.notifier.tell(rejected(1), subject="a")
    assert app.jobs.list() == []
    assert "held_until" not in app.notifier.told()[0].fields


def test_a_channel_that_raises_keeps_no_other_from_telling(
    app: Windlass, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Wall):
        def tell(self, event: object) -> str:
            raise ZeroDivisionError

    app.notify_by(Broken("broken"))
    wall = Wall()
    app.notify_by(wall)
    clock.advance("12h")
    assert app.notifier.tell(rejected(1), subject="a")
    assert wall.told == [rejected(1)]
    assert "the channel broken failed to tell SyncFailed" in caplog.text

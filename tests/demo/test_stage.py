from __future__ import annotations

import io

from rich.console import Console

from windlass import JobStatus
from windlass.demo.screen import Screen
from windlass.demo.stage import PlainStage, Snapshot, Stage
from windlass.demo.strikes import Strike


def snapshot(done: int, *, dispatcher: int = 20, isolates: tuple[int, ...] = (30, 31)) -> Snapshot:
    return Snapshot(
        total=100,
        counts={JobStatus.COMPLETED: done, JobStatus.PENDING: 100 - done},
        to_retry=1,
        running=("json/decoder.py",),
        supervisor=10,
        dispatcher=dispatcher,
        isolates=isolates,
        rate=123.0,
    )


def test_the_plain_stage_tells_each_tenth_once() -> None:
    stream = io.StringIO()
    stage = PlainStage(stream)
    for done in (5, 10, 11, 19, 20, 55, 56, 100, 100):
        stage.draw(snapshot(done))
    told = [line.split()[1] for line in stream.getvalue().splitlines()]
    assert told == ["10", "20", "55", "100"]


def test_the_screen_shows_processes_counts_and_what_runs() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120, height=40)
    stage: Stage = Screen(console)
    stage.chapter("Work", "what it means")
    stage.tell("something [happened]", "strike")
    stage.draw(snapshot(42))
    stage.close()
    shown = stream.getvalue()
    for text in ("Work", "what it means", "something [happened]"):
        assert text in shown


class Story:
    """A stage that only remembers."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def chapter(self, title: str, meaning: str) -> None:
        self.told.append(title)

    def tell(self, text: str, mood: str = "plain") -> None:
        self.told.append(text)

    def draw(self, snapshot: Snapshot) -> None: ...

    def close(self) -> None: ...


def test_a_strike_waits_for_its_moment_and_for_a_victim() -> None:
    story, strike = Story(), Strike("isolate", 0.5)
    assert strike.consider(snapshot(49), story) is None
    assert strike.consider(snapshot(50, isolates=()), story) is None
    assert story.told == []
    assert not strike.under_way

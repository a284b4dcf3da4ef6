from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text

from windlass.demo.sync.picture import SyncScreen
from windlass.demo.sync.scene import PlainSyncStage, Scene, Side, SyncStage


def scene(done: int, what: str = "rows") -> Scene:
    ann = Side(
        name="ann", activity="pulling", done=done, total=100, what=what, pending=3, conflicts=1, failed=0
    )
    return Scene(sides=(ann,), requests=1234, moods={"hung up": 2}, replayed=2)


def test_the_plain_stage_tells_each_quarter_once_for_rows_and_for_changes() -> None:
    stream = io.StringIO()
    stage: SyncStage = PlainSyncStage(stream)
    for done in (0, 10, 26, 30, 80, 100, 100):
        stage.draw(scene(done))
    stage.draw(scene(50, "changes"))
    told = [line.split(maxsplit=1)[1] for line in stream.getvalue().splitlines()]
    assert told == [
        "ann: 26 of 100 rows",
        "ann: 80 of 100 rows",
        "ann: 100 of 100 rows",
        "ann: 50 of 100 changes",
    ]


def test_the_plain_stage_shows_a_table_as_plain_lines() -> None:
    stream = io.StringIO()
    PlainSyncStage(stream).show(Text("base  mine  theirs", "bold red"))
    assert stream.getvalue().strip() == "base  mine  theirs"


def test_the_screen_shows_both_sides_and_the_server() -> None:
    stream = io.StringIO()
    stage: SyncStage = SyncScreen(Console(file=stream, force_terminal=True, width=140, height=40))
    stage.chapter("Reconnect", "what it means")
    stage.tell("something [happened]", "strike")
    stage.show(Text("a table"))
    stage.draw(scene(42))
    stage.close()
    shown = stream.getvalue()
    for text in ("Reconnect", "what it means", "something [happened]", "a table"):
        assert text in shown
    for text in ("42 of 100 rows", "pulling", "3 pending", "1,234 requests", "2 × hung up", "from memory"):
        assert text in shown

"""The show of the sync on a terminal: what happened scrolls by above, both replicas stay below."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from windlass.demo.screen import RichTeller
from windlass.demo.sync.scene import Scene, Side

_STYLES = {"idle": "green", "pulling": "cyan", "pushing": "cyan", "offline": "bold red"}


class SyncScreen(RichTeller):
    """A ``SyncStage`` drawn with rich."""

    def draw(self, scene: Scene) -> None:
        rows = Table.grid(expand=True, padding=(0, 1))
        rows.add_column(no_wrap=True, width=len("server"))
        rows.add_column(no_wrap=True, width=len("throttled"))
        rows.add_column(ratio=1)
        rows.add_column(justify="right", no_wrap=True)
        rows.add_column(justify="right", no_wrap=True)
        for side in scene.sides:
            rows.add_row(
                Text(side.name, "bold"),
                Text(side.activity, _STYLES.get(side.activity, "yellow")),
                ProgressBar(total=max(side.total, 1), completed=side.done),
                Text(f"{side.done:,} of {side.total:,} {side.what}"),
                _waiting(side),
            )
        told = [Text(f"server    {scene.requests:,} requests", "bold")]
        told += [Text(f"{count} × {mood}", "yellow") for mood, count in scene.moods.items()]
        if scene.replayed:
            told.append(Text(f"{scene.replayed} answered again from memory", "cyan"))
        inside = Group(rows, Text("   ").join(told))
        self._live.update(Panel(inside, border_style="dim", padding=(0, 1)))

    def show(self, what: RenderableType) -> None:
        self._console.print(Padding(what, (1, 0, 1, 11)))


def _waiting(side: Side) -> Text:
    told = [
        Text(f"{count:,} {what}", style)
        for count, what, style in (
            (side.pending, "pending", "yellow"),
            (side.conflicts, "conflicts", "magenta"),
            (side.failed, "rejected", "red"),
        )
        if count
    ]
    return Text("  ").join(told)

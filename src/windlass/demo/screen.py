"""The show on a terminal: what happened scrolls by above, the state of the work stays below."""

from __future__ import annotations

from collections import deque

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from windlass.clock import monotonic
from windlass.demo.stage import MARKS, Mood, Snapshot
from windlass.job import JobStatus

_STYLES: dict[Mood, str] = {
    "plain": "",
    "good": "green",
    "bad": "red",
    "retry": "yellow",
    "strike": "bold magenta",
    "aside": "dim",
}
_SPARKS = "▁▂▃▄▅▆▇█"
_SPARKS_KEPT = 24
_SPARK_S = 0.25


class RichTeller:
    """Tells with rich, above what is drawn."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = monotonic()
        self._chapters = 0
        self._live = Live(console=console, refresh_per_second=12, transient=True)
        self._live.start()

    def chapter(self, title: str, meaning: str) -> None:
        self._chapters += 1
        head = Text.assemble((f"{self._chapters}  {title}", "bold cyan"))
        self._console.print()
        self._console.print(head)
        self._console.print(Padding(Text(meaning, "dim"), (0, 0, 0, 3)))

    def tell(self, text: str, mood: Mood = "plain") -> None:
        line = Table.grid(padding=(0, 1))
        line.add_column(justify="right", width=8)
        line.add_column(width=1)
        line.add_column(overflow="fold")
        style = _STYLES[mood]
        line.add_row(
            Text(f"{monotonic() - self._begun:.2f}s", "dim"), Text(MARKS[mood], style), Text(text, style)
        )
        self._console.print(line)

    def close(self) -> None:
        self._live.stop()


class Screen(RichTeller):
    """A ``Stage`` drawn with rich."""

    def __init__(self, console: Console) -> None:
        self._rates: deque[float] = deque(maxlen=_SPARKS_KEPT)
        self._sparked = 0.0
        super().__init__(console)

    def draw(self, snapshot: Snapshot) -> None:
        now = monotonic()
        if now - self._sparked >= _SPARK_S:
            self._sparked = now
            self._rates.append(snapshot.rate)
        self._live.update(Panel(self._inside(snapshot), border_style="dim", padding=(0, 1)))

    def _inside(self, snapshot: Snapshot) -> RenderableType:
        head = Table.grid(expand=True, padding=(0, 1))
        head.add_column(ratio=1)
        head.add_column(justify="right", no_wrap=True)
        head.add_row(
            ProgressBar(total=snapshot.total, completed=snapshot.done),
            Text(f"{snapshot.done:,} of {snapshot.total:,}", "bold"),
        )
        counts = snapshot.counts
        waiting = counts.get(JobStatus.PENDING, 0) - snapshot.to_retry
        numbers = Text("   ").join(
            [
                Text(f"✔ {counts.get(JobStatus.COMPLETED, 0):,} completed", "green"),
                Text(f"✘ {counts.get(JobStatus.FAILED, 0):,} failed", "red"),
                Text(f"↻ {snapshot.to_retry:,} to retry", "yellow"),
                Text(f"▶ {counts.get(JobStatus.RUNNING, 0):,} running", "cyan"),
                Text(f"… {max(waiting, 0):,} waiting", "dim"),
            ]
        )
        now = Text(", ".join(snapshot.running) or "nothing", "dim", no_wrap=True, overflow="ellipsis")
        rows = Table.grid(padding=(0, 2))
        rows.add_column(style="dim")
        rows.add_column()
        rows.add_row("processes", _family(snapshot))
        rows.add_row("running", now)
        rows.add_row(
            "speed", Text(_sparks(self._rates), "cyan").append(f" {snapshot.rate:,.0f} jobs/s", "dim")
        )
        return Group(head, numbers, Text(), rows)


def _family(snapshot: Snapshot) -> Text:
    def member(role: str, pid: int) -> Text:
        return Text.assemble((f"{role} ", "dim"), (str(pid) if pid else "…", "bold" if pid else "dim"))

    isolates = Text(" + ", "dim").join(member("isolate", pid) for pid in snapshot.isolates) or Text(
        "no isolate yet", "dim"
    )
    arrow = Text(" → ", "dim")
    return arrow.join(
        [member("supervisor", snapshot.supervisor), member("dispatcher", snapshot.dispatcher), isolates]
    )


def _sparks(rates: deque[float]) -> str:
    most = max(rates, default=0.0) or 1.0
    return "".join(_SPARKS[min(int(rate / most * len(_SPARKS)), len(_SPARKS) - 1)] for rate in rates)

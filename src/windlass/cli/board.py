"""The live table of ``windlass watch``."""

from __future__ import annotations

import select
from collections import deque
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from windlass.cli.render import jobs_table, queues_table
from windlass.clock import monotonic
from windlass.job import FINAL, JobStatus
from windlass.living import live_dispatchers
from windlass.terminal.words import STYLES, counts_line

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.job import Job

_SPARKS = " ▁▂▃▄▅▆▇█"
_QUIET_S = 1.0
"""Redrawn at least this often: "3s ago" grows older also when nothing happens."""
_BETWEEN_S = 0.1
_EFFORT = 5
"""A look at a large table may take long: between two looks passes at least this many times as much."""
_RATES_KEPT = 60


class Board:
    """Counts, queues, what runs, what ended last; drawn anew when the doorbell rings."""

    def __init__(
        self, opened: Windlass, console: Console, *, key: str | None, queue: str | None, tag: str | None
    ) -> None:
        self._opened = opened
        self._console = console
        self._key, self._queue, self._tag = key, queue, tag
        self._rates: deque[float] = deque(maxlen=_RATES_KEPT)
        self._ended: int | None = None
        self._looked_at = 0.0

    def show(self) -> None:
        """Until the person leaves with Ctrl-C."""
        bell = self._opened.store.bell("watch")
        try:
            with Live(console=self._console, screen=True, auto_refresh=False) as live:
                while True:
                    bell.drain()
                    before = monotonic()
                    live.update(self.look(), refresh=True)
                    pause_s = max(_BETWEEN_S, _EFFORT * (monotonic() - before))
                    self._wait(bell.fileno(), pause_s)
        finally:
            bell.close()

    def _wait(self, fd: int, pause_s: float) -> None:
        # First the pause, in which rings gather; then until one has come.
        select.select([], [], [], pause_s)
        select.select([fd], [], [], _QUIET_S)

    def look(self) -> Group:
        """Everything as it stands now."""
        opened = self._opened
        counts = opened.jobs.counts()
        rows = max(self._console.height - 14, 6)
        running = self._list((JobStatus.RUNNING,), "id", rows // 3)
        waiting = self._list((JobStatus.PENDING,), "-updated_at", rows // 3)
        ended = self._list(tuple(FINAL), "-finished_at", rows - len(running) - len(waiting))
        live = live_dispatchers(opened.store)
        head = Table.grid(expand=True)
        head.add_column()
        head.add_column(justify="right")
        served = ", ".join(f"{row.mode} {row.pid}" for row in live)
        head.add_row(
            Text(opened.place.shown, "bold"),
            Text(f"● {served}", "green")
            if live
            else Text("○ no service is running: windlass start", "yellow"),
        )
        head.add_row(counts_line(counts), self._rate_text(sum(counts[status] for status in FINAL)))
        parts: list[object] = [head, Text(), queues_table(opened.queues.list())]
        for title, jobs, status in (
            ("running", running, JobStatus.RUNNING),
            ("waiting", waiting, JobStatus.PENDING),
            ("ended", ended, JobStatus.COMPLETED),
        ):
            if jobs:
                parts += [
                    Text(),
                    Rule(Text(title, STYLES[status]), align="left", style="dim"),
                    jobs_table(jobs),
                ]
        return Group(*parts)  # pyright: ignore[reportArgumentType]

    def _list(self, status: tuple[JobStatus, ...], order: str, limit: int) -> list[Job]:
        return self._opened.jobs.list(
            status=status, key=self._key, queue=self._queue, tag=self._tag, order=order, limit=max(limit, 3)
        )

    def _rate_text(self, ended: int) -> Text:
        now = monotonic()
        if self._ended is not None and now > self._looked_at:
            # Pruning makes the sum fall; that is no negative speed.
            self._rates.append(max(ended - self._ended, 0) / (now - self._looked_at))
        self._ended, self._looked_at = ended, now
        most = max(self._rates, default=0.0)
        if not most:
            return Text("")
        sparks = "".join(_SPARKS[round(rate / most * (len(_SPARKS) - 1))] for rate in self._rates)
        return Text(sparks, "cyan").append(f" {self._rates[-1]:,.0f} jobs/s", "dim")

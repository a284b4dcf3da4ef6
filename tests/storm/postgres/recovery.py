"""When the hosts work again after their database was away, by what their handlers have told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.storm.journal import entries


def recovered(folders: Sequence[Path], back_at: int) -> list[float] | None:
    """How long after that moment (wall clock, ns) each host started a handler, in seconds.

    None while there is a host that did not.
    """
    spans: list[float] = []
    for folder in folders:
        logs = (log for log in folder.glob("handler-*.log") if log.stat().st_mtime_ns >= back_at)
        starts = (line["t"] for log in logs for line in entries(log) if line["what"] == "start")
        first = min((moment for moment in starts if moment >= back_at), default=None)
        if first is None:
            return None
        spans.append(round((first - back_at) / 1e9, 3))
    return spans

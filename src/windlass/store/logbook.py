"""What attempts logged: how it is told to a store, and asked of it. A part of the store's contract."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from windlass.job import LogLine

LINES_MOST = 200
"""So many lines of an attempt are kept, the newest …"""
BYTES_MOST = 32 * 1024
"""… in so many bytes of JSON, …"""
ATTEMPTS_MOST = 100
"""… of so many attempts of a job."""


class LogChunk(NamedTuple):
    """Lines that one run logged, one after the other."""

    job_id: int
    attempt: int
    token: int
    first: int
    """The number of its first line in that run, from 1; what came before and is not there was too much."""
    length: int
    lines: str
    """JSON array of ``[time in µs, level, logger, text]``, without secrets."""


class Logs(Protocol):
    """The verb; chunks come with ``settle_and_claim``."""

    def logs(self, job_id: int, attempt: int | None = None) -> list[LogLine]:
        """What is kept of what a job's handler logged, in that attempt or in all: oldest first."""
        ...

"""What running attempts said, until a turn keeps it: how far they are, and what they logged."""

from __future__ import annotations

from typing import NamedTuple

from windlass.store.logbook import LogChunk
from windlass.store.protocol import Claim, ProgressNote

_CHUNKS_MOST = 1000
"""While the database cannot be written, so much of what was logged waits for it; then the oldest is lost."""


class Told(NamedTuple):
    """What goes into one turn."""

    progress: list[ProgressNote]
    logs: list[LogChunk]


class Said:
    """Collects it. Used on the dispatcher's thread alone."""

    def __init__(self) -> None:
        self._progress: dict[int, ProgressNote] = {}
        self._logs: list[LogChunk] = []

    def __bool__(self) -> bool:
        return bool(self._progress or self._logs)

    def progressed(self, claim: Claim, progress: str) -> None:
        """The latest replaces those before it."""
        self._progress[claim.job_id] = ProgressNote(claim.job_id, claim.attempt, claim.token, progress)

    def logged(self, chunk: LogChunk) -> None:
        """All of it is kept, in its order."""
        self._logs.append(chunk)

    def take(self) -> Told:
        """All that is there."""
        told = Told(list(self._progress.values()), self._logs)
        self._progress, self._logs = {}, []
        return told

    def put_back(self, told: Told) -> None:
        """A turn that did not come about gives it back."""
        self._progress = {note.job_id: note for note in told.progress} | self._progress
        self._logs = (told.logs + self._logs)[-_CHUNKS_MOST:]

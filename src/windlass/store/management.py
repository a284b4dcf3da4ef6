"""What the job manager asks: look at jobs, cancel, retry, delete. A part of the store's contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from windlass.job import Attempt, Job, JobStatus
from windlass.store.logbook import Logs

if TYPE_CHECKING:
    from windlass.store.protocol import JobFilter, QueueState


class Management(Logs, Protocol):
    """The verbs. All are thread-safe."""

    def get(self, job_id: int) -> Job | None:
        """The job, or None."""
        ...

    def select(self, where: JobFilter, *, order: str = "-id", limit: int = 50, offset: int = 0) -> list[Job]:
        """Jobs that match; ``order`` is ``id``, ``created_at``, ``updated_at``, ``priority`` or
        ``finished_at``, descending with a leading ``-``."""
        ...

    def counts(self) -> dict[JobStatus, int]:
        """How many jobs stand in each status."""
        ...

    def attempts(self, job_id: int) -> list[Attempt]:
        """The recorded attempts of a job, oldest first."""
        ...

    def cancel(self, job_ids: Sequence[int]) -> dict[int, JobStatus]:
        """Cancels PENDING jobs and asks for RUNNING ones; the status each id then has."""
        ...

    def retry(self, job_ids: Sequence[int]) -> list[int]:
        """Makes FAILED, CANCELLED, COMPLETED, held and waiting jobs ready now, with at least one attempt
        left; the ids it changed. Skips those whose unique key another unfinished job has by now."""
        ...

    def holder_of(self, unique: str) -> int | None:
        """The id of the unfinished job with that unique key."""
        ...

    def delete(self, job_ids: Sequence[int]) -> list[int]:
        """Deletes jobs that are not RUNNING, with their history; the ids it deleted."""
        ...

    def queues(self, count_to: int | None = None) -> list[QueueState]:
        """All queues that have jobs or switches. With ``count_to``, no queue is counted much further than
        that: where one has more, its counts are ``is_least``."""
        ...

    def set_queue(self, queue: str, *, paused: bool | None = None, concurrency: int | None = -1) -> None:
        """Sets what is given; a concurrency of None lifts the limit, -1 leaves it."""
        ...

    def set_pin(self, queue: str, label: str | None) -> None:
        """Only dispatchers with that label take from the queue; None: anyone does."""
        ...

"""One job of the model: what it is, and when it may run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from windlass.job import TRANSITIONS, JobStatus
from windlass.store.protocol import Lane
from windlass.testing import ManualClock

PENDING, RUNNING = JobStatus.PENDING, JobStatus.RUNNING
COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED


@dataclass
class ModelJob:
    """What a job is, by the promises."""

    id: int
    key: str
    queue: str
    priority: int
    max_attempts: int
    idempotency_key: str | None
    unique: str | None = None
    constraints: str | None = None
    due_wall: int | None = None
    due_boot: int | None = None
    boot: str | None = None
    status: JobStatus = PENDING
    attempts: int = 0
    hold: str | None = None
    alone: bool = False
    crashes: int = 0
    owner: int | None = None
    token: int | None = None
    cancel_requested: bool = False
    finished_at: int | None = None
    reason: str | None = None
    last_error: str | None = None
    history: list[str] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        return self.status is PENDING and self.due_wall is None and self.hold is None

    def is_in_the_way_of(self, unique: str | None) -> bool:
        return unique is not None and self.unique == unique and self.status in (PENDING, RUNNING)

    @property
    def lane(self) -> Lane:
        return Lane(self.alone, self.queue, self.key, self.constraints)

    def is_due(self, clock: ManualClock) -> bool:
        return self.wait_us(clock) <= 0

    def wait_us(self, clock: ManualClock) -> int:
        assert self.due_wall is not None
        if self.boot == clock.boot_id():
            assert self.due_boot is not None
            return self.due_boot - clock.boot_us()
        return self.due_wall - clock.wall_us()

    def becomes(self, status: JobStatus, **changes: Any) -> None:
        assert status is self.status or status in TRANSITIONS[self.status], (self.status, status)
        self.status = status
        if status is not RUNNING:
            self.owner = self.token = None
        for name, value in changes.items():
            setattr(self, name, value)

"""Two pools as one: handlers that ask for a process of their own get isolates, the others run here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from windlass.context import StopReason
from windlass.store.protocol import Claim, Lane
from windlass.worker.pool import Inbox, Pool


class MixedPool:
    """Sends each job to the pool its key belongs to; everything else goes to both."""

    def __init__(self, here: Pool, isolates: Pool, *, is_isolated: Callable[[str], bool]) -> None:
        self._pools = (here, isolates)
        self._is_isolated = is_isolated

    def _pool_of(self, key: str) -> Pool:
        here, isolates = self._pools
        return isolates if self._is_isolated(key) else here

    def start(self, inbox: Inbox) -> None:
        for pool in self._pools:
            pool.start(inbox)

    def filenos(self) -> Sequence[int]:
        return [fileno for pool in self._pools for fileno in pool.filenos()]

    def cap(self, lane: Lane) -> int:
        return self._pool_of(lane.key).cap(lane)

    def place(self, claim: Claim) -> bool:
        return self._pool_of(claim.key).place(claim)

    def flush(self) -> None:
        for pool in self._pools:
            pool.flush()

    def unplace(self) -> None:
        for pool in self._pools:
            pool.unplace()

    def collect(self) -> None:
        for pool in self._pools:
            pool.collect()

    def tick(self, now: float) -> float | None:
        wishes = [wish for pool in self._pools if (wish := pool.tick(now)) is not None]
        return min(wishes, default=None)

    def held(self) -> list[int]:
        return [job_id for pool in self._pools for job_id in pool.held()]

    def cancel(self, job_id: int, reason: StopReason) -> None:
        for pool in self._pools:
            if job_id in pool.held():
                pool.cancel(job_id, reason)

    def recall(self) -> None:
        for pool in self._pools:
            pool.recall()

    def broadcast(self, name: str, data: Any, request_id: int | None) -> None:
        for pool in self._pools:
            pool.broadcast(name, data, request_id)

    def scale(self, count: int) -> None:
        here, _ = self._pools
        here.scale(count)

    def stop(self, *, interrupt: bool) -> None:
        for pool in self._pools:
            pool.stop(interrupt=interrupt)

    def kill(self) -> None:
        for pool in self._pools:
            pool.kill()

"""Watching jobs: driven by the doorbell, with a slow poll as the net below it."""

from __future__ import annotations

import select
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import msgspec

from windlass.clock import monotonic
from windlass.job import Job, JobStatus
from windlass.store.protocol import JobFilter, Store

_UNFINISHED = (JobStatus.PENDING, JobStatus.RUNNING)
_TRACKED_MOST = 10_000
_ENDED_LOOK_S = 2.0
_PAGE = 500


class Watch:
    """A stream of jobs as they change; iterate with ``for`` or ``async for``, and close it (or use ``with``).

    Changes that follow each other faster than they are read are told as one: the latest state always arrives.
    """

    def __init__(self, store: Store, where: JobFilter, *, poll_s: float, one: bool) -> None:
        self._store = store
        self._where = where
        self._poll_s = poll_s
        self._one = one
        self._bell = store.bell("watch")
        self._told: dict[int, Job] = {}
        self._queue: deque[Job] = deque()
        self._newest_id = 0
        self._first = True
        self._ended = False
        self._closed = False
        self._ended_look_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops listening. Closing twice is harmless."""
        self._ended = True
        if not self._closed:
            self._closed = True
            self._bell.close()

    def next(self, deadline: float | None = None) -> Job | None:
        """The next change; None once there will be none, or at the deadline (on ``clock.monotonic``)."""
        while not self._queue:
            if self._ended or (deadline is not None and monotonic() >= deadline):
                return None
            if not self._first:
                left_s = (
                    self._poll_s if deadline is None else max(min(self._poll_s, deadline - monotonic()), 0)
                )
                select.select([self._bell.fileno()], [], [], left_s)
            self._look()
        return self._queue.popleft()

    def __iter__(self) -> Iterator[Job]:
        with self:
            while (job := self.next()) is not None:
                yield job

    async def __aiter__(self) -> AsyncIterator[Job]:
        import asyncio

        loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        loop.add_reader(self._bell.fileno(), rung.set)
        try:
            while True:
                while self._queue:
                    yield self._queue.popleft()
                if self._ended:
                    return
                if not self._first:
                    await _wait(rung, self._poll_s)
                rung.clear()
                await asyncio.to_thread(self._look)
        finally:
            loop.remove_reader(self._bell.fileno())
            self.close()

    def _look(self) -> None:
        self._bell.drain()
        found = self._one_job() if self._one else self._many_jobs()
        self._first = False
        for job in sorted(found, key=lambda job: job.updated_at):
            if self._told.get(job.id) != job:
                self._told[job.id] = job
                if self._where.status is None or job.status in self._where.status:
                    self._queue.append(job)
        self._forget_some()

    def _one_job(self) -> list[Job]:
        found = self._store.select(self._where, limit=1)
        self._ended = not found or found[0].status.is_final
        return found

    def _many_jobs(self) -> list[Job]:
        # Without the status: a job must be known before it can be seen to reach one.
        anyhow = msgspec.structs.replace(self._where, status=None)
        if self._first:
            # What was over before anyone looked is not a change.
            newest = self._store.select(JobFilter(), order="-id", limit=1)
            self._newest_id = newest[0].id if newest else 0
            return self._pages(msgspec.structs.replace(anyhow, status=_UNFINISHED), 0)
        found: list[Job] = []
        # What has ended changes only when someone retries it: a slower look is enough for that.
        too = monotonic() >= self._ended_look_at
        if too:
            self._ended_look_at = monotonic() + _ENDED_LOOK_S
        known = [job_id for job_id, job in self._told.items() if too or not job.status.is_final]
        for start in range(0, len(known), _PAGE):
            found += self._store.select(JobFilter(ids=tuple(known[start : start + _PAGE])), limit=_PAGE)
        new = self._pages(anyhow, self._newest_id)
        self._newest_id = max([self._newest_id, *(job.id for job in new)])
        return found + new

    def _pages(self, where: JobFilter, after_id: int) -> list[Job]:
        found: list[Job] = []
        while True:
            page = self._store.select(
                msgspec.structs.replace(where, after_id=after_id), order="id", limit=_PAGE
            )
            found += page
            if len(page) < _PAGE:
                return found
            after_id = page[-1].id

    def _forget_some(self) -> None:
        if len(self._told) > _TRACKED_MOST:
            final = [job_id for job_id, job in self._told.items() if job.status.is_final]
            for job_id in final[: len(self._told) - _TRACKED_MOST]:
                del self._told[job_id]


async def _wait(event: Any, timeout_s: float) -> None:
    import asyncio
    from contextlib import suppress

    with suppress(TimeoutError):  # the poll is due
        await asyncio.wait_for(event.wait(), timeout_s)

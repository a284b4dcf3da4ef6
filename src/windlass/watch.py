"""Watching jobs: driven by the doorbell, with a slow poll as the net below it."""

from __future__ import annotations

import select
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import msgspec

from windlass.clock import monotonic, sleep
from windlass.job import Job, JobStatus
from windlass.store.protocol import JobFilter, Store

_UNFINISHED = (JobStatus.PENDING, JobStatus.RUNNING)
_TRACKED_MOST = 10_000
_ENDED_LOOK_S = 2.0
_PAGE = 500
_REST = 2.0
"""After a look at many jobs, so many times its length passes before the next."""


class Watch:
    """A stream of jobs as they change; iterate with ``for`` or ``async for``, and close it (or use ``with``).

    Changes that follow each other faster than they are read are told as one: the latest state always arrives.
    """

    def __init__(self, store: Store, where: JobFilter, *, poll_s: float, one: bool) -> None:
        self._store = store
        self._where = where
        # Without the status: a job must be known before it can be seen to reach one.
        self._anyhow = msgspec.structs.replace(where, status=None)
        self._poll_s = poll_s
        self._one = one
        self._told: dict[int, Job] = {}
        self._queue: deque[Job] = deque()
        self._first = True
        self._ended = False
        self._closed = False
        self._look_again_at = 0.0
        self._ended_look_at = 0.0
        self._newest_id = 0
        self._bell = store.bell("watch")
        if not one:
            # Now rather than at the first ``next``: what ends in between is a change, too.
            try:
                self._look()
            except BaseException:
                self.close()
                raise

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
            if self._ended or (not self._first and deadline is not None and monotonic() >= deadline):
                return None
            if not self._first:
                wake_at = monotonic() + self._poll_s
                wait_readable(self._bell.fileno(), wake_at if deadline is None else min(wake_at, deadline))
                rest_s = self._look_again_at - monotonic()
                if rest_s > 0:
                    sleep(rest_s)
                if self._ended:
                    return None
            self._bell.drain()
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
                    await asyncio.sleep(max(self._look_again_at - monotonic(), 0.0))
                rung.clear()
                # Here rather than in the thread, which may outlive this loop and the bell.
                self._bell.drain()
                await asyncio.to_thread(self._look)
        finally:
            loop.remove_reader(self._bell.fileno())
            self.close()

    def _look(self) -> None:
        begun = monotonic()
        found = self._one_job() if self._one else self._many_jobs()
        self._first = False
        for job in sorted(found, key=lambda job: job.updated_at):
            if self._told.get(job.id) != job:
                self._told[job.id] = job
                if self._where.status is None or job.status in self._where.status:
                    self._queue.append(job)
        self._forget_some()
        if not self._one:
            now = monotonic()
            self._look_again_at = now + _REST * (now - begun)

    def _one_job(self) -> list[Job]:
        found = self._store.select(self._anyhow, limit=1)
        self._ended = not found or found[0].status.is_final
        return found

    def _many_jobs(self) -> list[Job]:
        if self._first:
            # What was over before the watch began is no change.
            newest = self._store.select(JobFilter(), order="-id", limit=1)
            self._newest_id = newest[0].id if newest else 0
            unfinished = msgspec.structs.replace(self._anyhow, status=_UNFINISHED)
            return self._store.select(unfinished, order="-id", limit=_TRACKED_MOST)
        known = self._known_jobs()
        new = self._pages(self._anyhow, self._newest_id)
        self._newest_id = max([self._newest_id, *(job.id for job in new)])
        return known + new

    def _known_jobs(self) -> list[Job]:
        # What has ended changes only when someone retries it: a slower look is enough for that.
        too = monotonic() >= self._ended_look_at
        if too:
            self._ended_look_at = monotonic() + _ENDED_LOOK_S
        known = [job_id for job_id, job in self._told.items() if too or not job.status.is_final]
        found: list[Job] = []
        for start in range(0, len(known), _PAGE):
            page = known[start : start + _PAGE]
            there = self._store.select(JobFilter(ids=tuple(page)), limit=_PAGE)
            found += there
            for gone in set(page) - {job.id for job in there}:
                del self._told[gone]
        return found

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
        surplus = len(self._told) - _TRACKED_MOST
        if surplus > 0:
            # Those that have ended first, then the oldest.
            by_age = sorted(self._told.values(), key=lambda job: (not job.status.is_final, job.id))
            for job in by_age[:surplus]:
                del self._told[job.id]


def wait_readable(fileno: int, until: float) -> None:
    """Waits for a bell to ring, at most until then (on ``clock.monotonic``)."""
    left_s = max(until - monotonic(), 0.0)
    if hasattr(select, "poll"):
        # select() refuses descriptors above 1023.
        poller = select.poll()
        poller.register(fileno, select.POLLIN)
        poller.poll(left_s * 1000)
    else:
        select.select([fileno], [], [], left_s)


async def _wait(event: Any, timeout_s: float) -> None:
    import asyncio
    from contextlib import suppress

    with suppress(TimeoutError):  # the poll is due
        await asyncio.wait_for(event.wait(), timeout_s)

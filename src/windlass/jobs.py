"""The job manager: look at jobs, watch them, cancel, retry, delete, and ask why one is not running."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from windlass import platform
from windlass.bridge import asynchronous
from windlass.clock import Clock, SystemClock, monotonic
from windlass.duration import Duration, to_seconds
from windlass.errors import InvalidJob
from windlass.fields import checked_name
from windlass.job import Attempt, Job, JobStatus, Why
from windlass.store import open_store
from windlass.store.protocol import DispatcherRow, JobFilter, QueueState, Store
from windlass.watch import Watch

StatusLike = JobStatus | str
Ids = int | Iterable[int]


class JobManager:
    """What there is to know and do about jobs.

    Takes a store, a function that gives one, or a ``sqlite3.Connection`` of the program's own: then it reads and
    writes through that connection, inside its transaction where one is open.
    """

    def __init__(self, source: Any, *, clock: Clock | None = None, poll_s: float = 0.5) -> None:
        self._source = source
        self._clock = clock or SystemClock()
        self._poll_s = poll_s

    @property
    def _store(self) -> Store:
        source = self._source
        if callable(source):
            return source()
        if not hasattr(source, "settle_and_claim"):
            self._source = source = open_store(source, self._clock)
        return source

    def get(self, job_id: int) -> Job | None:
        """The job, or None where there is none with that id."""
        return self._store.get(job_id)

    def list(
        self,
        *,
        status: StatusLike | Iterable[StatusLike] | None = None,
        key: str | None = None,
        queue: str | None = None,
        tag: str | None = None,
        held: bool | None = None,
        order: str = "-id",
        limit: int = 50,
        offset: int = 0,
    ) -> list[Job]:
        """Jobs that match all that is given, newest first unless ``order`` says otherwise.

        ``order`` is ``id``, ``created_at``, ``updated_at``, ``priority`` or ``finished_at``; a leading ``-`` turns it.
        """
        where = job_filter(status=status, key=key, queue=queue, tag=tag, held=held)
        return self._store.select(where, order=order, limit=limit, offset=offset)

    def counts(self) -> dict[JobStatus, int]:
        """How many jobs stand in each status."""
        return self._store.counts()

    def attempts(self, job_id: int) -> list[Attempt]:
        """What went wrong so far, oldest first. A first attempt that succeeds leaves no entry."""
        return self._store.attempts(job_id)

    def cancel(self, job_ids: Ids) -> dict[int, JobStatus]:
        """Cancels what is PENDING at once and asks what is RUNNING to stop; the status each then has.

        A running async handler is cancelled, a sync one is told through its context and its process is killed when
        it does not listen.
        """
        return self._store.cancel(_ids(job_ids))

    def retry(self, job_ids: Ids) -> list[int]:
        """Makes ended, held and waiting jobs ready now, with at least one attempt left; the ids it changed."""
        return self._store.retry(_ids(job_ids))

    def delete(self, job_ids: Ids) -> list[int]:
        """Deletes jobs that are not RUNNING, and their history; the ids it deleted."""
        return self._store.delete(_ids(job_ids))

    def watch(
        self,
        job_id: int | None = None,
        *,
        status: StatusLike | Iterable[StatusLike] | None = None,
        key: str | None = None,
        queue: str | None = None,
        tag: str | None = None,
    ) -> Watch:
        """Every change, as it happens: iterate with ``for`` or ``async for``.

        Of one job: how it stands now, then each change, and the end once it is final. Of many: each unfinished job
        that matches, then each change and each new one, without end.
        """
        ids = None if job_id is None else (job_id,)
        where = job_filter(status=status, key=key, queue=queue, tag=tag, ids=ids)
        return Watch(self._store, where, poll_s=self._poll_s, one=job_id is not None)

    def wait(self, job_id: int, timeout: Duration | None = None) -> Job:
        """Waits until the job is final and returns it; at most ``timeout``, such as ``"10s"`` or seconds.

        Raises:
            InvalidJob: there is no such job.
            TimeoutError: it is not final yet.
        """
        deadline = None if timeout is None else monotonic() + to_seconds(timeout, name="timeout")
        last: Job | None = None
        with self.watch(job_id) as changes:
            while (last := changes.next(deadline)) is not None:
                if last.status.is_final:
                    return last
        if deadline is not None and monotonic() >= deadline:
            raise TimeoutError(f"job {job_id} is not final after {timeout}: {self.why(job_id).reason}")
        raise InvalidJob(f"there is no job {job_id}")

    def why(self, job_id: int) -> Why:
        """Why the job is not running, in a sentence, and until when where that is known.

        Raises:
            InvalidJob: there is no such job.
        """
        job = self._store.get(job_id)
        if job is None:
            raise InvalidJob(f"there is no job {job_id}")
        code, reason = self._explain(job)
        return Why(job_id=job_id, status=job.status, code=code, reason=reason, until=job.run_at)

    aget = asynchronous(get)
    alist = asynchronous(list)
    acounts = asynchronous(counts)
    aattempts = asynchronous(attempts)
    acancel = asynchronous(cancel)
    aretry = asynchronous(retry)
    adelete = asynchronous(delete)
    await_ = asynchronous(wait)
    awhy = asynchronous(why)

    def _explain(self, job: Job) -> tuple[str, str]:
        if job.status.is_final:
            told = (
                f": {job.last_error.splitlines()[0]}"
                if job.last_error and job.status is JobStatus.FAILED
                else ""
            )
            return "final", f"it is {job.status} ({job.reason or 'done'}){told}"
        if job.status is JobStatus.RUNNING:
            asked = ", and was asked to stop" if job.cancel_requested else ""
            return "running", f"it is running, attempt {job.attempts} of {job.max_attempts}{asked}"
        if job.hold is not None:
            return "held", f"it is held: {job.hold}; mend it, then retry it"
        if job.run_at is not None:
            if job.attempts:
                return "retrying", (
                    f"attempt {job.attempts} of {job.max_attempts} failed ({(job.last_error or 'no error kept').splitlines()[0]}); "
                    f"the next one is due {job.run_at:%Y-%m-%d %H:%M:%S} UTC"
                )
            return "scheduled", f"it is due {job.run_at:%Y-%m-%d %H:%M:%S} UTC"
        return self._explain_ready(job)

    def _explain_ready(self, job: Job) -> tuple[str, str]:
        switch = self._store.switches().get(job.queue)
        if switch is not None and switch.paused:
            return "paused", f"its queue {job.queue!r} is paused: windlass queues resume {job.queue}"
        live = live_dispatchers(self._store)
        if not live:
            return "no_service", "no service is running on this database: windlass start"
        if not any(row.job_keys is None or job.key in row.job_keys for row in live):
            return (
                "unknown_key",
                f"no running service knows the job key {job.key!r}: deploy its handler and restart the service",
            )
        if switch is not None and switch.concurrency is not None:
            running = self._store.running_by_queue().get(job.queue, 0)
            if running >= switch.concurrency:
                return "limit", f"its queue {job.queue!r} runs {running} of {switch.concurrency} jobs at once"
        return "ready", "it is ready and starts as soon as a worker is free"


class QueueManager:
    """Pause, resume and limit queues while everything runs."""

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store

    def list(self) -> list[QueueState]:
        """All queues that hold jobs or have switches."""
        return self._store().queues()

    def pause(self, queue: str) -> None:
        """Starts no more jobs of this queue; what runs goes on."""
        self._store().set_queue(checked_name("queue", queue), paused=True)

    def resume(self, queue: str) -> None:
        """Starts its jobs again."""
        self._store().set_queue(checked_name("queue", queue), paused=False)

    def limit(self, queue: str, concurrency: int | None) -> None:
        """At most so many jobs of this queue run at once, over all services; None lifts the limit."""
        if concurrency is not None and (isinstance(concurrency, bool) or concurrency < 1):
            raise InvalidJob(f"expected concurrency to be a positive integer or None, got {concurrency!r}")
        self._store().set_queue(checked_name("queue", queue), concurrency=concurrency)


def live_dispatchers(store: Store) -> list[DispatcherRow]:
    """The registered dispatchers whose lock somebody holds."""
    return [row for row in store.dispatchers() if platform.is_locked(row.lock_file)]


def job_filter(
    *,
    status: StatusLike | Iterable[StatusLike] | None = None,
    key: str | None = None,
    queue: str | None = None,
    tag: str | None = None,
    held: bool | None = None,
    ids: tuple[int, ...] | None = None,
) -> JobFilter:
    """A filter from what people write.

    Raises:
        InvalidJob: a status that does not exist.
    """
    statuses: tuple[JobStatus, ...] | None = None
    if status is not None:
        given = [status] if isinstance(status, str) else status
        try:
            statuses = tuple(JobStatus(one.upper()) for one in given)
        except ValueError:
            raise InvalidJob(f"expected status to be one of {', '.join(JobStatus)}, got {status!r}") from None
    return JobFilter(status=statuses, key=key, queue=queue, tag=tag, held=held, ids=ids)


def _ids(job_ids: Ids) -> Sequence[int]:
    return [job_ids] if isinstance(job_ids, int) else [*job_ids]

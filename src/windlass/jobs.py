"""The job manager: look at jobs, watch them, cancel, retry, delete, and ask why one is not running."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from windlass.blocking import asked_for, explain_conditions
from windlass.bridge import asynchronous
from windlass.browsing import Browsing, StatusLike, job_filter, stays_here
from windlass.clock import Clock, SystemClock, monotonic
from windlass.duration import Duration, to_seconds
from windlass.errors import InvalidJob
from windlass.fields import checked_count, checked_job_id, checked_name
from windlass.flow import explain_waiting
from windlass.job import Attempt, Job, JobStatus, LogLine, Why
from windlass.limits import RateLike, explain_limit, set_limit
from windlass.living import live_dispatchers
from windlass.store import open_store
from windlass.store.flows import Relative
from windlass.store.hosts import HOST_LABEL
from windlass.store.protocol import JobFilter, QueueState, Store
from windlass.watch import Watch

Ids = int | Iterable[int]
_STEP = 500


class JobManager(Browsing):
    """What there is to know and do about jobs.

    Takes a store, a function that gives one, a database file, or a ``sqlite3.Connection`` of the program's
    own: then it reads and writes through that connection, on its thread, inside its transaction where one is
    open.
    """

    def __init__(self, source: Any, *, clock: Clock | None = None, poll_s: float = 0.5) -> None:
        self._give = _giver(source, clock or SystemClock())
        self._poll_s = poll_s

    @property
    def _store(self) -> Store:
        return self._give()

    def get(self, job_id: int) -> Job | None:
        """The job, or None where there is none with that id."""
        return self._store.get(checked_job_id(job_id))

    def list(
        self,
        *,
        status: StatusLike | Iterable[StatusLike] | None = None,
        key: str | None = None,
        queue: str | None = None,
        tag: str | None = None,
        unique: str | None = None,
        held: bool | None = None,
        order: str = "-id",
        limit: int = 50,
        offset: int = 0,
    ) -> list[Job]:
        """Jobs that match all that is given, newest first unless ``order`` says otherwise.

        ``order`` is ``id``, ``created_at``, ``updated_at``, ``priority`` or ``finished_at``; a leading ``-``
        turns it.
        """
        where = job_filter(status=status, key=key, queue=queue, tag=tag, unique=unique, held=held)
        checked_count("limit", limit, least=0)
        checked_count("offset", offset, least=0)
        return self._store.select(where, order=order, limit=limit, offset=offset)

    def counts(self) -> dict[JobStatus, int]:
        """How many jobs stand in each status."""
        return self._store.counts()

    def attempts(self, job_id: int) -> list[Attempt]:
        """What went wrong so far, oldest first. A first attempt that succeeds leaves no entry."""
        return self._store.attempts(checked_job_id(job_id))

    def logs(self, job_id: int, *, attempt: int | None = None) -> list[LogLine]:
        """What its handler logged, oldest first: the newest 200 lines of each attempt, or of that one.

        While it runs, what is older than about a second is there.
        """
        return self._store.logs(checked_job_id(job_id), attempt)

    def parents(self, job_id: int, *, limit: int = 1000) -> list[Relative]:
        """The jobs that it was enqueued to wait for, in their order, as they stand."""
        return self._store.parents(checked_job_id(job_id), limit=checked_count("limit", limit))

    def children(self, job_id: int, *, limit: int = 1000) -> list[Relative]:
        """The jobs that were enqueued to wait for it, oldest first, as they stand."""
        return self._store.children(checked_job_id(job_id), limit=checked_count("limit", limit))

    def cancel(
        self,
        job_ids: Ids | None = None,
        *,
        status: StatusLike | Iterable[StatusLike] | None = None,
        key: str | None = None,
        queue: str | None = None,
        tag: str | None = None,
        unique: str | None = None,
        held: bool | None = None,
    ) -> dict[int, JobStatus]:
        """Cancels what is PENDING at once and asks what is RUNNING to stop; the status each then has.

        Takes one id, several, or what ``list`` takes: then it is for all unfinished jobs that match, as far
        as they were enqueued before the call. ``unique`` means those in line for that key, too. Many are
        cancelled in steps of 500, each a transaction of its own.

        A running async handler is cancelled; a sync one is told through its context, and its process is
        killed when it does not listen.

        Raises:
            InvalidJob: neither ids nor anything to match, or both.
        """
        where = job_filter(status=status, key=key, queue=queue, tag=tag, unique=unique, held=held)
        if (job_ids is None) == (where == JobFilter()):
            raise InvalidJob(
                "expected either ids or what to match, such as tag=…, and not both: cancel_all() cancels all"
            )
        return self._cancel_matching(where) if job_ids is None else self._store.cancel(_ids(job_ids))

    def cancel_all(self) -> dict[int, JobStatus]:
        """Does the same to every unfinished job that was enqueued before the call."""
        return self._cancel_matching(JobFilter())

    def _cancel_matching(self, where: JobFilter) -> dict[int, JobStatus]:
        found: dict[int, JobStatus] = {}
        newest = self._store.select(JobFilter(), order="-id", limit=1)
        unfinished = tuple(one for one in where.status or JobStatus if not one.is_final)
        where = msgspec.structs.replace(where, status=unfinished, after_id=0)
        more = bool(newest and unfinished)
        while more:
            page = [job.id for job in self._store.select(where, order="id", limit=_STEP)]
            found |= self._store.cancel([job_id for job_id in page if job_id <= newest[0].id])
            more = len(page) == _STEP and page[-1] < newest[0].id
            where = msgspec.structs.replace(where, after_id=page[-1] if page else 0)
        return found

    def retry(self, job_ids: Ids) -> list[int]:
        """Makes ended, held and waiting jobs ready now, an attempt left to each; the ids it changed.

        An ended job whose unique key another one has by now is left as it is, and ``why`` says so.
        """
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
        unique: str | None = None,
    ) -> Watch:
        """Every change, as it happens: iterate with ``for`` or ``async for``.

        Of one job: how it stands now, then each change, and the end once it is final. Of many: each
        unfinished job that matches (the newest 10,000 of them), then each change and each new one, without
        end.
        """
        ids = None if job_id is None else (checked_job_id(job_id),)
        where = job_filter(status=status, key=key, queue=queue, tag=tag, unique=unique, ids=ids)
        return Watch(self._store.apart(), where, poll_s=self._poll_s, one=job_id is not None)

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
            reason = JobManager(self._store.apart()).why(job_id).reason
            raise TimeoutError(f"job {job_id} is not final after {timeout}: {reason}")
        raise InvalidJob(f"there is no job {job_id}")

    def why(self, job_id: int) -> Why:
        """Why the job is not running, in a sentence, and until when where that is known.

        Raises:
            InvalidJob: there is no such job.
        """
        job = self.get(job_id)
        if job is None:
            raise InvalidJob(f"there is no job {job_id}")
        code, reason = self._explain(job)
        if job.deadline is not None and not job.status.is_final:
            reason += f"; its deadline is {job.deadline:%Y-%m-%d %H:%M:%S} UTC"
        until = job.run_at if code in ("scheduled", "retrying") else None
        return Why(job_id=job_id, status=job.status, code=code, reason=reason, until=until)

    aget = asynchronous(get, here=stays_here)
    alist = asynchronous(list, here=stays_here)
    acounts = asynchronous(counts, here=stays_here)
    aattempts = asynchronous(attempts, here=stays_here)
    alogs = asynchronous(logs, here=stays_here)
    aparents = asynchronous(parents, here=stays_here)
    achildren = asynchronous(children, here=stays_here)
    acancel = asynchronous(cancel, here=stays_here)
    acancel_all = asynchronous(cancel_all, here=stays_here)
    aretry = asynchronous(retry, here=stays_here)
    adelete = asynchronous(delete, here=stays_here)
    await_ = asynchronous(wait)
    awhy = asynchronous(why, here=stays_here)

    def _explain(self, job: Job) -> tuple[str, str]:
        if job.status.is_final:
            told = f": {_first_line(job.last_error)}" if job.status is JobStatus.FAILED else ""
            return "final", f"it is {job.status} ({job.reason or 'done'}){told}{self._in_its_place(job)}"
        if job.status is JobStatus.RUNNING:
            asked = ", and was asked to stop" if job.cancel_requested else ""
            return "running", f"it is running, attempt {job.attempts} of {job.max_attempts}{asked}"
        if job.in_line:
            return self._explain_in_line(job)
        if job.hold is not None and job.waits_for:
            return explain_waiting(self._store, job)
        if job.hold is not None:
            return "held", f"it is held: {job.hold}; mend it, then retry it"
        if job.run_at is not None:
            if job.attempts:
                return "retrying", (
                    f"attempt {job.attempts} of {job.max_attempts} failed ({_first_line(job.last_error)}); "
                    f"the next one is due {job.run_at:%Y-%m-%d %H:%M:%S} UTC"
                )
            return "scheduled", f"it is due {job.run_at:%Y-%m-%d %H:%M:%S} UTC"
        return self._explain_ready(job)

    def _explain_in_line(self, job: Job) -> tuple[str, str]:
        other = None if job.unique is None else self._store.holder_of(job.unique)
        if other is None:
            return "held", f"it is held: {job.hold}"
        return "in_line", f"{job.hold}: job {other} has its unique key {job.unique!r} now"

    def _in_its_place(self, job: Job) -> str:
        other = None if job.unique is None else self._store.holder_of(job.unique)
        if other is None:
            return ""
        return (
            f"; it cannot be retried before job {other}, which has its unique key {job.unique!r} now, is over"
        )

    def _explain_ready(self, job: Job) -> tuple[str, str]:
        switch = self._store.switches().get(job.queue)
        if switch is not None and switch.paused:
            return "paused", f"its queue {job.queue!r} is paused: windlass queues resume {job.queue}"
        live = live_dispatchers(self._store)
        if not live:
            return "no_service", f"no service is running on this database: windlass start{asked_for(job)}"
        if switch is not None and switch.pin is not None:
            live = [row for row in live if switch.pin in row.labels]
            if not live:
                return "pinned", (
                    f"its queue {job.queue!r} is pinned to {pin_of(switch.pin)}, and no running service is "
                    f"there: windlass run --label …, or windlass queues unpin {job.queue}"
                )
        # Those with a fallback take what nobody else has a handler for.
        live = [row for row in live if job.key in row.own_keys] or [
            row for row in live if row.job_keys is None
        ]
        if not live:
            return "unknown_key", (
                f"no running service knows the job key {job.key!r}: deploy its handler, restart the service"
            )
        shut = {one.host for one in self._store.hosts()}
        if all(row.host in shut for row in live):
            names = ", ".join(sorted({row.host for row in live}))
            return "paused", f"the hosts that could run it are paused or drain: {names}"
        if (conditions := explain_conditions(self._store, job, live)) is not None:
            return "constraint", conditions
        ready = "ready", "it is ready and starts as soon as a worker is free"
        return explain_limit(self._store, job) or ready


class QueueManager:
    """Pause, resume and limit queues while everything runs. Takes what ``JobManager`` takes."""

    def __init__(self, source: Any, *, clock: Clock | None = None) -> None:
        self._give = _giver(source, clock or SystemClock())

    def list(self, *, count_to: int | None = None) -> list[QueueState]:
        """All queues that hold jobs, or are paused or limited.

        With ``count_to``, no queue is counted much further than that, and ``is_least`` says where there may
        be more: to count a million takes a while.
        """
        store = self._give()
        rates = {one.name: str(one.rate) for one in store.limits() if one.kind == "queue" and one.rate}
        found = {state.queue: state for state in store.queues(count_to)}
        for name, rate in rates.items():
            found[name] = msgspec.structs.replace(found.get(name, QueueState(queue=name)), rate=rate)
        return [found[name] for name in sorted(found)]

    def pause(self, queue: str) -> None:
        """Starts no more jobs of this queue; what runs goes on."""
        self._give().set_queue(checked_name("queue", queue), paused=True)

    def resume(self, queue: str) -> None:
        """Starts its jobs again."""
        self._give().set_queue(checked_name("queue", queue), paused=False)

    def pin(self, queue: str, *, label: str | None = None, host: str | None = None) -> None:
        """Has only dispatchers with that label take from this queue, or only those of that host.

        ``label`` is one of the setting ``labels``: ``windlass run --label gpu``.

        Raises:
            InvalidJob: neither or both are given.
        """
        if (label is None) == (host is None):
            raise InvalidJob("expected either a label or a host to pin the queue to")
        wanted = f"{HOST_LABEL}{checked_name('host', host)}" if host else checked_name("label", label or "")
        self._give().set_pin(checked_name("queue", queue), wanted)

    def unpin(self, queue: str) -> None:
        """Has any dispatcher take from it again."""
        self._give().set_pin(checked_name("queue", queue), None)

    def limit(
        self,
        queue: str,
        concurrency: int | UnsetType | None = UNSET,
        *,
        rate: RateLike | UnsetType | None = UNSET,
    ) -> None:
        """At most so many jobs of this queue run at once, and start in any span, over all services.

        ``rate`` is ``"50/s"``, ``"600/m"`` or ``(50, "1s")``: so many in any span of that length. None lifts
        the one, and what is not given stays.

        Raises:
            InvalidJob: a limit cannot be right.
        """
        set_limit(self._give(), "queue", checked_name("queue", queue), concurrency, rate)


def pin_of(pin: str) -> str:
    """What a queue is pinned to, for people: ``the label 'gpu'``, ``the host 'alpha'``."""
    host = pin.removeprefix(HOST_LABEL)
    return f"the label {pin!r}" if host == pin else f"the host {host!r}"


def _giver(source: Any, clock: Clock) -> Callable[[], Store]:
    if hasattr(source, "settle_and_claim"):
        return lambda: source
    # Asked first, since a connection of sqlite3 can be called, too.
    if callable(source) and not hasattr(source, "execute"):
        return cast("Callable[[], Store]", source)
    store = open_store(cast("Any", source), clock)
    return lambda: store


def _ids(job_ids: Ids) -> Sequence[int]:
    given = [job_ids] if isinstance(job_ids, (int, str)) else job_ids
    return [checked_job_id(job_id) for job_id in given]


def _first_line(error: str | None) -> str:
    return (error or "").partition("\n")[0] or "no error kept"

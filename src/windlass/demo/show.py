"""The show: enqueue, start the service, kill it twice while it works, stop it, count, and tell all of it."""

from __future__ import annotations

import select
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from windlass.clock import monotonic
from windlass.demo.sources import Sources
from windlass.demo.stage import Mood, Snapshot, Stage
from windlass.demo.strikes import Kill, Strike
from windlass.demo.verdict import Verdict, judge
from windlass.demo.victims import children, still_runs
from windlass.job import Job, JobStatus

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.client import JobFunction

_BATCH = 500
_LOOK_S = 0.1
_GATHER_S = 0.04
_RECENT = 30
_RATE_OVER_S = 1.0
_STALLED_S = 90.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What ``windlass demo --json`` prints."""

    source: str
    database: str
    seconds: float
    enqueue_per_second: float
    jobs_per_second: float
    kills: list[Kill]
    left_running: list[int]
    """Processes of the service that are still there: none, if all went well."""
    verdict: Verdict


class Show:
    """One run of the demo, seen on a stage."""

    def __init__(
        self, app: Windlass, job: JobFunction[..., None], sources: Sources, stage: Stage, *, kills: bool
    ) -> None:
        self._app = app
        self._job = job
        self._sources = sources
        self._stage = stage
        self._total = len(sources.paths)
        self._strikes = [Strike("isolate", 0.3), Strike("dispatcher", 0.6)] if kills else []
        self._kills: list[Kill] = []
        self._seen_pids: set[int] = set()
        self._told: set[tuple[int, int, JobStatus]] = set()
        self._pace: list[tuple[float, int]] = []

    def run(self) -> Report:
        """The whole of it; whatever happens, the service is stopped."""
        begun = monotonic()
        enqueue_rate = self._enqueue()
        with self._service():
            work_begun = monotonic()
            self._work()
            work_s = monotonic() - work_begun
        self._stage.chapter("Count", "Nothing told so far is believed: what stands in the database counts.")
        return Report(
            source=self._sources.title,
            database=self._app.place.shown,
            seconds=round(monotonic() - begun, 2),
            enqueue_per_second=round(enqueue_rate),
            jobs_per_second=round(self._total / work_s, 1),
            kills=self._kills,
            left_running=still_runs(self._seen_pids),
            verdict=judge(self._app, self._sources.paths, self._job.key),
        )

    # ── the acts ───────────────────────────────────────────────────────────────────────────────
    def _enqueue(self) -> float:
        self._stage.chapter(
            "Enqueue",
            f"One job for each of the {self._total:,} files of {self._sources.title}. A job is a row in an "
            "SQLite file: once the call returns, it survives a power cut. Nobody works on it yet.",
        )
        root, paths = str(self._sources.root), self._sources.paths
        begun = monotonic()
        for start in range(0, self._total, _BATCH):
            self._job.enqueue_many({"root": root, "path": path} for path in paths[start : start + _BATCH])
        rate = self._total / (monotonic() - begun)
        self._stage.tell(f"{self._total:,} jobs are on the disk, written at {rate:,.0f} a second", "good")
        return rate

    @contextmanager
    def _service(self) -> Generator[None]:
        self._stage.chapter(
            "Start the service",
            "A supervisor keeps a dispatcher alive; the dispatcher hands jobs to isolates, processes that "
            "run the code. This terminal only looks on from now: were it closed, they would go on.",
        )
        self._app.service.start()
        try:
            yield
        finally:
            self._stage.close()
            self._stage.chapter(
                "Stop the service",
                "What still runs gets 30 seconds to end; what has not started would stay queued.",
            )
            if self._app.service.stop():
                self._stage.tell("it has ended, and all its processes with it", "good")
            else:
                self._stage.tell("it had ended by itself: that should not be", "bad")

    def _work(self) -> None:
        first = self._look()
        isolates = ", ".join(map(str, first.isolates)) or "are starting"
        self._stage.tell(
            f"supervisor {first.supervisor} → dispatcher {first.dispatcher} → isolates {isolates}", "good"
        )
        self._stage.chapter(
            "Work",
            "Each file is read, parsed and counted; what was found and the job's completion are one commit. "
            "What is no valid Python fails at once; what cannot be decoded is tried three times.",
        )
        bell = self._app.store.bell("watch")
        try:
            moved_at, moved = monotonic(), -1
            while not self._is_over():
                snapshot = self._look()
                self._stage.draw(snapshot)
                self._tell_failures()
                self._consider_strikes(snapshot)
                if snapshot.done != moved:
                    moved, moved_at = snapshot.done, monotonic()
                elif monotonic() - moved_at > _STALLED_S:
                    self._stage.tell(f"nothing has ended for {_STALLED_S:g} s: giving up", "bad")
                    break
                self._wait(bell.fileno())
                bell.drain()
        finally:
            bell.close()
        self._tell_failures()

    def _wait(self, bell_fd: int) -> None:
        if any(strike.under_way for strike in self._strikes):
            # Processes ring no bell when they start, and the gap is what we want to see.
            select.select([], [], [], 0.002)
            return
        select.select([bell_fd], [], [], _LOOK_S)
        select.select([], [], [], _GATHER_S)

    def _is_over(self) -> bool:
        counts = self._app.jobs.counts()
        unfinished = counts[JobStatus.PENDING] + counts[JobStatus.RUNNING]
        return not unfinished and not any(strike.under_way for strike in self._strikes)

    # ── looking and telling ────────────────────────────────────────────────────────────────────
    def _look(self) -> Snapshot:
        counts = self._app.jobs.counts()
        running = self._app.jobs.list(status=JobStatus.RUNNING, order="id", limit=8)
        to_retry = [job for job in self._recent(JobStatus.PENDING) if job.last_error]
        status = self._app.service.status()
        supervisor = (status.pid or 0) if status else 0
        dispatcher = (status.dispatcher or 0) if status else 0
        isolates = tuple(children(dispatcher)) if dispatcher else ()
        self._seen_pids |= {pid for pid in (supervisor, dispatcher, *isolates) if pid}
        return Snapshot(
            total=self._total,
            counts=counts,
            to_retry=len(to_retry),
            running=tuple(_path(job) for job in running),
            supervisor=supervisor,
            dispatcher=dispatcher,
            isolates=isolates,
            rate=self._rate(sum(count for status, count in counts.items() if status.is_final)),
        )

    def _rate(self, done: int) -> float:
        now = monotonic()
        self._pace.append((now, done))
        while len(self._pace) > 2 and self._pace[0][0] < now - _RATE_OVER_S:
            self._pace.pop(0)
        (begun, before), (ended, after) = self._pace[0], self._pace[-1]
        return (after - before) / (ended - begun) if ended > begun else 0.0

    def _recent(self, status: JobStatus) -> list[Job]:
        return self._app.jobs.list(status=status, order="-updated_at", limit=_RECENT)

    def _tell_failures(self) -> None:
        for job in [*self._recent(JobStatus.PENDING), *self._recent(JobStatus.FAILED)]:
            fact = (job.id, job.attempts, job.status)
            if job.last_error is None or fact in self._told:
                continue
            self._told.add(fact)
            self._stage.tell(*_news(job))

    def _consider_strikes(self, snapshot: Snapshot) -> None:
        if not self._strikes:
            return
        kill = self._strikes[0].consider(snapshot, self._stage)
        if kill is not None:
            self._kills.append(kill)
            self._strikes.pop(0)


def _news(job: Job) -> tuple[str, Mood]:
    said = (job.last_error or "").splitlines()[0]
    about = f"{_path(job)}: {said}"
    if job.status is JobStatus.PENDING:
        return (
            f"{about} → attempt {job.attempts} of {job.max_attempts} failed, it will be tried again",
            "retry",
        )
    if job.reason == "exhausted":
        return f"{about} → FAILED: all {job.max_attempts} attempts are spent", "bad"
    return f"{about} → FAILED at once: no retry can help", "bad"


def _path(job: Job) -> str:
    return str((job.payload or {}).get("path"))

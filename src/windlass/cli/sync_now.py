"""``windlass sync now``: asks the service and follows its jobs, or pushes and pulls in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from windlass.clock import SystemClock, from_us, monotonic, sleep
from windlass.errors import ResourceBusy, SyncError
from windlass.job import JobStatus
from windlass.sync.starting import why_not_started
from windlass.sync.tasks import PUSH, QUEUE
from windlass.sync.tasks import figures as figures_of
from windlass.sync.telling import Postponed
from windlass.sync.ways import Direction
from windlass.terminal.words import first_line

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.job import Job

_BUSY = timedelta(seconds=0.5)
"""Who comes back after so short a pause found another at it, or lets edits gather first."""
_PATIENCE_S = 10.0
_NAP_S = 0.1
_LOOK_S = 1.0
"""How often to see whether the service still lives, and whether it may start what waits."""
_SETTLED_S = 3.0
"""What keeps a job from starting for so long is no mere moment, as of a service that has just come up."""
_PATIENCE_OF = {"limit": _PATIENCE_S, "rate": _PATIENCE_S}
"""Others make room by and by."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one push or pull."""

    resource: str
    direction: Direction
    outcome: Literal["completed", "postponed", "failed", "cancelled", "unknown"]
    reason: str | None = None
    """Why it did not complete."""
    until: datetime | None = None
    """When it is tried again by itself, where it is."""
    figures: Mapping[str, Any] = {}
    """What it did."""


class Bars:
    """How far each push and pull is, as a bar on a terminal."""

    def __init__(self, console: Console, first: Sequence[str]) -> None:
        self._first = frozenset(first)
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    @contextmanager
    def shown(self) -> Generator[None]:
        """Draws them while the block lasts."""
        with self._progress:
            yield

    def begin(self, resource: str, direction: Direction) -> None:
        """One that is asked for and has not said anything yet."""
        what = "first snapshot" if direction == "pull" and resource in self._first else direction
        self._tasks[resource, direction] = self._progress.add_task(f"{resource}: {what}", total=None, told="")

    def tell(self, resource: str, direction: Direction, done: float, total: float | None) -> None:
        """How far it is: "12,000 of 200,000 rows"."""
        noun = "rows" if direction == "pull" else "changes"
        told = f"{done:,.0f} {noun}" if total is None else f"{done:,.0f} of {total:,.0f} {noun}"
        self._progress.update(self._tasks[resource, direction], completed=done, total=total, told=told)

    def wait(self, resource: str, direction: Direction, reason: str) -> None:
        """Why it does not go on at the moment."""
        self._progress.update(self._tasks[resource, direction], told=escape(f"waits: {first_line(reason)}"))

    def end(self, resource: str, direction: Direction) -> None:
        """It is over."""
        self._progress.remove_task(self._tasks.pop((resource, direction)))


def refusals(opened: Windlass, names: Sequence[str]) -> list[Outcome]:
    """What was not even tried: paused resources stay so until someone resumes them."""
    return [
        Outcome(
            resource=name,
            direction=direction,
            outcome="cancelled",
            reason=f"{name} is paused: windlass sync resume {name} lets it go on",
        )
        for name in names
        if opened.sync.engine.ledger.is_paused(name)
        for direction in _directions(opened, name)
    ]


def failures(opened: Windlass, broken: Mapping[str, str]) -> list[Outcome]:
    """Those whose table cannot be synced, with the reason."""
    return [
        Outcome(resource=name, direction=direction, outcome="failed", reason=reason)
        for name, reason in broken.items()
        for direction in _directions(opened, name)
    ]


def ask_service(opened: Windlass, names: Sequence[str], bars: Bars) -> list[Outcome]:
    """Has the service push and pull, and follows the jobs until each is over or has been put off."""
    following: dict[int, _Followed] = {}
    outcomes: list[Outcome] = []
    with opened.jobs.watch(queue=QUEUE) as changes, bars.shown():
        while changes.next(0.0) is not None:
            pass  # how jobs stood before they were asked is no answer
        for name in names:
            for job in opened.sync.now(name):
                one = following[job.id] = _Followed(opened, bars, name, "push" if job.key == PUSH else "pull")
                bars.begin(name, one.direction)
        look_at = monotonic() + _LOOK_S
        while following:
            job = changes.next(look_at)
            over: dict[int, Outcome | None] = {}
            if job is not None and job.id in following:
                over[job.id] = following[job.id].changed(job)
            # By the clock, not only when all is quiet: other jobs of the queue may come and go all the time.
            if monotonic() >= look_at:
                look_at = monotonic() + _LOOK_S
                if not opened.service.is_running():
                    outcomes += [one.left_behind() for one in following.values()]
                    break
                is_moving = any(one.is_running for one in following.values())
                for job_id, one in following.items():
                    over[job_id] = over.get(job_id) or one.looked_at(job_id, is_moving=is_moving)
            for job_id, outcome in over.items():
                if outcome is not None:
                    outcomes.append(outcome)
                    bars.end(outcome.resource, outcome.direction)
                    del following[job_id]
    return sorted(outcomes, key=lambda one: (names.index(one.resource), one.direction == "pull"))


class _Followed:
    """One job that the service was asked for."""

    def __init__(self, opened: Windlass, bars: Bars, resource: str, direction: Direction) -> None:
        self._opened = opened
        self._bars = bars
        self._resource = resource
        self.direction: Direction = direction
        self.is_running = False
        self._kept_since: float | None = None

    def changed(self, job: Job) -> Outcome | None:
        """What became of it; None while it goes on."""
        self.is_running = job.status is JobStatus.RUNNING
        if job.progress is not None:
            self._bars.tell(self._resource, self.direction, job.progress.done, job.progress.total)
        return _outcome(self._opened, job, self._resource, self.direction)

    def looked_at(self, job_id: int, *, is_moving: bool) -> Outcome | None:
        """Whether it waits for what may never come; ``is_moving``: one of those that are followed runs."""
        job = self._opened.jobs.get(job_id)
        if job is None:
            return self._ended("unknown", "its job has been deleted")
        if job.status is not JobStatus.PENDING or job.hold is not None:
            self._kept_since = None
            return None
        why = self._opened.jobs.why(job_id)
        tried = self._opened.jobs.attempts(job_id) if job.run_at is not None else []
        # Who comes back at once was turned away, and the attempt says by what: mostly another process.
        reason = (tried[-1].error if tried else None) or why.reason
        self._bars.wait(self._resource, self.direction, reason)
        if (kept := why_not_started(self._opened.jobs, job)) is None:
            self._kept_since = None
            return None
        now = monotonic()
        patience_s = _PATIENCE_OF.get(kept.code, _SETTLED_S)
        if self._kept_since is None or (is_moving and kept.code in _PATIENCE_OF):
            self._kept_since = now
        is_over = now - self._kept_since >= patience_s or kept.code == "paused"
        return self._ended("postponed", kept.reason) if is_over else None

    def left_behind(self) -> Outcome:
        """The service is gone."""
        return self._ended("unknown", "the service has ended: the job stays queued until it runs again")

    def _ended(self, outcome: Literal["postponed", "unknown"], reason: str) -> Outcome:
        return Outcome(resource=self._resource, direction=self.direction, outcome=outcome, reason=reason)


def _outcome(opened: Windlass, job: Job, resource: str, direction: Direction) -> Outcome | None:
    """What became of the job; None while it goes on."""
    if job.status is JobStatus.COMPLETED:
        result: Any = job.result
        figures = cast("dict[str, Any]", result) if isinstance(result, dict) else {}
        return Outcome(resource=resource, direction=direction, outcome="completed", figures=figures)
    if job.status is JobStatus.RUNNING:
        return None
    if job.status is JobStatus.PENDING and job.hold is not None:
        return Outcome(resource=resource, direction=direction, outcome="postponed", reason=job.hold)
    ended = job.status is not JobStatus.PENDING
    attempts = opened.jobs.attempts(job.id)
    # An attempt's end is known to the microsecond, unlike when the job was last changed.
    if not ended and (job.run_at is None or not attempts or job.run_at - attempts[-1].finished_at <= _BUSY):
        return None
    said = attempts[-1].error if attempts else job.last_error
    outcome = ("failed" if job.status is JobStatus.FAILED else "cancelled") if ended else "postponed"
    return Outcome(
        resource=resource,
        direction=direction,
        outcome=outcome,
        reason=said or job.reason,
        until=None if ended else job.run_at,
    )


def run_here(
    opened: Windlass, names: Sequence[str], bars: Bars, *, sweep_all: bool, sweep_there: bool
) -> list[Outcome]:
    """Pushes and pulls in this process, one after the other."""
    engine = opened.sync.engine
    outcomes: list[Outcome] = []
    with bars.shown():
        for name in names:
            for direction in _directions(opened, name):

                def report(
                    done: int, total: int | None, name: str = name, direction: Direction = direction
                ) -> None:
                    bars.tell(name, direction, done, total)

                def work(name: str = name, direction: Direction = direction, report: Any = report) -> Any:
                    if direction == "push":
                        return engine.push(name, report=report, force=True, sweep_all=sweep_there)
                    return engine.pull(name, report=report, force=True, sweep_all=sweep_all)

                bars.begin(name, direction)
                wait = partial(bars.wait, name, direction)
                outcomes.append(_done_here(name, direction, work, wait))
                bars.end(name, direction)
    return outcomes


def _done_here(
    resource: str, direction: Direction, work: Callable[[], Any], wait: Callable[[str], None]
) -> Outcome:
    try:
        figures = figures_of(_once_free(work, wait))
    except Postponed as error:
        until = from_us(SystemClock().wall_us()) + timedelta(microseconds=error.wait_us)
        return Outcome(
            resource=resource, direction=direction, outcome="postponed", reason=str(error), until=until
        )
    except SyncError as error:
        return Outcome(resource=resource, direction=direction, outcome="failed", reason=str(error))
    return Outcome(resource=resource, direction=direction, outcome="completed", figures=figures)


def _once_free(work: Callable[[], Any], wait: Callable[[str], None]) -> Any:
    """Does it, waiting a little for a push or pull of another process, which it says."""
    deadline = monotonic() + _PATIENCE_S
    while True:
        try:
            return work()
        except ResourceBusy as error:
            if monotonic() > deadline:
                raise
            wait(str(error))
            sleep(_NAP_S)


def _directions(opened: Windlass, name: str) -> list[Direction]:
    chosen = opened.sync.engine.get(name).settings.direction
    return [one for one in ("push", "pull") if chosen in ("both", one)]

"""``windlass sync now``: asks the service and follows its jobs, or pushes and pulls in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from windlass.clock import SystemClock, from_us, monotonic, sleep
from windlass.errors import ResourceBusy, SyncError
from windlass.job import JobStatus
from windlass.sync.engine import Postponed
from windlass.sync.tasks import PUSH, QUEUE
from windlass.sync.tasks import figures as figures_of

if TYPE_CHECKING:
    from windlass.app import Windlass
    from windlass.job import Job

Direction = Literal["push", "pull"]

_BUSY = timedelta(seconds=0.5)
"""Who comes back after so short a pause found another at it, or lets edits gather first."""
_PATIENCE_S = 10.0
_NAP_S = 0.1
_LOOK_S = 1.0
"""How often to see whether the service still lives."""


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


def ask_service(opened: Windlass, names: Sequence[str], bars: Bars) -> list[Outcome]:
    """Has the service push and pull, and follows the jobs until each is over or has been put off."""
    following: dict[int, tuple[str, Direction]] = {}
    outcomes: list[Outcome] = []
    with opened.jobs.watch(queue=QUEUE) as changes, bars.shown():
        while changes.next(0.0) is not None:
            pass  # how jobs stood before they were asked is no answer
        for name in names:
            for job in opened.sync.now(name):
                direction: Direction = "push" if job.key == PUSH else "pull"
                following[job.id] = name, direction
                bars.begin(name, direction)
        while following:
            job = changes.next(monotonic() + _LOOK_S)
            if job is None and not opened.service.is_running():
                outcomes += [_left_behind(*one) for one in following.values()]
                break
            if job is None or job.id not in following:
                continue
            resource, direction = following[job.id]
            if job.progress is not None:
                bars.tell(resource, direction, job.progress.done, job.progress.total)
            outcome = _outcome(opened, job, resource, direction)
            if outcome is not None:
                outcomes.append(outcome)
                bars.end(resource, direction)
                del following[job.id]
    return sorted(outcomes, key=lambda one: (names.index(one.resource), one.direction == "pull"))


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


def _left_behind(resource: str, direction: Direction) -> Outcome:
    reason = "the service has ended: the job stays queued until it runs again"
    return Outcome(resource=resource, direction=direction, outcome="unknown", reason=reason)


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
                outcomes.append(_done_here(name, direction, work))
                bars.end(name, direction)
    return outcomes


def _done_here(resource: str, direction: Direction, work: Callable[[], Any]) -> Outcome:
    try:
        figures = figures_of(_once_free(work))
    except Postponed as error:
        until = from_us(SystemClock().wall_us()) + timedelta(microseconds=error.wait_us)
        return Outcome(
            resource=resource, direction=direction, outcome="postponed", reason=str(error), until=until
        )
    except SyncError as error:
        return Outcome(resource=resource, direction=direction, outcome="failed", reason=str(error))
    return Outcome(resource=resource, direction=direction, outcome="completed", figures=figures)


def _once_free(work: Callable[[], Any]) -> Any:
    """Does it, waiting a little for a push or pull of another process."""
    deadline = monotonic() + _PATIENCE_S
    while True:
        try:
            return work()
        except ResourceBusy:
            if monotonic() > deadline:
                raise
            sleep(_NAP_S)


def _directions(opened: Windlass, name: str) -> list[Direction]:
    chosen = opened.sync.engine.get(name).settings.direction
    return [one for one in ("push", "pull") if chosen in ("both", one)]

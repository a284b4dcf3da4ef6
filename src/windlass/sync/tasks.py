"""Push and pull as jobs, and what makes them: an edit in the journal, a change whose time has come.

The jobs have retry, progress, cancel and history like any other. What keeps a remote from being reached is no
failure of theirs: they snooze until it is worth another try, which counts no attempt (P6).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec

from windlass.client import Client
from windlass.clock import monotonic
from windlass.context import Context
from windlass.errors import ConfigError, LostHold, ResourceBusy, SweepRefused
from windlass.handlers import Registry
from windlass.job import Existing, Job, JobStatus
from windlass.jobs import JobManager
from windlass.options import Options
from windlass.outcome import Cancel, Snooze
from windlass.store.ledger import OriginState
from windlass.store.protocol import Store
from windlass.sync.engine import Engine
from windlass.sync.returning import Returning
from windlass.sync.starting import why_not_started
from windlass.sync.telling import Postponed

if TYPE_CHECKING:
    from windlass.sync.live import Pokes

log = logging.getLogger("windlass.sync")

PUSH, PULL = "windlass.sync.push", "windlass.sync.pull"
QUEUE = "sync"
_BUSY_S = 0.5
_REST_S = 1.0
"""Between two pushes that no edit asked for: what one could not send, the next cannot at once."""
_MISSING_S = 5.0
"""A table that is not there yet, and rows that are gone, are looked for again."""


class Tasks:
    """The jobs of sync, in one program."""

    def __init__(self, engine: Engine, client: Client, jobs: JobManager, store: Callable[[], Store]) -> None:
        self._store = store
        self._engine = engine
        self._client = client
        self._jobs = jobs

    def register(self, registry: Registry) -> None:
        """Makes both job keys known to the program's workers; once is enough."""
        if registry.get_own(PUSH) is not None:
            return
        engine, wake = self._engine, self.push_after

        def push(ctx: Context, resource: str, force: bool = False) -> Any:
            """Sends what is pending in a resource."""
            del force  # in jobs of earlier versions: whoever asks lifts what was said before by himself
            _refuse_paused(engine, resource)
            done = _run(ctx, engine, resource, lambda: engine.push(
                resource, report=lambda done, total: ctx.progress(done, total, resource),
                stopping=lambda: ctx.cancelled,
            ))  # fmt: skip
            if done.accepted:
                for other in engine.related(resource):
                    if engine.ledger.counts(other).held:
                        wake(other)
            return figures(done)

        def pull(ctx: Context, resource: str, force: bool = False, sweep_all: bool = False) -> Any:
            """Brings what is new at a resource's remote."""
            _refuse_paused(engine, resource)
            done = _run(ctx, engine, resource, lambda: engine.pull(
                resource, report=lambda done, total: ctx.progress(done, total, resource),
                stopping=lambda: ctx.cancelled, anyway=force, sweep_all=sweep_all,
            ))  # fmt: skip
            return figures(done)

        registry.add(PUSH, push, queue=QUEUE, max_attempts=20)
        registry.add(PULL, pull, queue=QUEUE, max_attempts=20)

    def push_soon(self, resource: str, *, delay_us: int = 0) -> Job:
        """One push job of the resource; the one that waits or runs already, where there is one."""
        return self._enqueue(PUSH, resource, {"resource": resource}, delay_us)

    def push_after(self, resource: str) -> Job:
        """A push that begins from now on: one that runs may have looked already at what has changed since."""
        job = self.push_soon(resource)
        if job.created or job.status is not JobStatus.RUNNING:
            return job
        return self._enqueue(PUSH, resource, {"resource": resource}, 0, "append_or_replace")

    def pull_soon(self, resource: str, *, force: bool = False, sweep_all: bool = False) -> Job:
        """One pull job of the resource, likewise."""
        payload = {"resource": resource, "force": force, "sweep_all": sweep_all}
        return self._enqueue(PULL, resource, payload, 0)

    def runs(self, resource: str, n: int) -> list[Job]:
        """The last pushes and pulls of a resource that are kept, newest first."""
        keys = (_unique(PUSH, resource), _unique(PULL, resource), _scheduled(resource))
        found = [job for key in keys for job in self._store().last_runs(key, n)]
        return sorted(found, key=lambda job: job.id, reverse=True)[:n]

    def is_under_way(self, key: str, resource: str) -> bool:
        """True where a job of that kind waits or runs already.

        To ask for one all the same would be a commit for nothing, and wake every dispatcher.
        """
        return self._store().holder_of(_unique(key, resource)) is not None

    def kept_from(self, resource: str, *keys: str) -> str | None:
        """Why its jobs of these kinds, which wait, may not start; None: there are none, or they may."""
        uniques = [_unique(key, resource) for key in keys]
        if PULL in keys:
            uniques.append(_scheduled(resource))
        for unique in uniques:
            holder = self._store().holder_of(unique)
            job = None if holder is None else self._jobs.get(holder)
            if job is not None and (why := why_not_started(self._jobs, job)) is not None:
                return why.reason
        return None

    def now(self, resource: str) -> list[Job]:
        """Both, at once: jobs that wait already are not waited for."""
        direction = self._engine.get(resource).settings.direction
        made: list[Job] = []
        # Once, and by whoever asks: a job that is put off again keeps to what was said meanwhile.
        self._engine.forgive(resource)
        if direction != "pull":
            made.append(self.push_soon(resource))
        if direction != "push":
            made.append(self.pull_soon(resource, force=True))
        waiting = [job.id for job in made if not job.created and job.status is JobStatus.PENDING]
        if waiting:
            self._jobs.retry(waiting)
        return made

    def hurry(self, resource: str) -> bool:
        """The way to its remote is open again, for all that is known: what waits for it goes at once.

        False while some of it still runs, and may be about to wait.
        """
        self._engine.cycle(resource).origin.forgive()
        found = [self._store().holder_of(_unique(key, resource)) for key in (PUSH, PULL)]
        jobs = [job for job_id in found if job_id is not None and (job := self._jobs.get(job_id)) is not None]
        self._jobs.retry([job.id for job in jobs if job.status is JobStatus.PENDING])
        return not any(job.status is JobStatus.RUNNING for job in jobs)

    def _enqueue(
        self, key: str, resource: str, payload: dict[str, Any], delay_us: int, existing: Existing = "keep"
    ) -> Job:
        delay = timedelta(microseconds=delay_us) if delay_us else None
        # A push that is lost with the power is made again from the journal: nothing is waited for.
        options = Options(
            unique=_unique(key, resource),
            existing=existing,
            delay=delay,
            durability="fast",
            constraints=self._engine.get(resource).settings.constraints,
        )
        return self._client.enqueue(key, payload, options)


def _unique(key: str, resource: str) -> str:
    return f"{key}:{resource}"


def _scheduled(resource: str) -> str:
    return f"schedule:sync:{resource}"


def _run(ctx: Context, engine: Engine, resource: str, work: Callable[[], Any]) -> Any:
    # A request under way has nearly all of the grace; then it ends, and does not outlive the service.
    ctx.on_stop = lambda: engine.abort(resource)
    try:
        return work()
    except Postponed as error:
        ctx.raise_if_cancelled()
        raise Snooze(error.wait_us / 1_000_000, str(error)) from error
    except (ResourceBusy, LostHold) as error:
        raise Snooze(_BUSY_S, str(error)) from error
    except SweepRefused as error:
        raise Cancel(str(error)) from error


def _refuse_paused(engine: Engine, resource: str) -> None:
    engine.install(resource)
    if engine.ledger.is_paused(resource):
        raise Cancel(f"{resource} is paused: app.sync.resume({resource!r}) lets it go on")


class SyncSource:
    """Makes push jobs of edits, and the first pull of a resource; see ``worker/sources.py``."""

    def __init__(self, engine: Engine, tasks: Tasks, returning: Returning) -> None:
        self._engine = engine
        self._tasks = tasks
        self._returning = returning
        self._hurried: set[str] = set()
        """Resources that were running when the network came back."""
        self._missing: dict[str, str] = {}
        self._lost: set[str] = set()
        """Resources whose rows are gone, which wait for a word or for the rows."""
        self._look_at: dict[str, float] = {}
        self._pushed_at: dict[str, float] = {}
        self._listening: dict[str, Pokes] = {}
        self._poked_meanwhile: set[str] = set()
        """Resources whose remote had news while a pull was under way, which may have looked before."""

    def close(self) -> None:
        """Listens to no remote any more, and to no device."""
        self._returning.close()
        while self._listening:
            self._listening.popitem()[1].stop()

    @property
    def job_keys(self) -> frozenset[str]:
        """Those of sync."""
        return frozenset((PUSH, PULL))

    def look(self) -> float | None:
        """Enqueues what is due; see the protocol."""
        names = [name for name in self._engine.declared if self._is_ready(name)]
        wait_s: float | None = _MISSING_S if self._missing or self._lost else None
        if not names:
            return wait_s
        ledger = self._engine.ledger
        news = set(ledger.has_news())
        for name in names:
            if ledger.is_paused(name):
                continue
            next_s = self._look_at_one(name, has_news=name in news)
            if next_s is not None:
                wait_s = next_s if wait_s is None else min(wait_s, next_s)
        self._hurry_when_back(names)
        return wait_s

    def _hurry_when_back(self, names: list[str]) -> None:
        away = [name for name in names if _is_unreachable(self._engine.known_origin(name))]
        if self._returning.is_back(wanted=bool(away)):
            log.info("the network is back: %s", ", ".join(away))
            self._hurried.update(away)
        self._hurried = {name for name in self._hurried if not self._tasks.hurry(name)}

    def _look_at_one(self, name: str, *, has_news: bool) -> float | None:
        engine, now = self._engine, monotonic()
        chosen = engine.get(name).settings
        if chosen.live is not None and name not in self._listening:
            self._listening[name] = engine.listen(name, lambda: self._poked(name))
        if name in self._poked_meanwhile and not self._tasks.is_under_way(PULL, name):
            self._poked_meanwhile.discard(name)
            self._tasks.pull_soon(name, force=True)
        if chosen.direction != "push" and engine.ledger.state(name).pulled_at_us is None:
            # Not yet pulled to its end: a job for it, which comes back by itself until it is.
            self._make(PULL, name)
        if chosen.direction == "pull":
            return None
        if has_news:
            self._make(PUSH, name, delay_us=chosen.debounce_us)
            return None
        now_us = engine.now_us()
        # What may be sent now waits for nobody: a person's answer to a conflict, an edit that a pull has
        # read, what a push was sending when it died for good.
        due_us = now_us if engine.ledger.due(name, now_us, 1) else engine.ledger.next_due_us(name, now_us)
        if due_us is None:
            return None
        rest_s = self._pushed_at.get(name, 0.0) + _REST_S - now
        wait_s = max((due_us - now_us) / 1_000_000, rest_s)
        if wait_s > 0:
            return wait_s
        self._make(PUSH, name)
        return _REST_S

    def _make(self, key: str, name: str, *, delay_us: int = 0) -> None:
        if self._tasks.is_under_way(key, name):
            # Its end asks again.
            return
        if key == PULL:
            self._tasks.pull_soon(name)
        else:
            self._tasks.push_soon(name, delay_us=delay_us)
            self._pushed_at[name] = monotonic()

    def _poked(self, name: str) -> None:
        """On the listener's thread: something has changed at the remote."""
        # Before the look: the end of the pull that is under way asks again, and finds this.
        self._poked_meanwhile.add(name)
        if not self._engine.ledger.is_paused(name) and not self._tasks.is_under_way(PULL, name):
            self._poked_meanwhile.discard(name)
            self._tasks.pull_soon(name, force=True)

    def _is_ready(self, name: str) -> bool:
        if monotonic() < self._look_at.get(name, 0.0):
            return False
        try:
            self._engine.install(name)
        except ConfigError as error:
            # Said once: the program may make its tables a little later.
            if self._missing.get(name) != str(error):
                log.warning("%s is not synced yet: %s", name, error)
            self._missing[name] = str(error)
            self._look_at[name] = monotonic() + _MISSING_S
            return False
        self._missing.pop(name, None)
        if self._is_lost(name):
            self._lost.add(name)
            self._look_at[name] = monotonic() + _MISSING_S
            return False
        self._lost.discard(name)
        return True

    def _is_lost(self, name: str) -> bool:
        losses, ledger = self._engine.losses, self._engine.ledger
        if not losses.waits(ledger, name):
            return False
        # They may come back from elsewhere, and no job would notice: none is made.
        losses.look_again(ledger, self._engine.get(name).settings)
        return losses.waits(ledger, name)


def _is_unreachable(origin: OriginState | None) -> bool:
    return origin is not None and origin.state == "offline" and origin.until_us is not None


def figures(done: msgspec.Struct) -> dict[str, Any]:
    """What a job keeps of what it did: numbers."""
    told: dict[str, Any] = msgspec.to_builtins(done)
    return {
        name: len(cast("list[Any]", value)) if isinstance(value, list) else value
        for name, value in told.items()
    }

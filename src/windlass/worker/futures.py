"""Any ``concurrent.futures.Executor`` as the pool: thread pools, process pools, or a cluster's executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import suppress
from typing import Any

from windlass.clock import monotonic, stopwatch_ns
from windlass.context import StopReason
from windlass.context.kept import LogBook
from windlass.outcome import AnyOutcome, Crashed, Released
from windlass.store.protocol import Claim, Lane
from windlass.worker.alone import Alone
from windlass.worker.batches import Batch, Placing
from windlass.worker.elastic import ElasticExecutor, Withdrawn, WorkerLost
from windlass.worker.estimate import Estimates
from windlass.worker.isolate import FAREWELL_S
from windlass.worker.local import Asks, LocalService, News
from windlass.worker.pool import Inbox
from windlass.worker.reference import Came, perform_all_with, perform_by_reference
from windlass.worker.stopped import stopped
from windlass.worker.threads import MakePerformer
from windlass.worker.traits import TraitsOf

_OVERDUE_S = 0.05
"""What was thought to be short and runs this long keeps nobody waiting behind it."""
_REST_S = 0.5
"""An executor that cancels what it was given gets nothing for so long."""


class FuturePool:
    """Runs jobs as futures. Job code travels by reference: target and job key, never by pickle.

    ``slots`` is how many pieces of work it gives at once; by default what the executor says of itself. A
    piece is a job, or several that were measured to be short. An executor that breaks is replaced by
    ``make_executor``, a ``ProcessPoolExecutor`` by one like it; else the service stops. What it held then
    runs alone: the job under which it breaks again is the culprit. An ``ElasticExecutor`` says which of its
    workers was lost.

    Jobs in threads can be asked to stop, for a timeout as well; those that run elsewhere cannot be reached.
    """

    def __init__(
        self,
        executor: Executor,
        traits: TraitsOf,
        *,
        target: Callable[[], str],
        make_performer: MakePerformer,
        slots: int | None = None,
        make_executor: Callable[[], Executor] | None = None,
        on_start: Callable[[LocalService], None] | None = None,
    ) -> None:
        self._executor = executor
        _fork_now(executor)
        self._traits = traits
        self._target = target
        self._make_performer = make_performer
        self._wanted = slots
        self._make_executor = make_executor or _another_like(executor)
        self._on_start = on_start
        self._own: list[Executor] = []
        self._news = News()
        self._logs = LogBook(self._news.logged)
        self._held: dict[int, Batch | None] = {}
        """Of each job the piece of work that it is in; None while it is only placed."""
        self._batches: dict[Batch, None] = {}
        self._estimates = Estimates()
        self._placing = Placing(self._estimates)
        self._alone = Alone(float("inf"))
        self._rests_until = 0.0
        self._stopping = False
        self._killed = False

    # ── life ───────────────────────────────────────────────────────────────────────────────────
    def start(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._service = LocalService(self._news)
        self._performer = self._make_performer(self._service, self._news.progressed, self._logs)
        self._asks = Asks(self._performer)
        # Looked up now, so that a program nobody else could find fails here and not with its first job.
        self._program = "" if isinstance(self._executor, ThreadPoolExecutor) else self._target()
        if self._on_start is not None and not self._program:
            self._on_start(self._service)
        if isinstance(self._executor, ElasticExecutor):
            self._executor.watch(lambda: self._news.tell(lambda inbox: inbox.ready()))
        inbox.ready()

    def filenos(self) -> Sequence[int]:
        return [self._news.fileno()]

    def held(self) -> list[int]:
        return list(self._held)

    def scale(self, count: int) -> None:
        """Gives so many pieces of work at once; how many workers there are is the executor's own affair."""
        self._wanted = count
        self._inbox.ready()

    def stop(self, *, interrupt: bool) -> None:
        self._stopping = True
        for job_id in self.held():
            self._ask(job_id, "shutdown", interrupt=interrupt)

    def kill(self) -> None:
        if self._killed:
            return
        self._killed = self._stopping = True
        self.recall()
        self.collect()
        for batch in list(self._batches):
            self._settle(batch, Released("the service stopped"))
        for executor in self._own:
            executor.shutdown(wait=False, cancel_futures=True)
        self._performer.close(FAREWELL_S)
        self._logs.end()
        self._news.close()

    # ── placing ────────────────────────────────────────────────────────────────────────────────
    @property
    def _slots(self) -> int:
        executor = self._executor
        if isinstance(executor, ElasticExecutor):
            return executor.size if self._wanted is None else min(self._wanted, executor.size)
        return self._wanted or getattr(executor, "_max_workers", None) or 4

    @property
    def _empties_itself(self) -> bool:
        """A suspect gets the whole executor, where no worker of it can be told from another."""
        return not isinstance(self._executor, ElasticExecutor)

    def cap(self, lane: Lane) -> int:
        if self._stopping or self._traits(lane.key) is None or monotonic() < self._rests_until:
            return 0
        slots, given = self._slots, len(self._batches)
        if lane.alone:
            room = max(slots - given, 0)
        else:
            room = self._placing.room(lane.key, slots=slots, given=given)
        return self._alone.cap(lane, held=len(self._held), room=room) if self._empties_itself else room

    def place(self, claim: Claim) -> bool:
        if not self._placing.fits(claim, slots=self._slots, given=len(self._batches)):
            return False
        if self._empties_itself:
            if not self._alone.admits(claim, held=len(self._held)):
                return False
            self._alone.placed(claim)
        self._held[claim.job_id] = None
        self._placing.add(claim)
        return True

    def unplace(self) -> None:
        for claim in self._placing.clear():
            del self._held[claim.job_id]
            self._alone.gone(claim)

    def flush(self) -> None:
        if not len(self._placing):
            return
        for batch in self._placing.batches(slots=self._slots, given=len(self._batches)):
            self._batches[batch] = None
            for claim in batch.claims:
                self._held[claim.job_id] = batch
            try:
                future = self._submit(batch)
            except (BrokenExecutor, RuntimeError) as error:
                self._settle(batch, Released(f"the executor took no work: {error}"))
                self._replace(self._executor, error)
                continue
            future.add_done_callback(lambda _, batch=batch: self._news.tell(lambda _: self._done(batch)))

    def _submit(self, batch: Batch) -> Future[Came]:
        executor = batch.executor = self._executor
        batch.began_ns = stopwatch_ns()
        given = [(claim, self._is_async(claim)) for claim in batch.claims]
        if isinstance(executor, ThreadPoolExecutor):
            batch.within_reach = True
            for claim in batch.claims:
                self._time(batch, claim)
            batch.future = executor.submit(perform_all_with, self._performer, self._logs, given)
            return batch.future
        if not isinstance(executor, ProcessPoolExecutor):
            # Another machine's clock says nothing about ours: there, what is handed over counts as started.
            given = [(claim._replace(start_by_us=None), is_async) for claim, is_async in given]
        by_reference = [(tuple(claim), is_async) for claim, is_async in given]
        submit = executor.submit
        if isinstance(executor, ElasticExecutor) and batch.claims[0].alone:
            submit = executor.submit_alone
        batch.future = submit(perform_by_reference, self._program, by_reference)
        return batch.future

    def _is_async(self, claim: Claim) -> bool:
        traits = self._traits(claim.key)
        return traits is not None and traits.is_async

    def _time(self, batch: Batch, claim: Claim) -> None:
        traits = self._traits(claim.key)
        timeout_us = claim.timeout_us or (traits.timeout_us if traits is not None else None)
        if timeout_us is not None:
            batch.deadlines[claim.job_id] = monotonic() + timeout_us / 1_000_000

    # ── hearing ────────────────────────────────────────────────────────────────────────────────
    def collect(self) -> None:
        self._news.deliver(self._inbox)

    def _done(self, batch: Batch) -> None:
        if batch not in self._batches:
            return
        assert batch.future is not None
        try:
            came = batch.future.result(timeout=0)
        except CancelledError:
            # Not by us: what we cancel is settled at once. It may be running all the same.
            self._rests_until = monotonic() + _REST_S
            self._settle(batch, Released("the executor cancelled it"))
        except BrokenExecutor as error:
            self._broke(batch.executor, error)
        except WorkerLost as error:
            told = f"its worker died: {error}"
            guilty = error.sole and len(batch.claims) == 1
            self._settle(batch, Crashed(told) if guilty else Released(told, alone=True))
        except Withdrawn as error:
            self._settle(batch, Released(str(error)))
        except Exception as error:  # noqa: BLE001 - an executor of any kind may raise anything
            self._settle(
                batch, Released(f"the executor lost it: {type(error).__name__}: {error}", alone=True)
            )
        else:
            self._came(batch, came)

    def _came(self, batch: Batch, came: Came) -> None:
        self._forget(batch)
        for claim, (outcome, took_us, said) in zip(batch.claims, came, strict=True):
            self._estimates.learn(claim.key, took_us)
            if said is not None:
                self._inbox.logged(said)
            self._inbox.settled(claim, outcome, took_us)

    def _broke(self, executor: Executor | None, error: BrokenExecutor) -> None:
        # All of it fails at once, and which job did it nobody can say unless there was only one.
        lost = [batch for batch in self._batches if batch.executor is executor]
        guilty = len(lost) == 1 and len(lost[0].claims) == 1
        for batch in lost:
            told = f"the executor broke: {error}"
            self._settle(batch, Crashed(told) if guilty else Released(told, alone=True))
        self._replace(executor, error)

    def _settle(self, batch: Batch, outcome: AnyOutcome) -> None:
        self._forget(batch)
        took_us = (stopwatch_ns() - batch.began_ns) // 1000 if batch.began_ns else None
        for claim in batch.claims:
            if (said := self._logs.close(claim)) is not None:
                self._inbox.logged(said)
            self._inbox.settled(claim, outcome, took_us)

    def _forget(self, batch: Batch) -> None:
        del self._batches[batch]
        for claim in batch.claims:
            del self._held[claim.job_id]
            self._asks.over(claim.job_id)
            self._alone.gone(claim)

    def _replace(self, broken: Executor | None, error: Exception) -> None:
        if self._stopping or broken is not self._executor:
            return
        if self._make_executor is None:
            self._inbox.failed(f"the executor broke and cannot be replaced: {error}")
            return
        self._executor = self._make_executor()
        self._own.append(self._executor)

    # ── minding ────────────────────────────────────────────────────────────────────────────────
    def tick(self, now: float) -> float | None:
        changed, wish = self._alone.tick(now, held=len(self._held))
        if self._rests_until and now >= self._rests_until:
            self._rests_until, changed = 0.0, True
        if changed:
            self._inbox.ready()
        wishes = [wish, self._asks.again(now), self._rests_until or None, self._hurry(now)]
        for batch in self._batches:
            for job_id, deadline in list(batch.deadlines.items()):
                if now >= deadline:
                    self._timed_out(batch, job_id, now)
            wishes += batch.deadlines.values()
        return min((one for one in wishes if one is not None), default=None)

    def _timed_out(self, batch: Batch, job_id: int, now: float) -> None:
        if len(batch.claims) > 1 and job_id not in self._performer.running:
            # It waits behind another one of its batch, and has its whole time when it comes to it.
            batch.deadlines[job_id] = now + _OVERDUE_S
            return
        del batch.deadlines[job_id]
        self._asks.ask(job_id, "timeout", interrupt=True)

    def _hurry(self, now: float) -> float | None:
        """Takes back what waits behind pieces of work that take longer than was thought."""
        if len(self._batches) <= self._slots or not isinstance(
            self._executor, (ThreadPoolExecutor, ProcessPoolExecutor)
        ):
            return None
        oldest = next(iter(self._batches))
        overdue_at = now - (stopwatch_ns() - oldest.began_ns) / 1e9 + _OVERDUE_S
        if now < overdue_at:
            return overdue_at
        for claim in oldest.claims:
            self._estimates.forget(claim.key)
        for batch in list(self._batches)[self._slots :]:
            if batch.future is not None and batch.future.cancel():
                self._settle(batch, Released("recalled: what runs takes long"))
        return now + _OVERDUE_S if len(self._batches) > self._slots else None

    def cancel(self, job_id: int, reason: StopReason) -> None:
        batch = self._held.get(job_id)
        if batch is None or batch.future is None:
            return
        if batch.future.cancel():
            self._forget(batch)
            for claim in batch.claims:
                is_it = claim.job_id == job_id
                outcome = (
                    stopped(reason, "before it started") if is_it else Released("recalled before it started")
                )
                self._inbox.settled(claim, outcome)
        else:
            self._ask(job_id, reason, interrupt=True)

    def _ask(self, job_id: int, reason: StopReason, *, interrupt: bool) -> None:
        batch = self._held[job_id]
        if batch is not None and batch.within_reach:
            self._asks.ask(job_id, reason, interrupt=interrupt)

    def recall(self) -> None:
        for batch in list(self._batches):
            if batch.future is not None and batch.future.cancel():
                self._settle(batch, Released("recalled before it started"))

    def broadcast(self, name: str, data: Any, request_id: int | None) -> None:
        self._service.deliver(name, data, request_id)


def _fork_now(executor: Executor) -> None:
    """Has the processes of a pool that forks made now, before threads of ours hold locks that a child would
    wait for without end: such as that of a module which is just being imported."""
    if type(executor) is ProcessPoolExecutor:
        with suppress(RuntimeError):  # it is broken or shut down: the first job says so
            executor.submit(_nothing)


def _nothing() -> None: ...


def _another_like(executor: Executor) -> Callable[[], Executor] | None:
    if type(executor) is not ProcessPoolExecutor:
        return None
    # It cannot be asked how it was made, but it remembers.
    made: dict[str, Any] = {
        name: getattr(executor, f"_{name}", None)
        for name in ("max_workers", "mp_context", "initializer", "max_tasks_per_child")
    }
    initargs: tuple[Any, ...] = getattr(executor, "_initargs", ())
    return lambda: ProcessPoolExecutor(**made, initargs=initargs)

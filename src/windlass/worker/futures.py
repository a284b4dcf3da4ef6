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
from functools import lru_cache
from typing import Any

from windlass.clock import monotonic, stopwatch_ns
from windlass.context import StopReason
from windlass.context.saying import NOTICE
from windlass.outcome import AnyOutcome, Cancelled, Crashed, Released
from windlass.store.protocol import Claim, Lane
from windlass.target import PerformerLike
from windlass.worker.alone import Alone
from windlass.worker.isolate import FAREWELL_S, run_start_callbacks
from windlass.worker.local import Asks, LocalService, News
from windlass.worker.pool import Inbox
from windlass.worker.stopped import stopped
from windlass.worker.threads import MakePerformer
from windlass.worker.traits import TraitsOf


class FuturePool:
    """Runs each job as one future. Job code travels by reference: target and job key, never by pickle.

    ``slots`` is how many jobs it takes at once; by default what the executor says of itself. An executor that
    breaks is replaced by ``make_executor``, a ``ProcessPoolExecutor`` by one like it; else the service stops.
    What it held then runs alone: the job under which it breaks again is the culprit.

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
        self._traits = traits
        self._target = target
        self._make_performer = make_performer
        self._slots = slots or getattr(executor, "_max_workers", None) or 4
        self._make_executor = make_executor or _another_like(executor)
        self._on_start = on_start
        self._own: list[Executor] = []
        self._news = News()
        self._held: dict[int, _Held] = {}
        self._placed: list[Claim] = []
        self._alone = Alone(float("inf"))
        self._stopping = False
        self._killed = False

    # ── life ───────────────────────────────────────────────────────────────────────────────────
    def start(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._service = LocalService(self._news)
        self._performer = self._make_performer(self._service, self._news.progressed)
        self._asks = Asks(self._performer)
        # Looked up now, so that a program nobody else could find fails here and not with its first job.
        self._program = "" if isinstance(self._executor, ThreadPoolExecutor) else self._target()
        if self._on_start is not None and not self._program:
            self._on_start(self._service)
        inbox.ready()

    def filenos(self) -> Sequence[int]:
        return [self._news.fileno()]

    def held(self) -> list[int]:
        return list(self._held)

    def scale(self, count: int) -> None:
        """Takes so many jobs at once; how many workers there are is the executor's own affair."""
        self._slots = count
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
        for held in list(self._held.values()):
            self._settle(held, Released("the service stopped"))
        for executor in self._own:
            executor.shutdown(wait=False, cancel_futures=True)
        self._performer.close(FAREWELL_S)
        self._news.close()

    # ── placing ────────────────────────────────────────────────────────────────────────────────
    def cap(self, lane: Lane) -> int:
        if self._stopping or self._traits(lane.key) is None:
            return 0
        held = len(self._held)
        return self._alone.cap(lane, held=held, room=max(self._slots - held, 0))

    def place(self, claim: Claim) -> bool:
        if len(self._held) >= self._slots or not self._alone.admits(claim, held=len(self._held)):
            return False
        self._held[claim.job_id] = _Held(claim)
        self._alone.placed(claim)
        self._placed.append(claim)
        return True

    def unplace(self) -> None:
        for claim in self._placed:
            del self._held[claim.job_id]
            self._alone.gone(claim)
        self._placed.clear()

    def flush(self) -> None:
        placed, self._placed = self._placed, []
        for claim in placed:
            held = self._held[claim.job_id]
            try:
                self._submit(held)
            except (BrokenExecutor, RuntimeError) as error:
                self._settle(held, Released(f"the executor took no work: {error}"))
                self._replace(self._executor, error)
                continue
            assert held.future is not None
            held.future.add_done_callback(lambda _, held=held: self._news.tell(lambda _: self._done(held)))

    def _submit(self, held: _Held) -> None:
        claim = held.claim
        traits = self._traits(claim.key)
        is_async = traits is not None and traits.is_async
        held.executor = self._executor
        held.began_ns = stopwatch_ns()
        if not isinstance(self._executor, (ThreadPoolExecutor, ProcessPoolExecutor)):
            # Another machine's clock says nothing about ours: there, what is handed over counts as started.
            claim = claim._replace(start_by_us=None)
        if not isinstance(self._executor, ThreadPoolExecutor):
            held.future = self._executor.submit(perform_by_reference, self._program, tuple(claim), is_async)
            return
        held.future = self._executor.submit(perform_with, self._performer, claim, is_async)
        held.within_reach = True
        timeout_us = claim.timeout_us or (traits.timeout_us if traits is not None else None)
        if timeout_us is not None:
            held.deadline = monotonic() + timeout_us / 1_000_000

    # ── hearing ────────────────────────────────────────────────────────────────────────────────
    def collect(self) -> None:
        self._news.deliver(self._inbox)

    def _done(self, held: _Held) -> None:
        if self._held.get(held.claim.job_id) is not held:
            return
        assert held.future is not None
        try:
            outcome = held.future.result(timeout=0)
        except CancelledError:
            outcome = Cancelled("cancelled before it started")
        except BrokenExecutor as error:
            self._broke(held.executor, error)
            return
        except Exception as error:  # noqa: BLE001 - an executor of any kind may raise anything
            outcome = Released(f"the executor lost it: {type(error).__name__}: {error}", alone=True)
        self._settle(held, outcome)

    def _broke(self, executor: Executor | None, error: BrokenExecutor) -> None:
        # All of it fails at once, and which job did it nobody can say unless there was only one.
        lost = [held for held in self._held.values() if held.executor is executor]
        for held in lost:
            told = f"the executor broke: {error}"
            self._settle(held, Crashed(told) if len(lost) == 1 else Released(told, alone=True))
        self._replace(executor, error)

    def _settle(self, held: _Held, outcome: AnyOutcome) -> None:
        claim = held.claim
        del self._held[claim.job_id]
        self._asks.over(claim.job_id)
        self._alone.gone(claim)
        took_us = (stopwatch_ns() - held.began_ns) // 1000 if held.began_ns else None
        self._inbox.settled(claim, outcome, took_us)

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
        if changed:
            self._inbox.ready()
        wishes = [wish, self._asks.again(now)]
        for job_id, held in self._held.items():
            if held.deadline is not None and now >= held.deadline:
                held.deadline = None
                self._asks.ask(job_id, "timeout", interrupt=True)
            wishes.append(held.deadline)
        return min((one for one in wishes if one is not None), default=None)

    def cancel(self, job_id: int, reason: StopReason) -> None:
        held = self._held.get(job_id)
        if held is None or held.future is None:
            return
        if held.future.cancel():
            self._settle(held, stopped(reason, "before it started"))
        else:
            self._ask(job_id, reason, interrupt=True)

    def _ask(self, job_id: int, reason: StopReason, *, interrupt: bool) -> None:
        if self._held[job_id].within_reach:
            self._asks.ask(job_id, reason, interrupt=interrupt)

    def recall(self) -> None:
        for held in list(self._held.values()):
            if held.future is not None and held.future.cancel():
                self._settle(held, Released("recalled before it started"))

    def broadcast(self, name: str, data: Any, request_id: int | None) -> None:
        self._service.deliver(name, data, request_id)


class _Held:
    """A job that an executor has."""

    __slots__ = ("began_ns", "claim", "deadline", "executor", "future", "within_reach")

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.began_ns = 0
        self.future: Future[AnyOutcome] | None = None
        self.executor: Executor | None = None
        self.deadline: float | None = None
        self.within_reach = False


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


def perform_with(performer: PerformerLike, claim: Claim, is_async: bool) -> AnyOutcome:
    """Runs one job in a thread of this process."""
    if is_async:
        import asyncio

        return asyncio.run(performer.aperform(claim))
    return performer.perform(claim)


def perform_by_reference(target: str, fields: tuple[Any, ...], is_async: bool) -> AnyOutcome:
    """Runs one job in another process, which finds the app by its target."""
    return perform_with(_performer_of(target), Claim(*fields), is_async)


@lru_cache(maxsize=8)
def _performer_of(target: str) -> PerformerLike:
    from windlass.target import load_app

    app = load_app(target)
    app.prepare()
    service = _Deaf()
    run_start_callbacks(app.registry, service, app.store)
    return app.make_performer(service, _unheard)


def _unheard(claim: Claim, progress: str) -> None:
    del claim, progress  # there is no way back but the result


class _Deaf:
    """The service as a worker of a foreign executor has it: there is no way back but the result."""

    def on(self, name: str, callback: Callable[..., Any]) -> None:
        del name, callback
        raise RuntimeError("messages do not reach the workers of a foreign executor: use isolates")

    def send(self, name: str, data: Any = None) -> None:
        del data
        if name == NOTICE:
            return  # what a handler says to people: unheard, like its progress
        raise RuntimeError("the workers of a foreign executor cannot send messages: use isolates")

    def stop(self) -> None:
        raise RuntimeError("the workers of a foreign executor cannot stop the service: use isolates")

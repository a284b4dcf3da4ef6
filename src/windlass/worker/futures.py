"""Any ``concurrent.futures.Executor`` as the pool: thread pools, process pools, or a cluster's executor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from windlass.context import StopReason
from windlass.outcome import AnyOutcome, Cancelled, Released
from windlass.store.protocol import Claim, Lane
from windlass.target import PerformerLike
from windlass.worker.local import LocalService, News
from windlass.worker.pool import Inbox
from windlass.worker.threads import MakePerformer
from windlass.worker.traits import TraitsOf


class FuturePool:
    """Runs each job as one future. Job code travels by reference: target and job key, never by pickle.

    ``slots`` is how many jobs it takes at once; by default what the executor says of itself. An executor that
    breaks releases its jobs and is replaced by ``make_executor``, where one is given; else the service stops.
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
    ) -> None:
        self._executor = executor
        self._traits = traits
        self._target = target
        self._make_performer = make_performer
        self._slots = slots or getattr(executor, "_max_workers", None) or 4
        self._make_executor = make_executor
        self._news = News()
        self._held: dict[int, tuple[Claim, Future[AnyOutcome] | None]] = {}
        self._placed: list[Claim] = []
        self._stopping = False
        self._killed = False

    def start(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._service = LocalService(self._news)
        self._performer = self._make_performer(self._service, self._news.progressed)
        inbox.ready()

    def filenos(self) -> Sequence[int]:
        return [self._news.fileno()]

    def held(self) -> list[int]:
        return list(self._held)

    def cap(self, lane: Lane) -> int:
        if self._stopping or self._traits(lane.key) is None:
            return 0
        return max(self._slots - len(self._held), 0)

    def place(self, claim: Claim) -> bool:
        if len(self._held) >= self._slots:
            return False
        self._held[claim.job_id] = (claim, None)
        self._placed.append(claim)
        return True

    def unplace(self) -> None:
        for claim in self._placed:
            del self._held[claim.job_id]
        self._placed.clear()

    def flush(self) -> None:
        placed, self._placed = self._placed, []
        for claim in placed:
            try:
                future = self._submit(claim)
            except (BrokenExecutor, RuntimeError) as error:
                del self._held[claim.job_id]
                self._inbox.settled(claim, Released(f"the executor took no work: {error}"))
                self._replace(error)
                continue
            self._held[claim.job_id] = (claim, future)
            future.add_done_callback(
                lambda done, claim=claim: self._news.tell(lambda _: self._done(claim, done))
            )

    def _submit(self, claim: Claim) -> Future[AnyOutcome]:
        traits = self._traits(claim.key)
        is_async = traits is not None and traits.is_async
        if isinstance(self._executor, ThreadPoolExecutor):
            return self._executor.submit(perform_with, self._performer, claim, is_async)
        return self._executor.submit(perform_by_reference, self._target(), tuple(claim), is_async)

    def _done(self, claim: Claim, future: Future[AnyOutcome]) -> None:
        held = self._held.pop(claim.job_id, None)
        if held is None or held[0] is not claim:
            return
        try:
            outcome = future.result(timeout=0)
        except CancelledError:
            outcome = Cancelled("cancelled before it started")
        except BrokenExecutor as error:
            # Which job broke it, nobody can say: all run alone next time, and none has spent an attempt.
            outcome = Released(f"the executor broke: {error}", alone=True)
            self._replace(error)
        except Exception as error:  # noqa: BLE001 - an executor of any kind may raise anything
            outcome = Released(f"the executor lost it: {type(error).__name__}: {error}", alone=True)
        self._inbox.settled(claim, outcome)

    def _replace(self, error: Exception) -> None:
        if self._stopping:
            return
        if self._make_executor is None:
            self._inbox.failed(f"the executor broke and cannot be replaced: {error}")
            return
        self._executor = self._make_executor()

    def collect(self) -> None:
        self._news.deliver(self._inbox)

    def tick(self, now: float) -> float | None:
        del now  # nothing here has a time of its own

    def cancel(self, job_id: int, reason: StopReason) -> None:
        held = self._held.get(job_id)
        if held is not None and held[1] is not None and not held[1].cancel():
            self._performer.cancel(job_id, reason)

    def recall(self) -> None:
        for claim, future in list(self._held.values()):
            if future is not None and future.cancel():
                self._held.pop(claim.job_id, None)
                self._inbox.settled(claim, Released("recalled before it started"))

    def broadcast(self, name: str, data: Any, request_id: int | None) -> None:
        self._service.deliver(name, data, request_id)

    def stop(self, reason: StopReason) -> None:
        self._stopping = True
        for job_id in self.held():
            self._performer.cancel(job_id, reason)

    def kill(self) -> None:
        if self._killed:
            return
        self._killed = self._stopping = True
        self.collect()
        for claim, _ in self._held.values():
            self._inbox.settled(claim, Released("the service stopped"))
        self._held.clear()
        self._news.close()


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
    app.registry.prepare()
    return app.make_performer(_Deaf(), _unheard)


def _unheard(claim: Claim, progress: str) -> None:
    del claim, progress  # there is no way back but the result


class _Deaf:
    """The service as a worker of a foreign executor has it: there is no way back but the result."""

    def on(self, name: str, callback: Callable[..., Any]) -> None:
        del name, callback
        raise RuntimeError("messages do not reach the workers of a foreign executor: use isolates")

    def send(self, name: str, data: Any = None) -> None:
        del name, data
        raise RuntimeError("the workers of a foreign executor cannot send messages: use isolates")

    def stop(self) -> None:
        raise RuntimeError("the workers of a foreign executor cannot stop the service: use isolates")

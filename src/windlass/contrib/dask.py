"""Jobs on a Dask cluster::

    with DaskExecutor("tcp://scheduler:8786") as cluster, app.running(executor=cluster):
        ...

The program with this block keeps the queue: it claims, hands out and settles. The cluster's workers run the
handlers. What travels is the app's place (``module:app``, which the workers must be able to import), the job
keys and the payloads as JSON text: never code, and nothing pickled comes from the database. Each worker opens
the database for itself where a handler asks for it.

A job is given to one worker, and to no other in its place, so that a worker's death says which jobs it had.
If that was one job alone it is a crash of the job's; else they all run again, each with a worker to itself.
Dask by itself would run such a job three more times without telling. When the scheduler goes, everything that
was given goes back, unspent, and is given anew when a scheduler is there again; what a worker of old still
computes has no way home, and the lease token would fence it off if it had.

Needs the extra ``dask``, on the cluster as well.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, TypeVar

import distributed

from windlass.redact import message_of
from windlass.worker.elastic import ElasticExecutor, Withdrawn, WorkerLost

log = logging.getLogger("windlass.worker")

T = TypeVar("T")
# Most of it comes without types.
_distributed: Any = distributed

_LOOK_S = 1.0
"""Between two looks at the workers; whoever comes and goes is told by the scheduler at once."""
_AGAIN_S = 0.5
_CONNECT_S = 5.0
_CLOSE_S = 10.0


class DaskExecutor(ElasticExecutor):
    """The workers of a Dask cluster, for ``app.running(executor=...)``.

    ``cluster`` is the address of its scheduler, or a ``Client`` or cluster object to take the address from.
    It is reached by a connection of our own, which is made anew for as long as this is open. Jobs are given
    to each worker up to its threads, and as many pieces of short ones again.

    Raises:
        OSError: no scheduler answers there now.
    """

    def __init__(self, cluster: Any, *, security: Any = None) -> None:
        scheduler = getattr(cluster, "scheduler", None)
        address: Any = getattr(cluster, "scheduler_address", None) or getattr(scheduler, "address", None)
        self._address = str(address or cluster)
        self._security = security or getattr(cluster, "security", None)
        self._workers: dict[str, _Worker] = {}
        self._absent: set[str] = set()
        """Those that were missing at the last look."""
        self._waiting: list[_Task] = []
        """What no worker could take."""
        self._client: Any = None
        self._changed: Callable[[], None] = lambda: None
        self._mark = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._closing = False
        self._heard = asyncio.Event()
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="windlass-dask", daemon=True)
        self._thread.start()
        try:
            self._started.result(2 * _CONNECT_S)
        except BaseException:
            self.shutdown(wait=False)
            raise

    # ── what a pool asks, on its own thread ────────────────────────────────────────────────────
    @property
    def size(self) -> int:
        """The threads of all workers that are there."""
        return sum(worker.threads for worker in list(self._workers.values()))

    def watch(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        return self._submit(fn, args, kwargs, alone=False)

    def submit_alone(self, fn: Callable[..., T], /, *args: Any) -> Future[T]:
        return self._submit(fn, args, {}, alone=True)

    def _submit(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, alone: bool
    ) -> Future[Any]:
        if self._closing:
            raise RuntimeError("cannot give work to a cluster after shutdown")
        task = _Task(f"windlass-{self._mark}-{next(self._numbers)}", fn, args, kwargs, alone=alone)
        self._loop.call_soon_threadsafe(self._give, task)
        return task.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the connection; what the cluster still has comes to nothing."""
        del cancel_futures
        self._closing = True
        with suppress(RuntimeError):  # its loop is closed already
            self._loop.call_soon_threadsafe(self._heard.set)
        if wait:
            self._thread.join(_CLOSE_S)

    # ── the thread that talks to the scheduler ─────────────────────────────────────────────────
    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._stay_connected())

    async def _stay_connected(self) -> None:
        while not self._closing:
            try:
                await self._use_connection()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next connection may be better
                if not self._started.done():
                    self._started.set_exception(_as_unreachable(error, self._address))
                    return
                log.warning("no scheduler of Dask at %s: %s", self._address, message_of(error))
            if not self._closing:
                await asyncio.sleep(_AGAIN_S)

    async def _use_connection(self) -> None:
        client = _distributed.Client(
            self._address,
            asynchronous=True,
            timeout=_CONNECT_S,
            security=self._security,
            set_as_default=False,
        )
        try:
            await client
            client.subscribe_topic("all", self._on_event)
            self._client = client
            await self._look()
            if not self._started.done():
                self._started.set_result(None)
            while client.status == "running" and not self._closing:
                self._heard.clear()
                with suppress(TimeoutError):  # nobody said anything: then it is time to look
                    await asyncio.wait_for(self._heard.wait(), _LOOK_S)
                await self._look()
        finally:
            self._client = None
            self._lose_all()
            try:
                if client.status == "running":
                    client.unsubscribe_topic("all")
            finally:
                # Also one that did not start: by itself it closes only after the errors that it expects.
                await client.close()

    async def _look(self) -> None:
        """Learns which workers there are."""
        client = self._client
        if client is None or client.status != "running":
            return
        found: dict[str, Any] = (await client.scheduler.identity())["workers"]
        before = self.size
        # Whoever goes is told of, and how: that news may only be behind this.
        absent = self._workers.keys() - found.keys()
        for address in absent & self._absent:
            self._lose(address, expected=False)
        self._absent = absent
        for address, facts in found.items():
            if address not in self._workers and facts.get("status", "running") == "running":
                self._workers[address] = _Worker(address, facts["nthreads"])
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            self._give(task)
        if self.size != before:
            self._changed()

    def _on_event(self, event: Any) -> None:
        _, told = event
        match told.get("action"):
            case "remove-worker":
                self._lose(told["worker"], expected=bool(told.get("expected")))
                self._heard.set()
            case "add-worker":
                self._heard.set()
            case _:
                pass

    # ── who has what ───────────────────────────────────────────────────────────────────────────
    def _give(self, task: _Task) -> None:
        # Nothing is given beside a suspect, which waits for what its worker has to end.
        free = [worker for worker in self._workers.values() if worker.suspect is None]
        if self._client is None or not free:
            self._waiting.append(task)
            return
        worker = min(free, key=lambda one: len(one.tasks) / one.threads)
        worker.tasks.add(task)
        if task.alone:
            worker.suspect = task
        self._send(worker)

    def _send(self, worker: _Worker) -> None:
        """Sends what may go now: a suspect only when the worker has nothing else."""
        for task in list(worker.tasks):
            if task.sent or (task.alone and len(worker.tasks) > 1):
                continue
            # Dask must neither think that it has computed this before, nor try anywhere else.
            where = {"workers": [worker.address], "allow_other_workers": False, "pure": False, "retries": 0}
            task.sent = self._client.submit(task.fn, *task.args, **task.kwargs, **where, key=task.key)
            task.following = self._loop.create_task(self._follow(worker, task))

    async def _follow(self, worker: _Worker, task: _Task) -> None:
        try:
            result = await task.sent
        except (asyncio.CancelledError, CancelledError):
            # Its worker or the scheduler is gone, which is told elsewhere; or somebody cancelled it there.
            self._end(worker, task, error=Withdrawn("the cluster cancelled it"))
        except Exception as error:  # noqa: BLE001 - what a task raises is for its future
            self._end(worker, task, error=error)
        else:
            self._end(worker, task, result=result)

    def _end(
        self, worker: _Worker, task: _Task, *, result: Any = None, error: Exception | None = None
    ) -> None:
        if task not in worker.tasks:
            return
        worker.forget(task)
        task.tell(result, error)
        if self._client is not None:
            self._send(worker)
        if self._waiting:
            self._heard.set()

    def _lose(self, address: str, *, expected: bool) -> None:
        worker = self._workers.pop(address, None)
        if worker is None:
            return
        sent = [task for task in worker.tasks if task.sent is not None]
        for task in list(worker.tasks):
            worker.forget(task)
            if task.sent is None:
                self._give(task)
                continue
            if expected:
                task.tell(None, Withdrawn("its worker has left the cluster"))
            else:
                task.tell(None, WorkerLost(f"{address} is gone", sole=len(sent) == 1))
            assert task.following is not None
            task.following.cancel()
            task.sent.release()
        self._changed()

    def _lose_all(self) -> None:
        workers, self._workers = self._workers, {}
        waiting, self._waiting = self._waiting, []
        for worker in workers.values():
            waiting += worker.tasks
            worker.tasks.clear()
        for task in waiting:
            if task.following is not None:
                task.following.cancel()
            task.tell(None, Withdrawn("the scheduler is gone"))
        self._changed()


def _as_unreachable(error: Exception, address: str) -> OSError:
    """Another server's answer can be any error, while its bytes are taken for Dask's."""
    if isinstance(error, OSError):
        return error
    found = OSError(f"{address} cannot be used as a scheduler of Dask: {message_of(error)}")
    found.__cause__ = error
    return found


class _Worker:
    """A worker, and what it has."""

    def __init__(self, address: str, threads: int) -> None:
        self.address = address
        self.threads = max(threads, 1)
        self.tasks: set[_Task] = set()
        self.suspect: _Task | None = None

    def forget(self, task: _Task) -> None:
        """It has come to its end."""
        self.tasks.discard(task)
        if self.suspect is task:
            self.suspect = None


class _Task:
    """A piece of work."""

    def __init__(
        self, key: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, alone: bool
    ) -> None:
        self.key = key
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.alone = alone
        self.sent: Any = None
        self.following: asyncio.Task[None] | None = None
        self.future: Future[Any] = Future()
        # The cluster does not say when it begins, so it may have begun: no cancelling as if it had not.
        self.future.set_running_or_notify_cancel()

    def tell(self, result: Any, error: Exception | None) -> None:
        """Its future has its end."""
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)

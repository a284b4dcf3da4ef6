"""The embedded mode: a dispatcher on a thread of this process, for programs that want no second one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from concurrent.futures import Executor
from contextlib import contextmanager

from windlass.errors import StartFailed
from windlass.fields import checked_count
from windlass.service.traits import traits_of
from windlass.target import AppLike
from windlass.version import VERSION
from windlass.worker.dispatcher import Dispatcher
from windlass.worker.futures import FuturePool
from windlass.worker.isolate import run_start_callbacks
from windlass.worker.isolates import IsolatePool
from windlass.worker.local import LocalService
from windlass.worker.mixed import MixedPool
from windlass.worker.pool import Pool
from windlass.worker.threads import ThreadPool

log = logging.getLogger("windlass.service")

_START_S = 30.0
_EXTRA_S = 5.0


class Running:
    """An app that runs jobs in this process."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher

    def scale(self, threads: int) -> None:
        """Runs sync jobs in so many threads from now on: starts more, or lets some end when their jobs have.

        On an executor: gives it so many jobs at once.

        Raises:
            InvalidJob: not a number of threads.
        """
        self.dispatcher.scale(checked_count("threads", threads))


@contextmanager
def embedded(
    app: AppLike, *, executor: Executor | None = None, threads: int | None = None
) -> Generator[Running]:
    """Runs the app's jobs in this process while the block lasts.

    Raises:
        StartFailed: a start-up callback failed, or the database cannot be used.
    """
    app.prepare()
    settings = app.settings
    ready = threading.Event()
    failures: list[BaseException] = []
    pool, desk = _pool(app, executor, threads), app.make_desk()
    dispatcher = Dispatcher(
        app.store,
        pool,
        state_dir=app.state_dir,
        job_keys=app.registry.keys(),
        own_keys=app.registry.own_keys(),
        version=VERSION,
        mode="embedded",
        clock=app.clock,
        poll_s=settings.poll,
        grace_s=settings.grace,
        retention_us=round(settings.retention * 1_000_000),
        retention_count=settings.retention_count,
        sources=app.make_sources(),
        open_device=app.open_device,
        host=settings.host,
        labels=settings.labels,
        on_ready=ready.set,
        tap=lambda inbox: desk.tap(inbox, pool.held),
    )

    def work() -> None:
        try:
            dispatcher.run()
        except BaseException as error:
            failures.append(error)
            log.exception("the embedded dispatcher failed")
        finally:
            desk.close()
            ready.set()

    thread = threading.Thread(target=work, name="windlass-dispatcher", daemon=True)
    thread.start()
    ready.wait(_START_S)
    if failures:
        raise StartFailed(f"the embedded dispatcher did not start: {failures[0]}") from failures[0]
    try:
        yield Running(dispatcher)
    finally:
        dispatcher.stop(settings.grace)
        thread.join(settings.grace + _EXTRA_S)
    if failures:
        raise StartFailed(f"the embedded dispatcher failed: {failures[0]}") from failures[0]


def _pool(app: AppLike, executor: Executor | None, threads: int | None) -> Pool:
    traits = traits_of(app.registry)

    def on_start(service: LocalService) -> None:
        run_start_callbacks(app.registry, service, app.store)

    if executor is not None:
        here: Pool = FuturePool(
            executor,
            traits,
            target=lambda: app.target,
            make_performer=app.make_performer,
            on_start=on_start,
        )
    else:
        here = ThreadPool(
            app.make_performer,
            traits,
            threads=threads or app.settings.threads,
            async_concurrency=app.settings.async_concurrency,
            on_start=on_start,
        )
    isolated = frozenset(
        handler.key for handler in app.registry.handlers() if handler.options.isolation == "process"
    )
    if not isolated:
        return here
    isolates = IsolatePool(
        app.target, traits, count=app.settings.isolates, cancel_grace_s=app.settings.cancel_grace
    )
    return MixedPool(here, isolates, is_isolated=isolated.__contains__)

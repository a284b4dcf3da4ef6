"""Windlass: the façade. It composes, and holds no logic of its own."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, Unpack, overload

from windlass.audit import AuditManager
from windlass.backoff import Backoff
from windlass.bridge import asynchronous
from windlass.client import Client, JobDecorator, JobFunction, joins
from windlass.clock import Clock, SystemClock
from windlass.config import Settings, load_settings
from windlass.constraints import Constraints
from windlass.context import Context
from windlass.duration import Duration
from windlass.events import Event
from windlass.flow import Flow, Step
from windlass.handlers import Registry
from windlass.hosts import HostManager
from windlass.job import Job
from windlass.jobs import JobManager, QueueManager
from windlass.limits import LimitManager, RateLike
from windlass.notify import Notifier
from windlass.options import EnqueueOptions, Options
from windlass.outcome import Rule
from windlass.placing import GivenDevice, Placed
from windlass.schedules import PeriodicOptions, ScheduleManager, split
from windlass.scope import Scope
from windlass.store import open_store
from windlass.store.protocol import Durability, Store
from windlass.target import origin_of, target_of

if TYPE_CHECKING:
    from windlass.context.kept import LogBook
    from windlass.notify.channels import Channel
    from windlass.notify.desk import Desk
    from windlass.service.embedded import Running
    from windlass.service.process import ServiceControl
    from windlass.sync.manager import SyncManager
    from windlass.worker.executor import Performer
    from windlass.worker.sources import Source

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=Event)
F = TypeVar("F", bound=Callable[..., Any])


class Windlass(Placed):
    """An application's jobs: where they are kept, what runs them, and how they are enqueued.

    ``database`` is an SQLite file, or a ``postgresql://`` URL; nothing is opened before it is first used.
    Further keyword arguments are settings (see ``windlass.config.Settings``), which files, the environment
    and flags override.
    ``clock`` and ``device`` are for tests: see ``windlass.testing``.

    >>> import tempfile
    >>> app = Windlass(tempfile.mkdtemp() + "/app.db")
    >>> @app.job
    ... def greet(name: str) -> str:
    ...     return f"hello {name}"
    >>> greet.enqueue(name="Ada").key
    'greet'
    """

    def __init__(
        self,
        database: str | os.PathLike[str] | None = None,
        *,
        durability: Durability | None = None,
        clock: Clock | None = None,
        device: GivenDevice | None = None,
        **settings: Any,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.device = device
        self.registry = Registry()
        self._origin = origin_of(sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
        path = None if database is None else os.fspath(database)
        given: dict[str, Any] = {"database": path, "durability": durability, **settings}
        self._code_settings = {name: value for name, value in given.items() if value is not None}
        self._settings: Settings | None = None
        self._store: Store | None = None
        self._store_lock = threading.Lock()
        self.client = Client(lambda: self.store, self.registry, self.clock, lambda: self.settings.durability)
        self.notifier = Notifier(
            lambda: self.store, settings=lambda: self.settings, clock=lambda: self.clock, enqueue=self.enqueue
        )
        self.jobs = JobManager(lambda: self.store, clock=self.clock)
        self.queues = QueueManager(lambda: self.store)
        self.hosts = HostManager(lambda: self.store)
        self.audit = AuditManager(lambda: self.store)
        self.limits = LimitManager(lambda: self.store, self.registry)
        self.schedules = ScheduleManager(lambda: self.store, self.registry)

    # ── what it is made of ─────────────────────────────────────────────────────────────────────
    @property
    def settings(self) -> Settings:
        """The settings in force here, read at their first use."""
        if self._settings is None:
            self._settings = load_settings(defaults=self._code_settings)
        return self._settings

    @property
    def store(self) -> Store:
        """The store, opened and brought up to date at its first use."""
        if self._store is None:
            with self._store_lock:
                if self._store is None:
                    store = open_store(self.settings.database, self.clock)
                    store.migrate()
                    self._store = store
        return self._store

    @property
    def target(self) -> str:
        """Where another process finds this app: ``module:attr``, or a script's path and the name in it."""
        return self.settings.app or target_of(self, self._origin)

    @cached_property
    def service(self) -> ServiceControl:
        """The background service of this app: start, stop, is_running, invoke, on."""
        from windlass.service.process import ServiceControl

        return ServiceControl(lambda: self.settings, target=lambda: self.target)

    @cached_property
    def sync(self) -> SyncManager:
        """The tables of this app that are kept in step with remote collections."""
        from windlass.sync.manager import SyncManager

        return SyncManager(
            store=lambda: self.store,
            registry=self.registry,
            client=self.client,
            jobs=self.jobs,
            clock=lambda: self.store.clock,
            tell=lambda: self.notifier,
            declare_schedule=self.schedules.declare,
            poll_s=lambda: self.settings.poll,
            open_device=self.open_device,
        )

    @contextmanager
    def elsewhere(self, database: str | os.PathLike[str], *, clock: Clock | None = None) -> Generator[None]:
        """Keeps this app's jobs in another database, by another clock, while the block lasts: for tests."""
        before = self._settings, self._store, self.clock, self.__dict__.pop("service", None)
        self._settings = load_settings({"database": os.fspath(database)}, defaults=self._code_settings)
        self._store = None
        self._forget_tables()
        self.clock = clock or self.clock
        try:
            yield
        finally:
            self.close()
            self.__dict__.pop("service", None)
            self._settings, self._store, self.clock, service = before
            if service is not None:
                self.__dict__["service"] = service

    def close(self) -> None:
        """Closes the database and all connections, and stops listening to the service; using the app again
        reopens them."""
        if "service" in self.__dict__:
            self.service.close()
        self.notifier.close()
        with self._store_lock:
            if self._store is not None:
                self._store.close()
                self._store = None
        if "sync" in self.__dict__:
            self.sync.engine.close()

    def _forget_tables(self) -> None:
        if "sync" in self.__dict__:
            self.sync.engine.forget()

    # ── handlers ───────────────────────────────────────────────────────────────────────────────
    @overload
    def job(self, fn: Callable[Concatenate[Context, P], R], /) -> JobFunction[P, R]: ...
    @overload
    def job(self, fn: Callable[P, R], /) -> JobFunction[P, R]: ...
    @overload
    def job(
        self,
        key: str | None = None,
        /,
        *,
        max_attempts: int | None = None,
        timeout: Duration | None = None,
        queue: str = "default",
        priority: int = 0,
        backoff: Backoff | None = None,
        on_error: Mapping[type[BaseException], Rule] | None = None,
        isolation: Literal["process"] | None = None,
        concurrency: int | None = None,
        rate: RateLike | None = None,
        tags: Iterable[str] = (),
        logs: Literal["debug", "info", "warning", "error", "off"] | None = None,
        title: str | None = None,
        constraints: Constraints | None = None,
    ) -> JobDecorator: ...
    def job(self, key: Any = None, /, **options: Any) -> Any:
        """Makes a function a job: ``@app.job``, or ``@app.job("key", max_attempts=5, timeout="30s")``.

        The key is the function's name unless one is given. ``on_error`` maps exception types to what they
        mean: ``"retry"``, ``"fail"``, a ``Backoff``, or a function of the exception. ``isolation="process"``
        runs it in a child process also where the app runs embedded. With a ``title`` its progress is shown.
        ``concurrency`` and ``rate``, such as ``"50/s"``, limit the jobs of its key: see ``app.limits``.
        ``constraints`` must hold while it runs: see ``Constraints``.

        Raises:
            RegistrationError: the key is taken, or the function's signature cannot be a payload.
        """
        if callable(key):
            return self._register(key, None, {})
        return JobDecorator(lambda fn: self._register(fn, key, options))

    def _register(
        self, fn: Callable[..., Any], key: str | None, options: dict[str, Any]
    ) -> JobFunction[..., Any]:
        handler = self.registry.add(key or fn.__name__, fn, **options)
        return JobFunction(self.client, handler)

    def periodic(
        self,
        key: str | None = None,
        /,
        **options: Unpack[PeriodicOptions],
    ) -> JobDecorator:
        """Makes a function a job that is enqueued again and again: ``@app.periodic(cron="0 3 * * MON")``.

        Its schedule is called as the job, and added when a service or ``app.running()`` starts: see
        ``app.schedules.add``. Further options are those of ``app.job``.

        Raises:
            RegistrationError: as of ``app.job``; or an option of the schedule cannot be right.
        """

        def register(fn: Callable[..., Any]) -> JobFunction[..., Any]:
            name = key or fn.__name__
            when, how = split(options)
            self.schedules.declare(name, job=name, **when)
            return self._register(fn, name, how)

        return JobDecorator(register)

    def fallback(self, fn: F) -> F:
        """Makes a function the handler of every key that has none: it receives ``key`` and ``payload``."""
        self.registry.fallback(fn)
        return fn

    def on_start(self, fn: F) -> F:
        """Runs a function, with the service and a database connection, when each worker process starts."""
        self.registry.on_start(fn)
        return fn

    def on_error(self, fn: F) -> F:
        """Calls a function with every ``FailedAttempt``, in the process in which it failed."""
        return self.registry.on_error(fn)

    @overload
    def on_event(self, fn: Callable[[Event], Any], /) -> Callable[[Event], Any]: ...
    @overload
    def on_event(self, kind: type[E], /) -> Callable[[Callable[[E], Any]], Callable[[E], Any]]: ...
    def on_event(self, what: Any, /) -> Any:
        """Calls a function with every event, or with those of one kind: ``@app.on_event(SyncFailed)``.

        It runs in the process that finds the event out, once for each subject until that is over.
        """
        if not isinstance(what, type):
            self.notifier.on(Event, what)
            return what

        def decorate(fn: F) -> F:
            self.notifier.on(what, fn)
            return fn

        return decorate

    def notify_by(self, channel: Channel) -> Channel:
        """Tells people by this channel, too: any object with ``name``, ``show``, ``tell`` and ``close``."""
        self.notifier.add(channel)
        return channel

    def provide(self, kind: type[Any], factory: Callable[..., Any] | None = None) -> Any:
        """Makes a type injectable by annotation: ``app.provide(Rates, factory)``, or a decorator of one."""
        if factory is not None:
            self.registry.provide(kind, factory)
            return factory

        def decorate(fn: F) -> F:
            self.registry.provide(kind, fn)
            return fn

        return decorate

    def override(self, overrides: Mapping[type[Any], Any]) -> AbstractContextManager[None]:
        """Provides other values or factories, in this process, while the ``with`` block runs: for tests."""
        return self.registry.override(overrides)

    def scope(self, overrides: Mapping[type[Any], Any] | None = None) -> Scope:
        """Provided objects outside a handler: ``with app.scope() as scope: scope.get(Rates)``."""
        return self.registry.scope(lambda: self.store, overrides=overrides)

    # ── enqueue ────────────────────────────────────────────────────────────────────────────────
    def enqueue(
        self, key: str, payload: Mapping[str, Any] | None = None, **options: Unpack[EnqueueOptions]
    ) -> Job:
        """Writes a job by key, whether or not this program has the handler; see ``EnqueueOptions``."""
        return self.client.enqueue(key, payload, Options(**options))

    aenqueue = asynchronous(enqueue, here=joins)

    def enqueue_many(
        self, key: str, payloads: Iterable[Mapping[str, Any] | None], **options: Unpack[EnqueueOptions]
    ) -> list[Job]:
        """Writes one job for each payload, all in one commit or none; options as of ``enqueue``."""
        return self.client.enqueue_many(key, payloads, Options(**options))

    aenqueue_many = asynchronous(enqueue_many, here=joins)

    def step(
        self, key: str, payload: Mapping[str, Any] | None = None, **options: Unpack[EnqueueOptions]
    ) -> Step:
        """A job by key as a step of a chain or group: nothing is written before their ``enqueue``."""
        return self.client.step(key, payload, Options(**options))

    def flow(self, job_ids: Iterable[int]) -> Flow:
        """A handle for jobs that were enqueued together earlier: see ``Flow``."""
        return Flow(lambda: self.store, job_ids)

    def transaction(self) -> AbstractContextManager[Any]:
        """A connection in a write transaction: what is written and enqueued on it is kept whole, or not."""
        return self.store.transaction()

    # ── run ────────────────────────────────────────────────────────────────────────────────────
    def prepare(self) -> None:
        """Completes the handlers, and reads every signature now: before anything runs."""
        self.notifier.install(self.registry)
        self.registry.prepare()

    def make_desk(self) -> Desk:
        """What minds the status line, and tells of killed jobs, in a dispatcher's process."""
        from windlass.notify.desk import Desk

        return Desk(self.notifier, settings=self.settings, registry=self.registry, clock=self.clock)

    def make_performer(
        self, service: Any, report_progress: Callable[..., None], logs: LogBook | None = None
    ) -> Performer:
        """What runs handlers in this process."""
        from windlass.worker.lent import lent_by
        from windlass.worker.observed import make_performer

        self.notifier.install(self.registry)
        lent = lent_by(self, service, report_progress, logs)
        observers = [*self.registry.observers, *self.notifier.observers()]
        return make_performer(self.registry, lent, self.clock, observers)

    def make_sources(self) -> list[Source]:
        """What makes jobs by itself, for one dispatcher to ask. First, its limits are written down."""
        from windlass.worker.periodic import Periodic

        self.schedules.check()
        self.limits.put_declared()
        sources: list[Source] = [Periodic(self.store, self.schedules.put_declared)]
        if "sync" in self.__dict__ and (source := self.sync.source()) is not None:
            sources.append(source)
        return sources

    @contextmanager
    def running(self, *, executor: Executor | None = None, threads: int | None = None) -> Generator[Running]:
        """Runs jobs in this process while the block lasts: in threads, or on any ``Executor``.

        At the end no more are started, running ones get the grace period, and the rest goes back.
        """
        from windlass.service.embedded import embedded

        with embedded(self, executor=executor, threads=threads) as running:
            yield running


def freeze_support() -> None:
    """In a frozen program (of PyInstaller, say), call this first under ``if __name__ == "__main__":``.

    Its own executable then serves as the service's processes, too; elsewhere it does nothing.
    """
    from windlass.service.process import freeze_support as take_over

    take_over()

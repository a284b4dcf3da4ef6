"""``app.sync``: declare what is synced, see how it stands, and put right what waits for a person."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from windlass.backoff import Backoff
from windlass.client import Client
from windlass.clock import Clock
from windlass.constraints import Constraints
from windlass.duration import Duration
from windlass.errors import ConfigError
from windlass.handlers import Registry
from windlass.job import Job
from windlass.jobs import JobManager
from windlass.store.protocol import Store
from windlass.sync.engine import Engine
from windlass.sync.handle import Resource
from windlass.sync.merge import Policy
from windlass.sync.operations import checked_data, checked_key
from windlass.sync.remote import Remote
from windlass.sync.resource import FIRST_RETRY, Declared, FromRemote, Ids, Live, ToRemote, declare
from windlass.sync.returning import Returning
from windlass.sync.status import Status, Statuses
from windlass.sync.stream import Stream
from windlass.sync.tasks import PULL, SyncSource, Tasks
from windlass.sync.telling import Tell
from windlass.sync.views import DeadLetter, OpenConflict, PendingChange, SyncOperation

if TYPE_CHECKING:
    from windlass.device import AnyDevice


class SyncManager:
    """The synced tables of an app."""

    def __init__(
        self,
        *,
        store: Callable[[], Store],
        registry: Registry,
        client: Client,
        jobs: JobManager,
        clock: Callable[[], Clock],
        tell: Callable[[], Tell],
        declare_schedule: Callable[..., Any],
        poll_s: Callable[[], float],
        open_device: Callable[[Callable[[], None]], AnyDevice],
    ) -> None:
        self._store = store
        self._registry = registry
        self._declare_schedule = declare_schedule
        self._tell = tell
        self._poll_s = poll_s
        self._open_device = open_device
        self.engine = Engine(lambda: store().ledger, clock, tell)
        self._tasks = Tasks(self.engine, client, jobs, store)
        self._statuses = Statuses(self.engine, store, self._tasks)
        self._resources: dict[str, Resource] = {}

    # ── declare ────────────────────────────────────────────────────────────────────────────────
    def resource(
        self,
        table: str,
        *,
        remote: Remote | Callable[[], Remote],
        name: str | None = None,
        on_conflict: Policy = "ask",
        every: Duration | None = None,
        ids: Ids = "client",
        columns: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        rename: Mapping[str, str] | None = None,
        to_remote: ToRemote | None = None,
        from_remote: FromRemote | None = None,
        model: Any = None,
        batch: int = 50,
        page_size: int = 1000,
        max_attempts: int = 5,
        backoff: Backoff = FIRST_RETRY,
        debounce: Duration = "30ms",
        fresh_for: Duration | None = None,
        obey_max_age: bool = False,
        sweep_share: float = 0.5,
        direction: Literal["both", "pull", "push"] = "both",
        live: str | Live | None = None,
        constraints: Constraints | None = None,
    ) -> Resource:
        """Keeps a table in step with a remote collection. Nothing is opened or sent yet.

        ``remote``: a ``RestRemote``, an object with the calls of ``windlass.sync.remote.Remote``, or a
        function that makes one in the process that syncs.

        ``on_conflict``: what happens when a row was edited here and there: ``"ask"`` keeps both until
        someone calls ``resolve``; ``"client"``, ``"server"``, ``latest("column")``, ``merge(fields=...)``
        and a function decide by themselves.

        ``ids``: ``"client"`` where the row's key is the remote's id, too; ``"server"`` where the remote
        makes ids of its own, which are then kept beside the row.

        ``rename``, ``to_remote``, ``from_remote``: the remote's names for columns; functions from and to
        the remote's documents, for what names alone cannot do. ``model``: a type by which each document is
        checked; what does not fit it is quarantined.

        ``every``: pulls so often; an edit is pushed at once in any case. ``fresh_for``: a pull within this
        time after the last one sends nothing. ``sweep_share``: where more than this share of all rows is
        absent from a complete pull, or gone here unheard, nothing is deleted before someone says so.

        ``live``: a URL at which the remote tells that something has changed, as server-sent events, or
        ``Live(url, kind="poll")``: each such word starts a pull. The schedule goes on beside it.

        ``constraints``: what must hold while it is synced; without any it is tried whatever the device says.

        Raises:
            ConfigError: something in it cannot be right.
        """
        declared = declare(
            table, remote, name=name, on_conflict=on_conflict, every=every, ids=ids, columns=columns,
            exclude=exclude, rename=rename, to_remote=to_remote, from_remote=from_remote, model=model,
            batch=batch, page_size=page_size, max_attempts=max_attempts, backoff=backoff, debounce=debounce,
            fresh_for=fresh_for, obey_max_age=obey_max_age, sweep_share=sweep_share, direction=direction,
            live=live, constraints=constraints,
        )  # fmt: skip
        self.engine.add(declared)
        self._tasks.register(self._registry)
        self._schedule(declared)
        made = self._resources[declared.name] = Resource(
            declared.name, engine=self.engine, tasks=self._tasks, statuses=self._statuses, store=self._store,
            tell=self._tell, poll_s=self._poll_s,
        )  # fmt: skip
        return made

    def _schedule(self, declared: Declared) -> None:
        chosen = declared.settings
        if chosen.every_us is None or chosen.direction == "push":
            return
        asked = {} if chosen.constraints is None else {"constraints": chosen.constraints}
        self._declare_schedule(
            f"sync:{declared.name}", job=PULL, payload={"resource": declared.name},
            every=timedelta(microseconds=chosen.every_us), **asked,
        )  # fmt: skip

    def __getitem__(self, name: str) -> Resource:
        """The resource of that name.

        Raises:
            ConfigError: it is not declared.
        """
        self.engine.get(name)
        return self._resources[name]

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def source(self) -> SyncSource | None:
        """What makes its jobs, for a dispatcher; None where nothing is synced."""
        if not self._resources:
            return None
        returning = Returning(self._open_device, wake=lambda: self._store().ring("work"))
        return SyncSource(self.engine, self._tasks, returning)

    def install(self) -> None:
        """Puts the capture of every resource in place now. A service does so when it starts, and everything
        here does so when it is first used.

        Raises:
            ConfigError: a table is missing or cannot be synced; the others are captured.
        """
        problems = [self.engine.problem(name) for name in self._resources]
        for problem in problems:
            if problem is not None:
                raise problem

    # ── see ────────────────────────────────────────────────────────────────────────────────────
    def status(self) -> list[Status]:
        """How every resource stands, by name; one whose table cannot be synced is ``broken``."""
        return self._statuses.all()

    def undeclared(self) -> list[str]:
        """Resources that the database knows of, and this program does not declare."""
        return sorted(set(self._store().ledger.resources()) - set(self._resources))

    def watch(self, resource: str | None = None) -> Stream[Status]:
        """Each status as it is now, then each that changes; close it at the end."""
        return self._statuses.watch(resource, self._poll_s())

    def broken(self) -> dict[str, str]:
        """Resources whose table is missing or cannot be synced, each with the reason; the others go on."""
        found = {name: self.engine.problem(name) for name in sorted(self._resources)}
        return {name: str(problem) for name, problem in found.items() if problem is not None}

    def pending(self, limit: int = 50) -> list[PendingChange]:
        """Changes that are not at a remote yet, oldest first within each resource, with the reason."""
        return [one for resource in self._there() for one in resource.pending(limit)]

    def conflicts(self, limit: int = 50) -> list[OpenConflict]:
        """Conflicts that wait for a person."""
        return [one for resource in self._there() for one in resource.conflicts(limit)]

    def dead(self, limit: int = 50) -> list[DeadLetter]:
        """Changes that a remote rejected, or that failed too often."""
        return [one for resource in self._there() for one in resource.dead(limit)]

    # ── do ─────────────────────────────────────────────────────────────────────────────────────
    def now(self, resource: str | None = None) -> list[Job]:
        """Asks the service to push and pull at once, also where it would have waited; the jobs."""
        return [job for one in self._chosen(resource) for job in one.now()]

    def pause(self, resource: str | None = None) -> None:
        """Neither pushes nor pulls until ``resume``, in every process; edits are still captured.

        Raises:
            ConfigError: a table cannot be synced, and so it cannot be paused; the others are.
        """
        for one in self._chosen(resource):
            one.pause()
        if resource is None and (broken := self.broken()):
            raise ConfigError("; ".join(broken.values()))

    def resume(self, resource: str | None = None) -> None:
        """Goes on, and asks the remotes at once."""
        for one in self._chosen(resource):
            one.resume()

    def enqueue(self, operation: SyncOperation, *, connection: Any = None) -> str:
        """Queues an operation to be sent as it is; its id. It goes after what is pending for its row.

        ``connection``: a ``sqlite3`` connection of your own: then it is kept if its transaction is.

        Raises:
            ConfigError: no resource has that table.
            InvalidPayload: its data or its key is nothing that could be sent; the message says where.
        """
        names = [one.name for one in self.engine.declared.values() if one.settings.table == operation.table]
        if not names:
            raise ConfigError(
                f"no resource has the table {operation.table!r}: declare it with app.sync.resource"
            )
        if connection is None:
            self.engine.install(names[0])
        made = self.engine.ledger.enqueue(
            op=operation.type, table=operation.table, local_id=checked_key(operation.local_id),
            data=checked_data(operation.data), connection=connection,
        )  # fmt: skip
        if connection is None:
            self._store().ring()
        return made

    @contextmanager
    def schema_change(self, resource: str | None = None) -> Generator[None]:
        """Lifts the capture while a table is rebuilt, and finds afterwards what was changed meanwhile.

        Edits by other programs during the block are found, too, by comparing the table with what the remote
        is known to have.
        """
        names = [one.name for one in self._chosen(resource)]
        for name in names:
            self.engine.install(name)
            self.engine.ledger.lift(name)
        try:
            yield
        finally:
            self.engine.forget()
            for name in names:
                self.engine.install(name)
                self.engine.losses.recapture(self.engine.ledger, self.engine.get(name).settings)
            self._store().ring()

    def forget(self, resource: str) -> None:
        """Lets go of all that is known of a resource: what is pending, what its remote last said, how far the
        pull has come. The table stays as it is; what declares it still begins anew with it.

        ``resource``: one that the database knows of, declared here or not.

        Raises:
            ConfigError: it knows of none of that name.
            ResourceBusy: a push or pull is under way.
        """
        ledger = self.engine.ledger
        with ledger.hold(resource):
            ledger.remove(resource)
        self.engine.forget()
        self._store().ring()

    def _chosen(self, resource: str | None) -> list[Resource]:
        return self._there() if resource is None else [self[resource]]

    def _there(self) -> list[Resource]:
        """All but those whose table cannot be synced, as ``status`` and ``broken`` say."""
        return [one for one in self if self.engine.problem(one.name) is None]

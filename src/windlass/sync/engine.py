"""The engine: every declared resource made ready, and one push or pull of one of them, from start to end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from windlass.change import Table
from windlass.clock import Clock, monotonic, sleep
from windlass.errors import ConfigError, RemoteError, ResourceBusy
from windlass.store.ledger import Hold, Ledger, OriginState
from windlass.sync.cycle import Cycle, Over, Reference
from windlass.sync.losses import Losses, bring_back
from windlass.sync.origins import Origin
from windlass.sync.pull import Pull
from windlass.sync.pulled import Pulled
from windlass.sync.push import Push, Pushed
from windlass.sync.resource import Declared
from windlass.sync.telling import Postponed, Tell, Telling
from windlass.sync.ways import Direction, Trouble, trouble_of

if TYPE_CHECKING:
    from windlass.sync.live import Pokes

log = logging.getLogger("windlass.sync")

_SOON_S, _NAP_S = 10.0, 0.05
_LACKING_US = 5_000_000
"""A table that others refer to is looked for again."""


def _unreported(done: int, total: int | None) -> None:
    """Where nobody wants to know how far it is."""


class Engine:
    """Pushes and pulls the resources of one program. Thread-safe."""

    def __init__(
        self, ledger: Callable[[], Ledger], clock: Callable[[], Clock], tell: Callable[[], Tell]
    ) -> None:
        self.declared: dict[str, Declared] = {}
        self.losses = Losses()
        self._ledger = ledger
        self._clock_now = clock
        self._telling = Telling(clock, tell)
        self._cycles: dict[str, Cycle] = {}
        self._tables: dict[str, Table] = {}
        self._remotes: dict[str, Any] = {}
        self._schema_version = -1
        self._lock = threading.RLock()

    @property
    def ledger(self) -> Ledger:
        """Where it is all written down."""
        return self._ledger()

    @property
    def _clock(self) -> Clock:
        return self._clock_now()

    def now_us(self) -> int:
        """The wall time, by the program's clock."""
        return self._clock.wall_us()

    @contextmanager
    def hold_soon(self, name: str) -> Generator[Hold]:
        """The hold of a resource, waiting a little for a push or pull under way.

        Raises:
            ResourceBusy: it goes on for longer than that.
        """
        deadline = monotonic() + _SOON_S
        with ExitStack() as stack:
            while True:
                try:
                    hold = stack.enter_context(self.cycle(name).ledger.hold(name))
                    break
                except ResourceBusy:
                    if monotonic() > deadline:
                        raise
                    sleep(_NAP_S)
            yield hold

    def forget(self) -> None:
        """Looks at the tables anew before their next use: the database is another one, or was changed."""
        with self._lock:
            self._cycles.clear()
            self._tables.clear()

    def close(self) -> None:
        """Closes the connections of its remotes, where they have any; the next use opens new ones."""
        self.forget()
        with self._lock:
            remotes = list(self._remotes.values())
            self._remotes.clear()
        for remote in remotes:
            if (close := getattr(remote, "close", None)) is not None:
                close()

    def add(self, declared: Declared) -> None:
        """Makes a declaration known.

        Raises:
            ConfigError: another resource has its name or its table.
        """
        for other in self.declared.values():
            if other.name == declared.name or other.settings.table == declared.settings.table:
                raise ConfigError(
                    f"the table {declared.settings.table} is synced already, as the resource {other.name!r}: "
                    "a table has one remote"
                )
        self.declared[declared.name] = declared
        self.forget()

    def get(self, name: str) -> Declared:
        """The declaration of that name.

        Raises:
            ConfigError: there is none.
        """
        try:
            return self.declared[name]
        except KeyError:
            known = ", ".join(sorted(self.declared)) or "none"
            raise ConfigError(f"there is no resource {name!r}: this program declares {known}") from None

    # ── ready ──────────────────────────────────────────────────────────────────────────────────
    def install(self, name: str) -> Table:
        """Puts a resource's capture in place, where it is not yet, and gives its table.

        Raises:
            ConfigError: the table is missing or cannot be synced as declared.
        """
        with self._lock:
            self._notice_new_schema()
            if name not in self._tables:
                declared = self.get(name)
                ledger = self.ledger
                table = declared.synced(ledger.describe(declared.settings.table))
                if self.losses.install(ledger, declared.settings, table):
                    log.info("%s: the capture of %s is in place", name, table.name)
                self._tables[name] = table
            return self._tables[name]

    def problem(self, name: str) -> ConfigError | None:
        """Why the table of a resource cannot be synced as it is; None: it can."""
        try:
            self.install(name)
        except ConfigError as error:
            return error
        return None

    def cycle(self, name: str) -> Cycle:
        """A resource with all it needs.

        Raises:
            ConfigError: it is not declared, or its table cannot be synced.
        """
        with self._lock:
            self._notice_new_schema()
            if name not in self._cycles:
                self._cycles[name] = self._make(name)
            return self._cycles[name]

    def _notice_new_schema(self) -> None:
        """A table that was rebuilt or altered, here or by another program, is looked at anew."""
        version = self.ledger.schema_version()
        if version != self._schema_version:
            self._schema_version = version
            self._cycles.clear()
            self._tables.clear()

    def _make(self, name: str) -> Cycle:
        declared, ledger = self.get(name), self.ledger
        table = self.install(name)
        if name not in self._remotes:
            self._remotes[name] = declared.make_remote()
        remote = self._remotes[name]
        children, parents = self._referrers(table), self._references(table)
        return Cycle(
            settings=declared.settings,
            table=table,
            mapper=declared.mapper(table),
            remote=remote,
            ledger=ledger,
            origin=Origin(remote.origin, ledger, self._clock),
            clock=self._clock,
            parents=parents,
            children=children,
            lacks=self._lacking(parents),
        )

    def _references(self, table: Table) -> tuple[Reference, ...]:
        by_table = {one.settings.table: one for one in self.declared.values()}
        return tuple(
            Reference(key.column, parent.name, parent.settings.ids == "server")
            for key in table.foreign_keys
            if (parent := by_table.get(key.table)) is not None
        )

    def _referrers(self, table: Table) -> tuple[Reference, ...]:
        found: list[Reference] = []
        for name in self.declared:
            if self.problem(name) is not None:
                # Nothing of it is known, and it says so itself; the others go on without it.
                continue
            child = self.install(name)
            found += [
                Reference(key.column, name, False) for key in child.foreign_keys if key.table == table.name
            ]
        return tuple(found)

    def _lacking(self, parents: Iterable[Reference]) -> str | None:
        for parent in parents:
            if (problem := self.problem(parent.resource)) is not None:
                return f"it refers to {parent.resource}, which cannot be synced: {problem}"
        return None

    def related(self, name: str) -> set[str]:
        """The resources whose rows may have waited for this one's."""
        cycle = self.cycle(name)
        return {one.resource for one in (*cycle.parents, *cycle.children)} - {name}

    def listen(self, name: str, on_poke: Callable[[], None]) -> Pokes:
        """Calls ``on_poke``, on a thread of its own, whenever the remote says that something has changed.

        Raises:
            ConfigError: the remote has no HTTP transport to listen by.
        """
        from windlass.sync.http import Transport
        from windlass.sync.live import Pokes

        live = self.get(name).settings.live
        transport = getattr(self.cycle(name).remote, "transport", None)
        if live is None or not isinstance(transport, Transport):
            raise ConfigError(
                f"{name}: live= takes a RestRemote, or a remote with its Transport as .transport"
            )
        pokes = Pokes(transport, live.url, on_poke, kind=live.kind)
        pokes.start()
        return pokes

    def known_origin(self, name: str) -> OriginState | None:
        """What is known of the server of a resource, without making its remote; None: nothing is.

        Whoever of those that speak to it has found it so. Of a remote that a function makes it is known in
        the process that made it, and in others once the resource had to wait for its server.
        """
        remote = self._remotes.get(name) or self.get(name).remote
        origin = self.ledger.notes(name).get("origin") if remote is None else remote.origin
        return self.ledger.origin(origin) if isinstance(origin, str) else None

    def trouble(self, name: str, direction: Direction) -> Trouble | None:
        """What is wrong with the pull or the push of a resource alone; None: nothing."""
        return trouble_of(self.ledger.notes(name), direction)

    def forgive(self, name: str) -> None:
        """Somebody wants it tried at once, whatever was said or went wrong before."""
        cycle = self.cycle(name)
        cycle.origin.forgive()
        for direction in ("push", "pull"):
            self._telling.way(cycle, direction).forgive()

    # ── run ────────────────────────────────────────────────────────────────────────────────────
    def push(
        self,
        name: str,
        *,
        report: Callable[[int, int], None] = _unreported,
        stopping: Callable[[], bool] = lambda: False,
        force: bool = False,
        sweep_all: bool = False,
    ) -> Pushed:
        """Sends what is pending; nothing where the resource is only pulled.

        Raises:
            Postponed: the remote is to be left alone for a while.
            ResourceBusy: another process is at it.
            SweepRefused: so many rows are gone here that someone must say first what it means.
        """
        cycle = self.cycle(name)
        if cycle.settings.direction == "pull":
            return Pushed()
        self.losses.refuse(cycle.ledger, cycle.settings, allowed=sweep_all)
        push = Push(cycle, report=report, stopping=stopping)
        try:
            self._refuse_early(cycle, "push", force=force)
            with cycle.ledger.hold(name) as hold:
                push.run(hold)
        except RemoteError as error:
            raise self._telling.failed(cycle, "push", error, stopping=stopping()) from error
        finally:
            self._telling.pushed(name, push.done)
        if push.done.sent or not stopping():
            self._telling.went_well(cycle, "push", asked=push.done.sent > 0)
        return push.done

    def pull(
        self,
        name: str,
        *,
        report: Callable[[int, int | None], None] = _unreported,
        stopping: Callable[[], bool] = lambda: False,
        force: bool = False,
        anyway: bool = False,
        sweep_all: bool = False,
    ) -> Pulled:
        """Brings what is new at the remote, unless what is here is fresh enough.

        Nothing where the resource is only pushed. ``force``: at once, whatever was said before. ``anyway``:
        however fresh it is, but no sooner than the remote may be asked.

        Raises:
            Postponed: the remote is to be left alone for a while.
            ResourceBusy: another process is at it.
            SweepRefused: so many rows are gone here that someone must say first what it means.
        """
        cycle = self.cycle(name)
        if cycle.settings.direction == "push":
            return Pulled()
        self.losses.refuse(cycle.ledger, cycle.settings)
        if not (force or anyway) and self._is_fresh(cycle):
            return Pulled(fresh=True)
        told = cycle.ledger.notes(name).get("columns")
        columns = [column.name for column in cycle.table.columns]
        # What a column that is new here would have been told long ago, and what one that is gone was told is
        # kept beside the row from now on: everything is asked for once more.
        anew = sweep_all or (told is not None and set(columns) != set(told))
        pull = Pull(cycle, report=report, stopping=stopping, anew=anew, may_sweep_all=sweep_all)
        try:
            self._refuse_early(cycle, "pull", force=force)
            with cycle.ledger.hold(name) as hold:
                pull.run(hold)
        except RemoteError as error:
            raise self._telling.failed(cycle, "pull", error, stopping=stopping()) from error
        finally:
            self._telling.conflicts(name, pull.done.asked, pull.done.over)
        self._telling.pulled(cycle, pull.done)
        asked = pull.done.pages > 0 or pull.done.not_modified
        if asked or pull.done.ended:
            self._telling.went_well(cycle, "pull", asked=asked)
        return pull.done

    def bring_back(self, name: str) -> int:
        """Puts rows back that are gone here though nobody was heard to delete them; how many."""
        cycle, over = self.cycle(name), list[Over]()
        with self.hold_soon(name) as hold:
            brought = bring_back(cycle, hold, over)
        self._telling.conflicts(name, [], over)
        self.losses.refuse(cycle.ledger, cycle.settings)
        return brought

    def abort(self, name: str) -> None:
        """Ends the request of a push or pull under way, from any thread, where its remote can do that."""
        if (abort := getattr(self._remotes.get(name), "abort", None)) is not None:
            abort()

    def _refuse_early(self, cycle: Cycle, direction: Direction, *, force: bool) -> None:
        if cycle.lacks is not None:
            raise Postponed(cycle.lacks, _LACKING_US)
        if force:
            cycle.origin.forgive()
            self._telling.way(cycle, direction).forgive()
        elif (waits := self._telling.waits(cycle, direction)) is not None:
            raise waits

    def _is_fresh(self, cycle: Cycle) -> bool:
        state, chosen = cycle.ledger.state(cycle.name), cycle.settings
        if state.pulled_at_us is None or state.next_page is not None:
            return False
        fresh_for_us = chosen.fresh_for_us
        if chosen.obey_max_age:
            fresh_for_us = max(fresh_for_us, int(cycle.ledger.notes(cycle.name).get("max_age_us") or 0))
        return 0 <= self._clock.wall_us() - state.pulled_at_us < fresh_for_us

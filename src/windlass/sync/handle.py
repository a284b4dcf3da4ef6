"""One synced table in a program's hands: what ``app.sync.resource(...)`` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from windlass.change import KEEP, Change, Effect, Key, Standing, Table
from windlass.errors import SyncError
from windlass.job import Job
from windlass.store.ledger import Quarantined
from windlass.store.protocol import Store
from windlass.sync import reconcile
from windlass.sync.engine import Engine
from windlass.sync.pulled import Pulled
from windlass.sync.push import Pushed
from windlass.sync.resource import Settings
from windlass.sync.sides import Sides, sides_of
from windlass.sync.status import Status, Statuses
from windlass.sync.stream import Stream
from windlass.sync.tasks import PUSH, Tasks
from windlass.sync.telling import Tell
from windlass.sync.views import (
    DeadLetter,
    OpenConflict,
    PendingChange,
    Waiting,
    dead_letter_of,
    pending_of,
)


class Resource:
    """A table that is kept in step with a remote collection.

    A row's key is its primary key; of a key of several columns, the JSON array of their values.
    """

    def __init__(
        self,
        name: str,
        *,
        engine: Engine,
        tasks: Tasks,
        statuses: Statuses,
        store: Callable[[], Store],
        tell: Callable[[], Tell],
        poll_s: Callable[[], float],
    ) -> None:
        self.name = name
        self._engine = engine
        self._tasks = tasks
        self._statuses = statuses
        self._store = store
        self._tell = tell
        self._poll_s = poll_s

    def __repr__(self) -> str:
        return f"<resource {self.name!r}>"

    @property
    def settings(self) -> Settings:
        """As it was declared."""
        return self._engine.get(self.name).settings

    def table(self) -> Table:
        """Its table as sync sees it: the key and the columns that are synced.

        Raises:
            ConfigError: the table is missing, or cannot be synced.
        """
        return self._engine.cycle(self.name).table

    # ── look ───────────────────────────────────────────────────────────────────────────────────
    def status(self) -> Status:
        """How it stands now."""
        return self._statuses.read(self.name)

    def pending(self, limit: int = 50) -> list[PendingChange]:
        """Changes that the remote does not have yet, oldest first, each with the reason."""
        self._engine.install(self.name)
        now_us, edited = self._engine.now_us(), self._edited(limit)
        found = [
            change
            for _, change in self._engine.ledger.changes(self.name, status="pending", limit=limit)
            if not (change.captured and change.mutation_id is None and change.key in edited)
        ]
        found += [change for change in edited.values() if change is not None and change.status == "pending"]
        if not found:
            return []
        waiting = Waiting(
            paused=self._engine.ledger.is_paused(self.name),
            origin=self._engine.known_origin(self.name),
            trouble=self._engine.trouble(self.name, "push"),
            kept_from=self._engine.cycle(self.name).lacks or self._tasks.kept_from(self.name, PUSH),
            stays=self.settings.direction == "pull",
        )
        failed = self._failed(found[:limit])
        return [
            pending_of(self.name, change, now_us, waiting, failed=failed.get(change.key))
            for change in found[:limit]
        ]

    def conflicts(self, limit: int = 50) -> list[OpenConflict]:
        """Conflicts that wait for a person, oldest first."""
        self._engine.install(self.name)
        return [
            OpenConflict(resource=resource, key=key, conflict=conflict)
            for resource, key, conflict in self._engine.ledger.conflicts(self.name, limit)
        ]

    def dead(self, limit: int = 50) -> list[DeadLetter]:
        """Changes that the remote rejected, or that failed too often, oldest first."""
        self._engine.install(self.name)
        found = self._engine.ledger.changes(self.name, status="failed", limit=limit)
        edited = self._edited(limit)
        return [
            dead_letter_of(name, change)
            for name, change in found
            if change.hold != reconcile.DISCARDED
            and not (change.captured and edited.get(change.key, change) != change)
        ]

    def sides(self, *keys: Key) -> dict[Key, Sides]:
        """Rows as they stand now: when both sides agreed, here, and as the remote last said them."""
        self._engine.install(self.name)
        standings = self._engine.ledger.look(self.name, keys).standings
        return {standing.key: sides_of(standing) for standing in standings}

    def standing(self, key: Key) -> Standing:
        """All that is known of one row, read at one moment: as it stands, its changes and its conflict."""
        self._engine.install(self.name)
        return self._engine.ledger.look(self.name, [key]).standings[0]

    def runs(self, n: int = 20) -> list[Job]:
        """Its last pushes and pulls as jobs, as far as they are kept, newest first."""
        return self._tasks.runs(self.name, n)

    def faults(self) -> list[str]:
        """What is wrong with the capture of its edits, in sentences; empty where nothing is."""
        self._engine.install(self.name)
        return self._engine.ledger.faults(self.name)

    def quarantine(self, limit: int = 50) -> list[Quarantined]:
        """Remote rows that could not be written here, each with the reason; every pull tries them again."""
        self._engine.install(self.name)
        return self._engine.ledger.quarantined(self.name, limit)

    def changes(self, *, after: int | None = None) -> Stream[Key]:
        """The keys that pulls write, as they are written, whichever process pulls; close it at the end."""
        self._engine.install(self.name)
        ledger = self._engine.ledger
        seq = ledger.arrivals(self.name, after).seq if after is None else after

        def look() -> Iterator[Key]:
            nonlocal seq
            found = ledger.arrivals(self.name, seq)
            seq = found.seq
            yield from found.keys

        return Stream(look, self._store().bell("watch"), self._poll_s())

    def _edited(self, limit: int) -> dict[Key, Change | None]:
        """What is pending for rows that were edited since the last push looked at them: it may be offline."""
        ledger, now_us = self._engine.ledger, self._engine.now_us()
        keys = ledger.journal(self.name, limit)
        found: dict[Key, Change | None] = {}
        for standing in ledger.look(self.name, keys).standings if keys else ():
            pending = reconcile.fold(standing, now_us).pending
            found[standing.key] = standing.pending if pending is KEEP else pending
        return found

    def _failed(self, found: Sequence[Change]) -> dict[Key, Change]:
        """Of the rows of these changes, the oldest change that failed: those behind it wait for it."""
        keys = list(dict.fromkeys(change.key for change in found))
        failed: dict[Key, Change] = {}
        for standing in self._engine.ledger.look(self.name, keys).standings if keys else ():
            changes = (standing.sent, standing.pending, *standing.explicit)
            letters = [one for one in changes if one is not None and one.status == "failed"]
            if letters:
                failed[standing.key] = min(letters, key=lambda one: one.seq)
        return failed

    # ── put right ──────────────────────────────────────────────────────────────────────────────
    def resolve(
        self,
        key: Key,
        choice: Literal["mine", "theirs"] | Mapping[str, Any] | None,
        *,
        seen: Sides | None = None,
    ) -> None:
        """Settles a conflict: with this side's row, the remote's, one of your own, or none (None).

        ``seen``: what the choice was made upon, of ``sides``.

        Raises:
            SyncError: there is no conflict about that key, a side is not as it was ``seen`` any more, or the
                table refuses the row: then nothing is changed.
        """

        limits = self._engine.cycle(self.name).limits

        def work(standing: Standing) -> Effect:
            if standing.conflict is None:
                raise SyncError(f"{self.name} has no conflict about {key!r}: see conflicts()")
            if seen is not None and sides_of(standing) != seen:
                raise SyncError(f"{self.name}: {key!r} was edited meanwhile, here or there: look again")
            return reconcile.resolve(standing, choice, self._engine.now_us(), limits)

        self._change(key, work)
        self._tell().clear(f"conflict:{self.name}:{key}")

    def retry(self, key: Key) -> None:
        """Sends a dead letter again, as it is.

        Raises:
            SyncError: there is none for that key.
        """
        self._put_right(key, lambda standing: reconcile.retry(standing, self._engine.now_us()))

    def edit(self, key: Key, /, **columns: Any) -> None:
        """Changes columns of a rejected row here, and sends it again.

        Raises:
            SyncError: there is no dead letter for that key, or no such column, or the table refuses the row:
                then nothing is changed.
        """
        known = {column.name for column in self._engine.cycle(self.name).table.columns}
        for name in columns:
            if name not in known:
                raise SyncError(
                    f"{self.name} has no synced column {name!r}: it has {', '.join(sorted(known))}"
                )
        limits = self._engine.cycle(self.name).limits
        self._put_right(key, lambda one: reconcile.edit(one, columns, self._engine.now_us(), limits))

    def discard(self, key: Key) -> None:
        """Gives a dead letter up, and leaves the row here as it is, until it is edited again.

        Raises:
            SyncError: there is none for that key.
        """
        self._put_right(key, lambda standing: reconcile.discard(standing, self._engine.now_us()))

    def revert(self, key: Key) -> None:
        """Gives a dead letter up, and puts the row back to what the remote has.

        Raises:
            SyncError: there is none for that key, or the table refuses the remote's row.
        """
        self._put_right(key, lambda standing: reconcile.revert(standing, self._engine.now_us()))

    def _put_right(self, key: Key, work: Callable[[Standing], Effect]) -> None:
        self._change(key, work)
        self._tell().clear(f"dead:{self.name}:{key}")

    def _change(self, key: Key, work: Callable[[Standing], Effect]) -> None:
        cycle = self._engine.cycle(self.name)
        with self._engine.hold_soon(self.name) as hold:
            cycle.step(hold, [key], work, strict=True)
        self._store().ring()

    # ── run ────────────────────────────────────────────────────────────────────────────────────
    def now(self) -> list[Job]:
        """Asks the service to push and to pull at once, also where it would have waited; the two jobs."""
        return self._tasks.now(self.name)

    def push(self, *, sweep_all: bool = False) -> Pushed:
        """Pushes here, in this thread, and says what it did: nothing, with ``direction="pull"``.

        ``sweep_all``: delete there what is gone here, however much it is, and though nobody was heard to
        delete it.

        Raises:
            Postponed: the remote cannot be reached, or wants to be left alone.
            ResourceBusy: another process is at it.
            SweepRefused: so much is gone here that someone must say first whether it is to be deleted there.
        """
        return self._engine.push(self.name, force=True, sweep_all=sweep_all)

    def pull(self, *, sweep_all: bool = False) -> Pulled:
        """Pulls here, in this thread, and says what it did: nothing, with ``direction="push"``.

        ``sweep_all``: delete what is absent, however much it is.

        Raises:
            Postponed: the remote cannot be reached, or wants to be left alone.
            ResourceBusy: another process is at it.
            SweepRefused: so much is gone here that someone must say first whether it is to be deleted there.
        """
        return self._engine.pull(self.name, force=True, sweep_all=sweep_all)

    def bring_back(self) -> int:
        """Puts rows back that are gone here though nobody was heard to delete them, as the remote last said
        them; how many. The next pull asks for everything once more.

        Raises:
            ResourceBusy: a push or pull is under way.
        """
        brought = self._engine.bring_back(self.name)
        self._store().ring()
        return brought

    def pause(self) -> None:
        """Neither pushes nor pulls until ``resume``, in every process; edits are still captured."""
        self._engine.install(self.name)
        self._engine.ledger.switch(self.name, paused=True)

    def resume(self) -> None:
        """Goes on, and asks the remote at once."""
        self._engine.install(self.name)
        self._engine.ledger.switch(self.name, paused=False)
        self._tasks.now(self.name)

"""What a push and a pull have in common: a resource with all it needs, and the look-then-write step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from windlass.change import Effect, Key, Row, Standing, Table
from windlass.clock import Clock
from windlass.errors import SyncError
from windlass.store.ledger import Hold, Ledger
from windlass.sync.mapping import Mapper
from windlass.sync.origins import Origin
from windlass.sync.pending import carried_out
from windlass.sync.reconcile import Limits
from windlass.sync.remote import Remote
from windlass.sync.resource import Settings

ROUNDS = 50
"""So often a step is worked out again for rows that are edited faster than that; then the job comes back."""


class Reference(NamedTuple):
    """A column of this resource that refers to the key of another resource."""

    column: str
    resource: str
    server_ids: bool
    """The remote knows the parent by another id than its local key."""


class Over(NamedTuple):
    """Something about a row that a person was told of, and that is so no more."""

    kind: str
    """``conflict`` or ``dead``: how the subject of what was told begins."""
    key: Key


class Cycle(NamedTuple):
    """One resource, ready to be pushed or pulled."""

    settings: Settings
    table: Table
    mapper: Mapper
    remote: Remote
    ledger: Ledger
    origin: Origin
    clock: Clock
    parents: tuple[Reference, ...] = ()
    children: tuple[Reference, ...] = ()
    """Columns of other resources that refer to this one: ``resource`` is the child's name."""
    lacks: str | None = None
    """Why a table that this one refers to cannot be synced: then nothing is sent that would need it."""

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.settings.name

    @property
    def limits(self) -> Limits:
        """How patient the resource is, and what never changes in it."""
        return Limits(self.settings.max_attempts, self.settings.max_conflicts, self.table.key)

    def step(
        self,
        hold: Hold,
        keys: Sequence[Key],
        work: Callable[[Standing], Effect | None],
        *,
        over: list[Over] | None = None,
        refused: list[Key | None] | None = None,
        **more: Any,
    ) -> list[Effect]:
        """Looks, works out, writes; again for each key that was edited meanwhile. The effects, but for those
        of keys that were.

        What a person was told of and is over with them is added to ``over``; keys whose effects could not be
        carried out to ``refused``.

        Raises:
            SyncError: the rows are edited faster than they can be read.
        """
        done: list[Effect] = []
        todo: Sequence[Key] = list(dict.fromkeys(keys))
        for _ in range(ROUNDS):
            if not todo:
                return done
            look = self.ledger.look(self.name, todo)
            effects = [effect for standing in look.standings if (effect := work(standing)) is not None]
            left: list[Key | None] = []
            moved = set(self.ledger.write(hold, look.mark, effects, refused=left, **more))
            done += [effect for effect in effects if effect.key not in moved]
            if over is not None:
                stayed = {*moved, *left}
                over += [one for one in what_is_over(look.standings, effects) if one.key not in stayed]
            if refused is not None:
                refused += left
            todo = [key for key in todo if key in moved]
        raise SyncError(f"{self.name}: {len(todo)} rows are edited faster than they can be read")

    def remote_form(self, row: Row, changed: Row) -> Row:
        """The row with references as the remote knows them, never by our own key, which there is another's.

        Raises:
            SyncError: a reference that is to be ``changed`` is to a row that the remote does not know.
        """
        told: dict[str, Any] = {}
        for reference in self.parents:
            value = row.get(reference.column)
            if reference.server_ids and value is not None:
                known = self.ledger.remote_ids_of(reference.resource, [value])
                if value not in known and reference.column in changed:
                    raise SyncError(
                        f"{reference.column} refers to {value} of {reference.resource}, which is not there"
                    )
                # One that was there when this row was told of, and is gone.
                told[reference.column] = known.get(value)
        return {**row, **told} if told else row

    def local_form(self, rows: Iterable[Row]) -> Mapping[str, Mapping[Any, Key]]:
        """For each reference's column: the local key of each of the parents' remote ids in these rows."""
        found: dict[str, Mapping[Any, Key]] = {}
        rows = list(rows)
        for reference in self.parents:
            if reference.server_ids:
                values = {row[reference.column] for row in rows if row.get(reference.column) is not None}
                known = self.ledger.keys_of(reference.resource, [str(value) for value in values])
                found[reference.column] = {
                    value: known[str(value)] for value in values if str(value) in known
                }
        return found


def what_is_over(standings: Iterable[Standing], effects: Sequence[Effect]) -> list[Over]:
    """The conflicts and dead letters that these effects put an end to."""
    marked = {one.key: one for one in standings if one.conflict is not None or _is_dead(one)}
    found: list[Over] = []
    for effect in effects if marked else ():
        standing = None if effect.key is None else marked.get(effect.key)
        if standing is None:
            continue
        after = carried_out(standing, effect)
        if standing.conflict is not None and after.conflict is None:
            found.append(Over("conflict", standing.key))
        if _is_dead(standing) and not _is_dead(after):
            found.append(Over("dead", standing.key))
    return found


def _is_dead(standing: Standing) -> bool:
    sent, pending = standing.sent, standing.pending
    return (sent is not None and sent.status == "failed") or (
        pending is not None and pending.status == "failed"
    )

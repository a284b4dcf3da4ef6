"""Twins: one remote row that became two here.

The answer to an insert was lost, so the id that the remote gave it is not known; a pull then brings it as a
row of its own. When the resend is answered, that second row goes. What was edited in it since is given to the
one that was here first, and so is every row that refers to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from windlass.change import KEEP, Effect, Key, Standing
from windlass.errors import SyncError
from windlass.store.ledger import Hold
from windlass.sync.cycle import ROUNDS, Cycle, Over, what_is_over


def find_twins(cycle: Cycle, inserted: Mapping[str, Key]) -> dict[Key, Key]:
    """Of inserts that were answered, by remote id: the twin of each key that has one."""
    known = cycle.ledger.keys_of(cycle.name, list(inserted)) if inserted else {}
    return {inserted[remote_id]: key for remote_id, key in known.items() if key != inserted[remote_id]}


def join_twin(
    cycle: Cycle, hold: Hold, key: Key, twin: Key, settle: Callable[[Standing], Effect], over: list[Over]
) -> Effect:
    """Settles a row and removes its twin, in one commit; the row's effect.

    Raises:
        SyncError: one of the two is edited faster than it can be read.
    """
    for _ in range(ROUNDS):
        # While both are there, so that nothing ever refers to a row that is not.
        for child in cycle.children:
            cycle.ledger.repoint(child.resource, child.column, twin, key)
        look = cycle.ledger.look(cycle.name, [key, twin])
        standing, other = look.standings
        standing = _with_edits_of(other, standing)
        effect = settle(standing)
        if effect.row is KEEP:
            effect = effect._replace(row=standing.row)
        effects = [_leaving(twin), effect]
        if not cycle.ledger.write(hold, look.mark, effects, all_or_nothing=True):
            over += what_is_over(look.standings, effects)
            return effect
    raise SyncError(f"{cycle.name}: {key} and its twin {twin} are edited faster than they can be read")


def _leaving(twin: Key) -> Effect:
    return Effect(twin, row=None, shadow=None, sent=None, pending=None, conflict=None, remote=True)


def _with_edits_of(twin: Standing, standing: Standing) -> Standing:
    """The standing with what was edited in its twin put on top of its row."""
    if twin.row is None or twin.shadow is None or standing.row is None:
        return standing
    edited = {name: value for name, value in twin.row.items() if twin.shadow.row.get(name, value) != value}
    return standing._replace(row={**standing.row, **edited}) if edited else standing

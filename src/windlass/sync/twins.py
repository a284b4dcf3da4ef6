"""Twins: one remote row that became two here.

The answer to an insert was lost, so the id that the remote gave it is not known; a pull then brings it as a
row of its own. When the resend is answered, that second row goes, and what was edited in it since is given to
the one that was here first.
"""

from __future__ import annotations

from collections.abc import Mapping

from windlass.change import Effect, Key, Standing
from windlass.store.ledger import Hold
from windlass.sync.cycle import Cycle


def remove_twins(cycle: Cycle, hold: Hold, inserted: Mapping[str, Key]) -> dict[Key, Standing]:
    """Removes the twin of each of these inserts (by remote id); their standings, by the key that stays."""
    known = cycle.ledger.keys_of(cycle.name, list(inserted)) if inserted else {}
    twins = {key: inserted[remote_id] for remote_id, key in known.items() if key != inserted[remote_id]}
    found: dict[Key, Standing] = {}

    def leave(standing: Standing) -> Effect:
        found[twins[standing.key]] = standing
        return Effect(
            standing.key, row=None, shadow=None, sent=None, pending=None, conflict=None, remote=True
        )

    cycle.step(hold, list(twins), leave)
    return found


def with_edits_of(twin: Standing, standing: Standing) -> Standing:
    """The standing with what was edited in its twin put on top of its row."""
    if twin.row is None or twin.shadow is None or standing.row is None:
        return standing
    edited = {name: value for name, value in twin.row.items() if twin.shadow.row.get(name, value) != value}
    return standing._replace(row={**standing.row, **edited}) if edited else standing

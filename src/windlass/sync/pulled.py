"""What a pull did, counted page by page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from windlass.change import KEEP, Effect, Key
from windlass.store.ledger import Quarantined
from windlass.sync.cycle import Over
from windlass.sync.push import fields_of


class Pulled(msgspec.Struct, kw_only=True):
    """What a pull did."""

    pages: int = 0
    received: int = 0
    """Documents, unchanged ones included."""
    written: int = 0
    """Rows that changed here."""
    deleted: int = 0
    quarantined: int = 0
    not_modified: bool = False
    ended: bool = False
    """The remote has told everything that there was to tell."""
    fresh: bool = False
    """Nothing was asked: what is here is young enough."""
    sweep_refused: str | None = None
    asked: list[tuple[Key, tuple[str, ...]]] = []
    """Keys, with the fields, for which a person is asked about a conflict."""
    over: list[Over] = []
    """What a person was told of and is over."""
    max_age_s: float | None = None

    def count(
        self, effects: Sequence[Effect], bad: Sequence[Quarantined], refused: Sequence[Key | None]
    ) -> Sequence[Effect]:
        """Counts what became of a page; ``refused``: keys of rows that the table did not take. The others."""
        self.quarantined += len(bad) + len(refused)
        if refused:
            effects = _without(effects, refused)
        for effect in effects:
            if effect.row is None:
                self.deleted += 1
            elif effect.row is not KEEP:
                self.written += 1
            if effect.conflict is not KEEP and effect.conflict is not None and effect.key is not None:
                self.asked.append((effect.key, fields_of(effect)))
        return effects


def _without(effects: Sequence[Effect], refused: Sequence[Key | None]) -> list[Effect]:
    # Of rows whose keys the database makes any so many will do: each of them is a new row.
    left, kept = Counter(refused), list[Effect]()
    for effect in effects:
        if left[effect.key]:
            left[effect.key] -= 1
        else:
            kept.append(effect)
    return kept

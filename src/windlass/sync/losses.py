"""Rows that are gone here though nobody was heard to delete them, and too many to be taken at their word.

A table that is dropped and made anew looks like one whose every row was deleted. Nothing is sent or brought
then: a pull, too, would take what is absent for what was deleted here.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from windlass.change import Effect, Key, Row, Standing, Table
from windlass.clock import monotonic
from windlass.errors import SweepRefused
from windlass.store.ledger import LOST, Hold, Ledger
from windlass.sync.cycle import Cycle, Over
from windlass.sync.pending import basis, effect_of
from windlass.sync.pull import from_the_start
from windlass.sync.resource import Settings

log = logging.getLogger("windlass.sync")

_TOGETHER = 500
_RESTS = 50
"""So many times as long as a look for rows that came back takes, nobody looks again."""
_SETTLED_S = 60.0
"""Where some of them are back, and for so long no other one: those that are not may have been deleted."""


class _Seen(NamedTuple):
    """What such a look has found."""

    gone: int
    """Rows that were gone, and since when so many."""
    since: float
    judged: bool
    """It is known whether they are too many to be taken at their word."""
    again_at: float
    """By the monotonic clock, when it may be looked again."""


class Losses:
    """The resources that wait for such a word, as far as this process knows."""

    def __init__(self) -> None:
        self._found: set[str] = set()
        self._seen: dict[str, _Seen] = {}

    def install(self, ledger: Ledger, chosen: Settings, table: Table) -> bool:
        """Installs the capture, and notices where there was a loss; True where anything changed."""
        self._found.discard(chosen.name)
        self._seen.pop(chosen.name, None)
        try:
            pulls = chosen.direction != "push"
            return ledger.install(
                chosen.name, table, ids=chosen.ids, max_share=chosen.sweep_share, pulls=pulls
            )
        except SweepRefused as error:
            log.warning("%s", error)
            self._found.add(chosen.name)
            return True

    def refuse(self, ledger: Ledger, chosen: Settings, *, allowed: bool = False) -> None:
        """Looks again where there was a loss. ``allowed``: the rows are to be deleted there, too.

        Raises:
            SweepRefused: it is there still.
        """
        if chosen.name in self._found:
            ledger.recapture(chosen.name, max_share=1.0 if allowed else chosen.sweep_share)
            self._found.discard(chosen.name)

    def recapture(self, ledger: Ledger, chosen: Settings) -> None:
        """Looks once more for rows that were changed unheard, where there was no loss."""
        if chosen.name not in self._found:
            ledger.recapture(chosen.name, max_share=chosen.sweep_share)

    def waits(self, ledger: Ledger, name: str) -> bool:
        """True where it is there still, as far as anybody has looked."""
        if name in self._found and ledger.notes(name).get(LOST) is None:
            self._found.discard(name)
        return name in self._found

    def look_again(self, ledger: Ledger, chosen: Settings) -> None:
        """Notices rows that came back by themselves, where there was a loss; ``waits`` tells the outcome.

        May be called often. To compare all rows takes long where they are many: it is done for a small share
        of the time, and judged only where something has changed. While rows are still coming back, those
        that are to come are not deleted.
        """
        begun, seen = monotonic(), self._seen.get(chosen.name)
        if seen is not None and begun < seen.again_at:
            return
        count = len(ledger.absent(chosen.name))
        if seen is None:
            # Who has found the loss has judged it just now.
            seen = _Seen(count, begun, count > 0, 0.0)
        elif seen.gone != count:
            seen = _Seen(count, begun, False, 0.0)
        if not seen.judged and (count == 0 or begun >= seen.since + _SETTLED_S):
            seen = seen._replace(judged=True)
            try:
                self.refuse(ledger, chosen)
            except SweepRefused as error:
                log.info("%s", error)
        now = monotonic()
        self._seen[chosen.name] = seen._replace(again_at=now + _RESTS * (now - begun))


def bring_back(cycle: Cycle, hold: Hold, over: list[Over]) -> int:
    """Puts them back as the remote last said them, each with what was edited here and kept; how many. The
    next pull asks for everything once more.

    One that the table refuses is forgotten, so that the pull brings it as it would a new one. What a person
    was told of, and is over with it, is added to ``over``.
    """
    ledger, now_us = cycle.ledger, cycle.clock.wall_us()

    def back(standing: Standing) -> Effect | None:
        row = _as_it_was(standing)
        if standing.row is not None or row is None:
            return None
        after = standing._replace(row=row)
        return effect_of(standing, after, standing.pending, now_us)._replace(remote=True)

    def forgotten(standing: Standing) -> Effect | None:
        return None if standing.row is not None else Effect(standing.key, None, None, None, None, None)

    keys, brought = ledger.absent(cycle.name), 0
    for begin in range(0, len(keys), _TOGETHER):
        refused: list[Key | None] = []
        effects = cycle.step(hold, keys[begin : begin + _TOGETHER], back, over=over, refused=refused)
        cycle.step(hold, [key for key in refused if key is not None], forgotten, over=over)
        brought += len({effect.key for effect in effects}.difference(refused))
    columns = [column.name for column in cycle.table.columns]
    ledger.write(hold, 0, (), state=from_the_start(ledger.state(cycle.name), columns))
    return brought


def _as_it_was(standing: Standing) -> Row | None:
    """The row as far as the ledger knows it; None: it was deleted in the open.

    The table took the edits with it, but those that were read before are kept to be sent, to be tried again,
    or to be decided on.
    """
    row, pending, conflict = basis(standing), standing.pending, standing.conflict
    if row is None or (pending is not None and pending.op == "delete"):
        return None
    if conflict is not None:
        return None if conflict.mine is None else {**row, **conflict.mine}
    return row if pending is None else {**row, **pending.data}

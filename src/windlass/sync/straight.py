"""The short way of plain edits: sealed from the journal in one record, and settled without another look.

Nearly all edits are plain: of their row nothing is queued, and the remote takes them while nobody edits the
row again. For those, a batch is one record from its sealing to its answers, and no row of the queue.
Whatever is not plain is left to the steps of ``push.py``, which know every case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from windlass.change import KEEP, Change, Effect, Key, Standing, seals_of
from windlass.store.ledger import Hold, Mark
from windlass.sync import operations
from windlass.sync.cycle import Cycle, Over, what_is_over
from windlass.sync.identity import mutation_ids
from windlass.sync.reconcile import Answer, Took, held, is_idle, seal_idle, settle, took_idle
from windlass.sync.waiting import blocked


class Sealed(NamedTuple):
    """A change that is about to be sent, with the standing it was sealed in."""

    standing: Standing
    change: Change
    resend: bool


class Sealing(NamedTuple):
    """What is sent together."""

    sealed: list[Sealed]
    mark: Mark = 0
    """The journal's end when all of them were read …"""
    batch: int | None = None
    """… where they were idle then, and are sealed in one record: its number."""


def seal_edits(
    cycle: Cycle, hold: Hold, limit: int, *, is_tired: Callable[[Key], bool], over: list[Over]
) -> Sealing | None:
    """Seals the oldest edits straight from the journal; None: it is empty.

    A row that is idle gets what folding and sealing it would give. One that is not, or that is tired of being
    sent, is folded, and has to wait for its turn in the queue, as has one that waits for other rows.
    """
    ledger, now_us = cycle.ledger, cycle.clock.wall_us()
    keys = ledger.journal(cycle.name, limit)
    if not keys:
        return None
    look = ledger.look(cycle.name, keys)
    effects: list[Effect] = []
    sealed: dict[Key, Sealed] = {}
    mutations = mutation_ids(len(look.standings))
    for standing, mutation_id in zip(look.standings, mutations, strict=True):
        if is_tired(standing.key) or not is_idle(standing):
            effects.append(operations.folded(standing, now_us))
        elif (change := seal_idle(standing, mutation_id, now_us)) is not None:
            sealed[standing.key] = Sealed(standing, change, False)
        else:
            effects.append(Effect(standing.key))
    for key, why in blocked(cycle, [one.change for one in sealed.values()]).items():
        effects.append(held(sealed.pop(key).standing, why, now_us))
    if effects:
        moved = ledger.write(hold, look.mark, effects)
        over += [one for one in what_is_over(look.standings, effects) if one.key not in moved]
        # Edited between the look and the write, and maybe again and again: that is a step's to bear.
        cycle.step(hold, moved, lambda one: operations.folded(one, now_us), over=over)
    if not sealed:
        return Sealing([])
    batch = ledger.seal_batch(hold, look.mark, seals_of([one.change for one in sealed.values()]))
    if batch is None:
        # P2: what is not written down as sealed is not sent. Who can take the long way does.
        cycle.step(hold, list(sealed), lambda one: operations.folded(one, now_us), over=over)
        return Sealing([])
    return Sealing(list(sealed.values()), look.mark, batch)


def settle_edits(
    cycle: Cycle, hold: Hold, sealing: Sealing, answers: Mapping[Key, tuple[Sealed, Answer]]
) -> list[Effect]:
    """Settles those changes that the remote took and whose rows were not edited meanwhile; what was done.

    Only who holds the resource changes its ledger, so a row stands as the sealing left it, unless it was
    edited since: ``write`` sees that in the journal, and leaves it out. What is left out is in the queue.
    """
    if sealing.batch is None:
        return []
    effects: list[Effect] = []
    for one, answer in answers.values():
        if isinstance(answer, Took):
            effect = took_idle(one.standing, one.change, answer) or _settled(cycle, one, answer)
            if effect.pending is KEEP and effect.sent is None:
                effects.append(effect)
    refused: list[Key | None] = []
    moved = cycle.ledger.write(hold, sealing.mark, effects, batch=sealing.batch, refused=refused)
    left = {*moved, *refused}
    return [effect for effect in effects if effect.key not in left]


def _settled(cycle: Cycle, one: Sealed, answer: Took) -> Effect:
    standing = one.standing._replace(sent=one.change)
    return settle(standing, answer, cycle.settings.on_conflict, cycle.clock.wall_us(), cycle.limits)

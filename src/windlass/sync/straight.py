"""The short way of plain edits: from the journal to sealed in one commit, and settled without another look.

Nearly all edits are plain: of their row nothing is queued, and the remote takes them while nobody edits the
row again. For those, folding, sealing and settling are two writes in place of three, each after one look.
Whatever is not plain is left to the steps of ``push.py``, which know every case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from windlass.change import KEEP, Change, Effect, Key, Standing
from windlass.store.ledger import Hold
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
    mark: int | None = None
    """The journal's end when all of them were read, where they were idle then, and sealed in one write."""


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
    effects: dict[Key, Effect] = {}
    sealed: dict[Key, Sealed] = {}
    mutations = mutation_ids(len(look.standings))
    for standing, mutation_id in zip(look.standings, mutations, strict=True):
        key = standing.key
        if is_tired(key) or not is_idle(standing):
            effects[key] = operations.folded(standing, now_us)
            continue
        effects[key] = effect = seal_idle(standing, mutation_id, now_us)
        if isinstance(effect.sent, Change):
            sealed[key] = Sealed(standing, effect.sent, False)
    for key, why in blocked(cycle, [one.change for one in sealed.values()]).items():
        effects[key] = held(sealed.pop(key).standing, why, now_us)
    refused: list[Key] = []
    told = list(effects.values())
    moved = ledger.write(hold, look.mark, told, refused=refused)
    over += [one for one in what_is_over(look.standings, told) if one.key not in moved]
    for key in (*moved, *refused):
        # P2: what is not written down as sealed is not sent.
        sealed.pop(key, None)
    # Edited between the look and the write, and maybe again and again: that is a step's to bear.
    cycle.step(hold, moved, lambda one: operations.folded(one, now_us), over=over)
    return Sealing(list(sealed.values()), look.mark)


def settle_edits(
    cycle: Cycle, hold: Hold, sealing: Sealing, answers: Mapping[Key, tuple[Sealed, Answer]]
) -> list[Effect]:
    """Settles those changes that the remote took and whose rows were not edited meanwhile; what was done.

    Only who holds the resource changes its ledger, so a row stands as the sealing left it, unless it was
    edited since: ``write`` sees that in the journal, and leaves it out.
    """
    if sealing.mark is None:
        return []
    effects: list[Effect] = []
    for one, answer in answers.values():
        if isinstance(answer, Took):
            effect = took_idle(one.standing, one.change, answer) or _settled(cycle, one, answer)
            if effect.pending is KEEP and effect.sent is None:
                effects.append(effect)
    moved = set(cycle.ledger.write(hold, sealing.mark, effects))
    return [effect for effect in effects if effect.key not in moved]


def _settled(cycle: Cycle, one: Sealed, answer: Took) -> Effect:
    standing = one.standing._replace(sent=one.change)
    return settle(standing, answer, cycle.settings.on_conflict, cycle.clock.wall_us(), cycle.limits)

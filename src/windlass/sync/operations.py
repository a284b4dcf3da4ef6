"""Explicit operations: what a program put into the queue itself, sent as it was given.

They take their turn among the changes of their key, and are not compared with anything. Pure.
"""

from __future__ import annotations

import msgspec

from windlass.change import Change, Effect, RemoteRow, Standing
from windlass.sync.reconcile import Answer, Failing, Limits, Met, Refused, Took, Waiting, fold

replace = msgspec.structs.replace


def sealed(change: Change, mutation_id: str, version: str | None) -> Change:
    """The operation as it is about to be sent; a resend keeps its mutation id."""
    if change.mutation_id is not None:
        return change
    return replace(change, mutation_id=mutation_id, base_version=version, attempts=change.attempts + 1)


def answered(change: Change, answer: Answer, limits: Limits) -> Effect:
    """What becomes of an operation that was sent. The row it speaks of is the caller's to receive."""
    match answer:
        case Took():
            return Effect(change.key, ended=(change.seq,))
        case Refused():
            return _kept(_failed(change, answer.reason, answer.problem))
        case Met():
            if change.conflicts + 1 > limits.max_conflicts:
                return _kept(_failed(change, "the remote held a newer version each time it was sent", None))
            return _kept(_unsealed(replace(change, conflicts=change.conflicts + 1)))
        case Failing():
            if change.attempts >= limits.max_attempts:
                return _kept(_failed(change, answer.reason, None))
            waits = replace(change, due_at_us=answer.due_at_us, error=answer.reason)
            return _kept(waits if answer.applied is None else _unsealed(waits))
        case Waiting():
            given_back = replace(change, attempts=max(change.attempts - 1, 0))
            return _kept(given_back if answer.applied is None else _unsealed(given_back))


def tombstone_of(change: Change) -> RemoteRow:
    """What an accepted delete says of its row."""
    return RemoteRow(str(change.key), None)


def _kept(change: Change) -> Effect:
    return Effect(change.key, explicit=(change,))


def _unsealed(change: Change) -> Change:
    return replace(change, mutation_id=None, base_version=None)


def _failed(change: Change, reason: str, problem: str | None) -> Change:
    return replace(_unsealed(change), status="failed", error=reason, problem=problem)


def folded(standing: Standing, now_us: int) -> Effect:
    """What is pending, before the operations on a row that the remote does not have yet: they need it."""
    effect = fold(standing, now_us)
    pending = effect.pending
    if not isinstance(pending, Change) or pending.op != "insert" or pending.seq:
        return effect
    waiting = [one for one in standing.explicit if one.mutation_id is None and one.status == "pending"]
    return effect._replace(
        ended=tuple(one.seq for one in waiting),
        explicit=tuple(replace(one, seq=0) for one in waiting),
    )

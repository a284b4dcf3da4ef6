"""Explicit operations: what a program put into the queue itself, sent as it was given.

They take their turn among the changes of their key, and are not compared with anything. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from windlass.change import Change, Effect, RemoteRow, Standing
from windlass.errors import InvalidPayload
from windlass.payload import check_values, encode, type_name
from windlass.sync.reconcile import Answer, Failing, Limits, Met, Refused, Took, Waiting, fold

replace = msgspec.structs.replace


def checked_data(data: Any) -> dict[str, Any] | None:
    """An operation's columns as they are kept: what a job's payload may hold, texts of any length, and bytes.

    Raises:
        InvalidPayload: something in them is nothing that could be sent; the message says where.
    """
    if data is None:
        return None
    if not isinstance(data, Mapping):
        raise InvalidPayload(f"expected data to be a dict of columns, or None, got {type_name(data)}")
    found: dict[str, Any] = {}
    for name, value in cast("Mapping[Any, Any]", data).items():
        check_values({name: None}, "data")
        where = f"data.{name:.60}"
        if isinstance(value, str):
            found[name] = _checked_text(value, where)
        elif type(value) is bytes:
            found[name] = value
        else:
            check_values(value, where)
            found[name] = msgspec.json.decode(encode(value, where))
    return found


def checked_key(local_id: Any) -> Any:
    """The key of the row that an operation is about; None: it is about no row.

    Raises:
        InvalidPayload: it can be no row's key.
    """
    if isinstance(local_id, (list, tuple, Mapping)):
        raise InvalidPayload(
            "expected local_id to be the row's key, of several columns their JSON array as text, "
            f"got {type_name(local_id)}"
        )
    return _checked_text(local_id, "local_id") if isinstance(local_id, str) else local_id


def _checked_text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidPayload(f"{where} holds a lone surrogate, which is not text") from None
    return text


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
        case Met(theirs) if theirs.row is None and change.op != "insert":
            # No merge brings the row back that this was to be done to.
            return _kept(
                _failed(change, "the remote has no such row: it was deleted there, or never was", None)
            )
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

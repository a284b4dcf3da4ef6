"""What a person says about a conflict or a dead letter: functions from a ``Standing`` to an ``Effect``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from windlass.change import KEEP, Change, Effect, Row, Standing
from windlass.errors import SyncError
from windlass.sync.merge import Asks, decided, three_way
from windlass.sync.pending import (
    DISCARDED,
    PATIENT,
    Limits,
    carried_out,
    effect_of,
    failed,
    fold,
    fresh,
    unsealed,
)

_replace = msgspec.structs.replace


def resolve(
    standing: Standing, choice: Literal["mine", "theirs"] | Row | None, now_us: int, limits: Limits = PATIENT
) -> Effect:
    """Settles a conflict. The choice decides what is contested; what one side alone changed is kept.

    A row decides by its own columns, and must name all contested ones. None deletes the row. A sealed change
    whose outcome nobody knows is given up: what is sent now is made upon the version that was decided about.

    Raises:
        SyncError: there is no conflict, or the row does not decide it.
    """
    conflict = standing.conflict
    if conflict is None:
        raise SyncError(f"{standing.key!r} has no conflict to resolve: it may have been resolved meanwhile")
    theirs = standing.shadow.row if standing.shadow is not None else None
    if choice is None or isinstance(choice, Mapping):
        row = None if choice is None else decided(conflict.base, standing.row, theirs, choice, key=limits.key)
    elif choice in ("mine", "theirs"):
        side = "client" if choice == "mine" else "server"
        found = three_way(conflict.base, standing.row, theirs, side, key=limits.key)
        assert not isinstance(found, Asks)
        row = found.row
    else:
        raise SyncError(f'expected "mine", "theirs" or a row, got {choice!r:.80}')
    previous = unsealed(standing.sent) if standing.sent is not None else standing.pending
    if previous is not None:
        previous = fresh(previous)
    after = standing._replace(row=row, sent=None, conflict=None)
    return effect_of(standing, after, previous, now_us)


def retry(standing: Standing, now_us: int) -> Effect:
    """Sends dead letters of this row once more, as they are: counted from the start, and under the same
    mutation id where the remote may have applied it.

    Raises:
        SyncError: there is no dead letter.
    """
    _refuse_without_letter(standing)
    sent, pending = standing.sent, standing.pending
    if sent is not None and sent.status == "failed":
        sent = fresh(sent)
    if pending is not None and pending.status == "failed":
        pending = fresh(pending)
    effect = effect_of(standing, standing._replace(sent=sent), pending, now_us)
    return effect._replace(explicit=tuple(fresh(one) for one in _operations(standing)))


def edit(standing: Standing, row: Row, now_us: int, limits: Limits = PATIENT) -> Effect:
    """Changes columns of a dead letter's row, and sends it anew: an edit of the table and a retry in one.

    Raises:
        SyncError: there is no dead letter, it is a deletion, or an operation, which is sent as it was given.
    """
    _refuse_without_letter(standing)
    if standing.row is None:
        raise SyncError(f"{standing.key!r} is deleted here: retry, discard or revert its change")
    if not _has_captured_letter(standing):
        raise SyncError(
            f"{standing.key!r}: an operation is sent as it was given: discard it, and give another"
        )
    edited = standing._replace(row=decided(None, standing.row, standing.row, row, key=limits.key))
    folded = carried_out(edited, fold(edited, now_us))
    done = carried_out(folded, retry(folded, now_us)) if _has_captured_letter(folded) else folded
    return effect_of(standing, done, done.pending, now_us)


def discard(standing: Standing, now_us: int) -> Effect:
    """Gives dead letters up: the row stays as it is here, is not sent, and nobody is asked about it any more.

    It goes on to differ from the remote's. That difference stays in the queue, failed and held as
    ``discarded``, so that no pull overwrites it, and the row's next edit is sent with it. ``retry`` takes it
    back; ``revert`` gives the remote's row. An operation is removed.

    Raises:
        SyncError: there is no dead letter.
    """
    _refuse_without_letter(standing)
    sent = standing.sent
    if sent is not None and sent.status == "failed":
        effect = failed(standing, sent, sent.error or "", sent.problem, now_us)
    else:
        effect = fold(standing, now_us)
    effect = effect._replace(ended=tuple(one.seq for one in _operations(standing)))
    pending = standing.pending if effect.pending is KEEP else effect.pending
    if pending is None or pending.status != "failed" or standing.conflict is not None:
        return effect
    return effect._replace(pending=_replace(pending, hold=DISCARDED))


def revert(standing: Standing, now_us: int) -> Effect:
    """Puts the row back to what the remote has, and forgets what was changed here, whether it failed or not;
    operations that failed are removed.

    A change that is being sent, or may have been applied, is not taken back by that alone: what takes it back
    there is pending afterwards.

    Raises:
        SyncError: there is no dead letter.
    """
    _refuse_without_letter(standing)
    sent = standing.sent if standing.sent is not None and standing.sent.status == "pending" else None
    row = standing.shadow.row if standing.shadow is not None else None
    after = standing._replace(row=row, sent=sent, conflict=None)
    return effect_of(standing, after, None, now_us)._replace(
        ended=tuple(one.seq for one in _operations(standing))
    )


def _operations(standing: Standing) -> list[Change]:
    return [one for one in standing.explicit if one.status == "failed"]


def _has_captured_letter(standing: Standing) -> bool:
    return any(one is not None and one.status == "failed" for one in (standing.sent, standing.pending))


def _refuse_without_letter(standing: Standing) -> None:
    if not _has_captured_letter(standing) and not _operations(standing):
        raise SyncError(
            f"{standing.key!r} has no change that failed: it may have been sent or edited meanwhile"
        )

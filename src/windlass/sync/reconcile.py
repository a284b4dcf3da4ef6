"""What each step of a sync means for one row: functions from a ``Standing`` to an ``Effect``.

* A sealed change goes by an answer of the remote, by sight (what the remote holds says that it has it), or by
  the user's word; until then it is resent as it is.
* The remote's row may be seen while a sealed change is unanswered. Where the remote guards its versions that
  change is *overtaken*: it cannot be applied any more, so if the answer to its resend is that it was, then it
  was before, and what was seen is the newer one. Where it does not guard them, what was seen decides.
* In a conflict the row stays as it is here, and the shadow is the remote's. The merge base is the conflict's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from windlass.change import KEEP, Change, Effect, Keep, Key, RemoteRow, Row, Shadow, Standing
from windlass.sync.choices import discard, edit, resolve, retry, revert
from windlass.sync.merge import Policy, is_known, same
from windlass.sync.pending import (
    DISCARDED,
    PATIENT,
    Limits,
    base_of,
    basis,
    difference,
    effect_of,
    failed,
    fold,
    held,
    merged,
    pending_of,
    unsealed,
    with_sent,
)

__all__ = [
    "DISCARDED", "Answer", "Failing", "Limits", "Met", "Refused", "Took", "Waiting",
    "basis", "difference", "discard", "edit", "fold", "held", "is_idle", "is_new", "receive",
    "received_new", "resolve", "retry", "revert", "seal", "seal_idle", "settle", "took_idle",
]  # fmt: skip

_replace = msgspec.structs.replace
_NOTHING = Standing(0, None, None)[1:]
"""What is known where nothing is."""


# ── answers, in local form ─────────────────────────────────────────────────────────────────────────
class Took(NamedTuple):
    """The remote has the change. ``row`` is what it made of it; None: it did not say."""

    row: Row | None = None
    version: str | None = None
    remote_id: str | None = None
    extra: Mapping[str, Any] = {}


class Met(NamedTuple):
    """The remote holds a newer version, or a tombstone, and has not applied the change."""

    theirs: RemoteRow


class Refused(NamedTuple):
    """No resend can help."""

    reason: str
    problem: str | None = None


class Failing(NamedTuple):
    """The remote was reached and failed: counts. ``applied`` as in ``Waiting``."""

    reason: str
    due_at_us: int
    applied: bool | None = None


class Waiting(NamedTuple):
    """It could not be sent, or nobody knows whether it was: does not count.

    ``applied`` False: no send under this mutation id can have been applied, the earlier ones included. A
    resend that never left the machine says None.
    """

    applied: bool | None = None


Answer = Took | Met | Refused | Failing | Waiting


# ── sealing ────────────────────────────────────────────────────────────────────────────────────────
def seal(standing: Standing, mutation_id: str, now_us: int) -> Effect:
    """Makes what is pending ready to be sent: it is in the effect's ``sent``; KEEP: nothing may be sent.

    The attempt is counted before it is made. A change that is sealed already keeps everything else, its
    mutation id above all.
    """
    if (sent := standing.sent) is not None:
        if sent.status == "failed":
            return fold(standing, now_us)
        counted = _replace(sent, attempts=sent.attempts + 1)
        return effect_of(standing, standing._replace(sent=counted), standing.pending, now_us)
    pending = pending_of(standing, standing.pending, now_us)
    if pending is None or pending.status == "failed" or pending.hold is not None:
        return effect_of(standing, standing, pending, now_us)
    version = standing.shadow.version if standing.shadow is not None else None
    sealed = _replace(
        pending, mutation_id=mutation_id, base_version=version, attempts=pending.attempts + 1, due_at_us=0
    )
    return effect_of(standing, standing._replace(sent=sealed), None, now_us)


def is_idle(standing: Standing) -> bool:
    """True where nothing of the row is queued or in conflict: all there is to send is what was edited."""
    return standing[3:] == _NOTHING[2:]


def seal_idle(standing: Standing, mutation_id: str, now_us: int) -> Change | None:
    """What ``seal`` would make where the standing ``is_idle``: the difference; None: there is none."""
    key, row, shadow = standing[:3]
    found = difference(row, None if shadow is None else shadow.row)
    if found is None:
        return None
    op, data = found
    version = None if shadow is None else shadow.version
    return Change(
        key=key, op=op, data=data, created_at_us=now_us,
        mutation_id=mutation_id, base_version=version, attempts=1,
    )  # fmt: skip


# ── settling ───────────────────────────────────────────────────────────────────────────────────────
def settle(
    standing: Standing, answer: Answer, policy: Policy, now_us: int, limits: Limits = PATIENT
) -> Effect:
    """What the remote's answer to the sealed change makes of the row.

    Where nothing is sealed any more (its user has decided otherwise meanwhile) the answer changes nothing: if
    it is news, the next pull tells it.
    """
    sent = standing.sent
    if sent is None:
        return fold(standing, now_us)
    match answer:
        case Took():
            return _took(standing, sent, answer, policy, now_us, limits)
        case Met():
            return _met(standing, sent, answer.theirs, policy, now_us, limits)
        case Refused():
            return failed(standing, sent, answer.reason, answer.problem, now_us)
        case Failing():
            waits = _replace(sent, error=answer.reason, due_at_us=answer.due_at_us)
            if sent.attempts < limits.max_attempts:
                return _waits(standing, waits, answer.applied, now_us)
            if answer.applied is False or difference(standing.row, basis(standing)) is not None:
                return failed(standing, waits, answer.reason, None, now_us)
            # It may have been applied: a retry resends it under the same mutation id.
            dead = _replace(waits, status="failed")
            return effect_of(standing, standing._replace(sent=dead), standing.pending, now_us)
        case Waiting():
            given_back = _replace(sent, attempts=max(sent.attempts - 1, 0))
            return _waits(standing, given_back, answer.applied, now_us)


def _took(
    standing: Standing, sent: Change, answer: Took, policy: Policy, now_us: int, limits: Limits
) -> Effect:
    shadow, mine = standing.shadow, standing.row
    landed = basis(standing)
    if _overtaken(standing, sent):
        # What was seen since is newer than this answer, and holds what became of the change.
        new = shadow
    elif landed is None:
        new = None
    else:
        new = Shadow(
            {**landed, **(answer.row or {})},
            answer.version,
            answer.remote_id or (shadow.remote_id if shadow else None),
            answer.extra if answer.row is not None or shadow is None else shadow.extra,
        )
    theirs = new.row if new is not None else None
    if standing.conflict is not None:
        base = with_sent(standing.conflict.base, sent)
    elif theirs is None:
        base = None
    elif mine is None and sent.op != "delete":
        base = theirs
    else:
        # What was edited since it was sealed is newer than what the remote made of it (P5).
        moved = [name for name, value in sent.data.items() if mine and not same(mine.get(name), value)]
        base = None if landed is None else {**landed, **{n: theirs[n] for n in moved if n in theirs}}
    after = standing._replace(shadow=new, sent=None)
    return merged(standing, after, base, policy, standing.pending, now_us, limits)


def took_idle(standing: Standing, sent: Change, answer: Took) -> Effect | None:
    """``settle`` of what ``seal_idle`` sealed in this standing, where the row was not edited meanwhile.

    None: the remote made something else of it, which is to be merged. Otherwise row and shadow are one.
    """
    key, row, shadow = standing[:3]
    if row is None:
        return Effect(key, shadow=None, sent=None)
    landed = row if shadow is None else {**shadow.row, **sent.data}
    if answer.row is not None or landed != row:
        return None
    known, extra = (None, answer.extra) if shadow is None else (shadow.remote_id, shadow.extra)
    return Effect(key, shadow=Shadow(landed, answer.version, answer.remote_id or known, extra), sent=None)


def _met(
    standing: Standing, sent: Change, theirs: RemoteRow, policy: Policy, now_us: int, limits: Limits
) -> Effect:
    base = _seen(base_of(standing), sent, theirs.row)
    if sent.base_version is not None and theirs.version == sent.base_version and theirs.row is not None:
        if sent.attempts >= limits.max_attempts:
            reason = f"the remote says that {sent.base_version} is not its version, and tells no newer one"
            return failed(standing, sent, reason, None, now_us)
        again = _replace(unsealed(sent), conflicts=sent.conflicts + 1)
    else:
        again = _replace(unsealed(sent), conflicts=sent.conflicts + 1, attempts=0)
    after = standing._replace(shadow=_shadow(theirs, standing.shadow), sent=None)
    return merged(standing, after, base, policy, again, now_us, limits)


def _waits(standing: Standing, sent: Change, applied: bool | None, now_us: int) -> Effect:
    if applied is False:
        return effect_of(standing, standing._replace(sent=None), unsealed(sent), now_us)
    return effect_of(standing, standing._replace(sent=sent), standing.pending, now_us)


# ── receiving ──────────────────────────────────────────────────────────────────────────────────────
def receive(
    standing: Standing, remote: RemoteRow, policy: Policy, now_us: int, limits: Limits = PATIENT
) -> Effect:
    """What a row that a pull brings, or its tombstone, makes of the row here (L2)."""
    if remote.row is not None and (mine := _untouched(standing)) is not KEEP:
        # Nearly all rows that a pull brings: new ones, and those that nobody edited here.
        return _replaced(standing, mine, remote, remote.row)
    if _is_echo(standing.shadow, remote):
        return fold(standing, now_us)
    base, sent, previous = base_of(standing), standing.sent, standing.pending
    if sent is not None:
        base = _seen(base, sent, remote.row)
        if _holds(remote.row, sent):
            sent = None
        elif not _is_guarded(sent, remote):
            sent, previous = None, unsealed(sent)
    after = standing._replace(shadow=_shadow(remote, standing.shadow), sent=sent)
    return merged(standing, after, base, policy, previous, now_us, limits)


def is_new(standing: Standing) -> bool:
    """True where nothing is known of the key, and nothing is on its way: all that a first pull brings."""
    return standing[1:] == _NOTHING


def received_new(key: Key, remote: RemoteRow) -> Effect:
    """``receive`` where the standing ``is_new``, and the remote has the row."""
    remote_id, told, version, extra = remote
    assert told is not None
    return Effect(key, told, Shadow(told, version, remote_id, extra), KEEP, KEEP, KEEP, True)


def _untouched(standing: Standing) -> Row | Keep | None:
    """The row, where it is as the remote last said it and nothing is on its way; otherwise KEEP."""
    key, mine, shadow, sent, pending, conflict, explicit = standing
    del key
    if sent is not None or pending is not None or conflict is not None or explicit:
        return KEEP
    return mine if mine == (None if shadow is None else shadow.row) else KEEP


def _replaced(standing: Standing, mine: Row | None, remote: RemoteRow, told: Row) -> Effect:
    shadow = standing.shadow
    if mine is None or shadow is None:
        return received_new(standing.key, remote)
    row = {**mine, **told}
    if row == mine:
        # A list that tells no versions says nothing against the one that is known.
        version = shadow.version if remote.version is None else remote.version
        new = Shadow(row, version, remote.remote_id, remote.extra)
        return Effect(standing.key, shadow=KEEP if new == shadow else new)
    new = Shadow(row, remote.version, remote.remote_id, remote.extra)
    return Effect(standing.key, row, new, remote=True)


def _is_echo(shadow: Shadow | None, remote: RemoteRow) -> bool:
    if shadow is None or remote.row is None:
        return False
    return (
        is_known(shadow.row, remote.row)
        and remote.version in (None, shadow.version)
        and remote.extra == shadow.extra
    )


def _is_guarded(sent: Change, remote: RemoteRow) -> bool:
    """True where the remote refuses the sealed change from now on, if it has not applied it already."""
    if sent.op == "insert":
        return remote.row is not None and remote.version is not None
    return sent.base_version is not None and remote.version != sent.base_version


def _overtaken(standing: Standing, sent: Change) -> bool:
    """True where a newer row of the remote was seen since the change was sealed."""
    if sent.op == "insert":
        return standing.shadow is not None
    return standing.shadow is None or standing.shadow.version != sent.base_version


def _holds(theirs: Row | None, sent: Change) -> bool:
    """True where the remote's row has all that was sent."""
    if theirs is None or sent.op == "delete":
        return theirs is None and sent.op == "delete"
    told = {name: theirs[name] for name in sent.data if name in theirs}
    return bool(told) and is_known(sent.data, told)


def _seen(base: Row | None, sent: Change, theirs: Row | None) -> Row | None:
    """The base, with what was sent and is there now: whoever wrote it, nobody has to judge it again."""
    if _holds(theirs, sent):
        return with_sent(base, sent)
    if base is None or theirs is None:
        return base
    there = {name: value for name, value in sent.data.items() if name in theirs and same(theirs[name], value)}
    return {**base, **there}


def _shadow(remote: RemoteRow, known: Shadow | None) -> Shadow | None:
    if remote.row is None:
        return None
    row = remote.row if known is None else {**known.row, **remote.row}
    return Shadow(row, remote.version, remote.remote_id, remote.extra)

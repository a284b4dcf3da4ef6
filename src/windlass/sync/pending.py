"""What is pending for one row, and what a step leaves behind: shared by ``reconcile.py`` and ``choices.py``.

What is pending is always worked out anew, from the row and the *basis*: what the remote will hold once the
sealed change has landed. The stored pending change gives its place, its attempts and its hold, nothing else.
So each effect takes in edits that were not folded yet, and may remove their entries from the journal.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from windlass.change import KEEP, Change, Conflict, Effect, Operation, Row, Standing
from windlass.sync.merge import Asks, Policy, same, same_row, three_way

_replace = msgspec.structs.replace

CONFLICT, DISCARDED = "conflict", "discarded"
"""Why a change is held: until its conflict is resolved; because its user gave it up."""


class Limits(NamedTuple):
    """How patient a resource is, and what never changes in it."""

    max_attempts: int = 5
    """Counted answers after which a change has failed."""
    max_conflicts: int = 5
    """Newer versions that a change may meet; at the next one its user is asked, whatever the policy."""
    key: tuple[str, ...] = ()
    """The key's columns: no policy and no answer of the user's changes them."""


PATIENT = Limits()


# ── what is pending ────────────────────────────────────────────────────────────────────────────────
def basis(standing: Standing) -> Row | None:
    """What the remote will hold once the sealed change has landed.

    >>> from windlass.change import Shadow
    >>> shadow = Shadow({"id": 1, "title": "tea"}, "v1")
    >>> sent = Change(key=1, op="update", data={"title": "green tea"}, mutation_id="m1")
    >>> basis(Standing(1, None, shadow, sent))
    {'id': 1, 'title': 'green tea'}
    """
    known = standing.shadow.row if standing.shadow is not None else None
    return known if standing.sent is None else with_sent(known, standing.sent)


def difference(row: Row | None, basis: Row | None) -> tuple[Operation, Row] | None:
    """What turns ``basis`` into ``row``; None: nothing does, they are equal.

    >>> difference({"id": 1, "title": "tea", "done": 0}, {"id": 1, "title": "tea", "done": 1})
    ('update', {'done': 0})
    """
    if row is None:
        return None if basis is None else ("delete", {})
    if basis is None:
        return "insert", dict(row)
    if row == basis:
        return None
    # Most columns hold what they held, and are asked no further: equal and of one type is the same.
    changed = {
        name: value
        for name, value in row.items()
        if not ((known := basis.get(name)) is value or (known == value and type(known) is type(value)))
        and not same(value, known)
    }
    return ("update", changed) if changed else None


def fold(standing: Standing, now_us: int) -> Effect:
    """Brings what is pending up to date with the row."""
    return effect_of(standing, standing, standing.pending, now_us)


def held(standing: Standing, reason: str | None, now_us: int) -> Effect:
    """Holds back what is pending, for a reason, or lets it go (None). A conflict's hold stays."""
    pending = standing.pending
    if pending is not None:
        return effect_of(standing, standing, _replace(pending, hold=reason), now_us)
    effect = fold(standing, now_us)
    if isinstance(effect.pending, Change) and standing.conflict is None:
        return effect._replace(pending=_replace(effect.pending, hold=reason))
    return effect


# ── what they share ────────────────────────────────────────────────────────────────────────────────
def base_of(standing: Standing) -> Row | None:
    if standing.conflict is not None:
        return standing.conflict.base
    return standing.shadow.row if standing.shadow is not None else None


def with_sent(row: Row | None, sent: Change) -> Row | None:
    match sent.op:
        case "insert":
            return sent.data
        case "delete":
            return None
        case _:
            return None if row is None else {**row, **sent.data}


def unsealed(sent: Change) -> Change:
    return _replace(sent, mutation_id=None, base_version=None)


def fresh(change: Change) -> Change:
    hold = None if change.hold == DISCARDED else change.hold
    return _replace(
        change, status="pending", attempts=0, conflicts=0, due_at_us=0, error=None, problem=None, hold=hold
    )


def failed(standing: Standing, change: Change, reason: str, problem: str | None, now_us: int) -> Effect:
    """A dead letter of what was sealed; where the row was edited since, that edit is pending instead (P5)."""
    dead = _replace(unsealed(change), status="failed", error=reason, problem=problem)
    return effect_of(standing, standing._replace(sent=None), dead, now_us)


def merged(
    before: Standing,
    after: Standing,
    base: Row | None,
    policy: Policy,
    previous: Change | None,
    now_us: int,
    limits: Limits,
) -> Effect:
    """The effect of a merge of the row here with the shadow that it stands on afterwards."""
    theirs, version = (after.shadow.row, after.shadow.version) if after.shadow is not None else (None, None)
    if previous is not None and previous.conflicts > limits.max_conflicts:
        policy = "ask"
    found = three_way(base, after.row, theirs, policy, key=limits.key, version=version)
    if isinstance(found, Asks):
        raised = before.conflict.raised_at_us if before.conflict is not None else now_us
        conflict = Conflict(base=base, mine=after.row, theirs=theirs, version=version, raised_at_us=raised)
        after = after._replace(conflict=conflict)
        if found.reason is not None and (asking := pending_of(after, previous, now_us)) is not None:
            previous = _replace(asking, error=found.reason)
        return effect_of(before, after, previous, now_us)
    changed = not same_row(before.row, found.row)
    after = after._replace(row=found.row if changed else before.row, conflict=None)
    return effect_of(before, after, previous, now_us)._replace(remote=changed)


def pending_of(standing: Standing, previous: Change | None, now_us: int) -> Change | None:
    """What is pending, with what is known of it: its place, its attempts, why it waits."""
    found = difference(standing.row, basis(standing))
    if found is None:
        return None
    op, data = found
    if previous is None:
        previous = Change(key=standing.key, op=op, data=data, created_at_us=now_us)
    elif previous.op == op and same_row(previous.data, data):
        data = previous.data
    elif previous.status == "failed":
        # Not what was rejected any more.
        previous = fresh(previous)
    hold = None if previous.hold == CONFLICT else previous.hold
    if standing.conflict is not None:
        hold = CONFLICT
    return _replace(previous, op=op, data=data, hold=hold)


def effect_of(before: Standing, after: Standing, previous: Change | None, now_us: int) -> Effect:
    conflict = after.conflict
    if conflict is not None:
        theirs = after.shadow.row if after.shadow is not None else None
        settled = same_row(after.row, theirs)
        mine = conflict.mine if same_row(conflict.mine, after.row) else after.row
        conflict = None if settled else _replace(conflict, mine=mine)
        after = after._replace(conflict=conflict)
    dead = after.sent if after.sent is not None and after.sent.status == "failed" else None
    if dead is not None and difference(after.row, basis(after)) is not None:
        # What was edited since is to mend it: sent after it, it would wait for it for ever.
        after, previous = after._replace(sent=None), unsealed(dead)
    pending = pending_of(after, previous, now_us)
    return Effect(
        before.key,
        row=KEEP if same_row(before.row, after.row) else after.row,
        shadow=KEEP if before.shadow == after.shadow else after.shadow,
        sent=KEEP if before.sent == after.sent else after.sent,
        pending=KEEP if before.pending == pending else pending,
        conflict=KEEP if before.conflict == conflict else conflict,
    )


def carried_out(standing: Standing, effect: Effect) -> Standing:
    """The standing after the effect."""

    def now(old: Any, new: Any) -> Any:
        return old if new is KEEP else new

    return standing._replace(
        row=now(standing.row, effect.row),
        shadow=now(standing.shadow, effect.shadow),
        sent=now(standing.sent, effect.sent),
        pending=now(standing.pending, effect.pending),
        conflict=now(standing.conflict, effect.conflict),
    )

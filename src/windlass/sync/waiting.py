"""Parents before children, and a child's delete before its parent's: who must wait for whom."""

from __future__ import annotations

from collections.abc import Sequence

from windlass.change import Change, Key
from windlass.store.ledger import Hold
from windlass.sync.cycle import Cycle, Reference
from windlass.sync.reconcile import held

_PAGE = 500
_WHY = {"failed": "which the remote rejected", "missing": "which is not there"}


def blocked(cycle: Cycle, changes: Sequence[Change], *, deletes: bool = True) -> dict[Key, str]:
    """Of these changes, by key: what each one has to wait for."""
    found: dict[Key, str] = {}
    for reference in cycle.parents:
        _find_unsent_parents(cycle, reference, changes, found)
    if not deletes:
        return found
    deleted = [change.key for change in changes if change.captured and change.op == "delete"]
    for reference in cycle.children:
        if deleted:
            for key in cycle.ledger.children(reference.resource, reference.column, deleted):
                found[key] = f"child:{reference.resource}"
    return found


def _find_unsent_parents(
    cycle: Cycle, reference: Reference, changes: Sequence[Change], found: dict[Key, str]
) -> None:
    wanted: dict[Key, list[Key]] = {}
    for change in changes:
        value = change.data.get(reference.column)
        # A row that refers to itself waits for nobody.
        if value is not None and not (reference.resource == cycle.name and value == change.key):
            wanted.setdefault(value, []).append(change.key)
    if wanted:
        missing = cycle.ledger.unsent(reference.resource, list(wanted))
        if reference.server_ids:
            # Nobody but us knows a row by our key: to send that would make it refer to some other row.
            known = cycle.ledger.remote_ids_of(reference.resource, list(wanted))
            missing = {value: "missing" for value in wanted if value not in known} | missing
        for value, status in missing.items():
            for key in wanted[value]:
                found[key] = f"parent:{reference.resource}:{status}:{value}"


def let_go(cycle: Cycle, hold: Hold) -> None:
    """Takes the hold from every change that waits for nothing any more."""
    after = 0
    while page := cycle.ledger.held(cycle.name, after=after, limit=_PAGE):
        after = page[-1].seq
        waiting = {change.key: change for change in page if _waits_for_row(change)}
        if waiting:
            still = blocked(cycle, list(waiting.values()))
            free = [key for key in waiting if key not in still]
            now_us = cycle.clock.wall_us()
            cycle.step(hold, free, lambda standing, now_us=now_us: held(standing, None, now_us))


def _waits_for_row(change: Change) -> bool:
    return change.hold is not None and change.hold.startswith(("parent:", "child:"))


def sentence(hold: str) -> str:
    """Why a change is held, for people.

    >>> sentence("parent:notes:failed:7")
    'waits for 7 of notes, which the remote rejected'
    >>> sentence("child:notes")
    'waits until the rows of notes that refer to it are deleted there'
    """
    kind, _, rest = hold.partition(":")
    if kind == "parent":
        resource, status, key = rest.split(":", 2)
        why = _WHY.get(status, "which the remote does not have yet")
        return f"waits for {key} of {resource}, {why}"
    if kind == "child":
        return f"waits until the rows of {rest} that refer to it are deleted there"
    if hold == "discarded":
        return "was given up: it stays here as it is until it is edited again"
    return "waits for a conflict to be resolved" if hold == "conflict" else hold

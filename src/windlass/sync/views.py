"""What the manager shows and takes: operations, pending changes, conflicts, dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from windlass.change import Change, Conflict, Key
from windlass.clock import iso
from windlass.store.ledger import OriginState
from windlass.sync.pending import DISCARDED
from windlass.sync.waiting import sentence
from windlass.sync.ways import Trouble


class SyncOperation(msgspec.Struct, frozen=True, kw_only=True):
    """What a program wants to be sent as it is.

    ``type`` is ``insert``, ``update``, ``delete``, or a word of the remote's own. ``data`` is in local form,
    by column; ``local_id`` is the row's key.

    >>> SyncOperation(type="update", table="tasks", local_id=7, data={"done": 1}).type
    'update'
    """

    type: str
    table: str
    local_id: Any
    data: Mapping[str, Any] = {}


class PendingChange(msgspec.Struct, frozen=True, kw_only=True):
    """A local change that the remote does not have yet."""

    resource: str
    key: Key
    change: Change
    why: str
    """Why it is not there yet, in a sentence."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A local change that the remote rejected, or that failed too often: it waits for a person."""

    resource: str
    key: Key
    change: Change
    error: str
    problem: Any = None
    """The server's own problem document, where it sent one."""


class OpenConflict(msgspec.Struct, frozen=True, kw_only=True):
    """Two edits of one row that wait for a person, all sides visible. None stands for a deleted row."""

    resource: str
    key: Key
    conflict: Conflict

    @property
    def fields(self) -> dict[str, tuple[Any, Any, Any]]:
        """The columns in question: base, mine, theirs."""
        sides = self.conflict.base or {}, self.conflict.mine or {}, self.conflict.theirs or {}
        names = dict.fromkeys(name for side in sides[1:] for name in side)
        found = {name: (sides[0].get(name), sides[1].get(name), sides[2].get(name)) for name in names}
        return {name: values for name, values in found.items() if values[1] != values[2]}


class Waiting(NamedTuple):
    """What a resource's changes wait for together, as far as it is known."""

    paused: bool = False
    origin: OriginState | None = None
    trouble: Trouble | None = None
    """Of its pushes."""
    kept_from: str | None = None
    """Why its push may not start."""
    stays: bool = False
    """It is only pulled."""


def pending_of(
    resource: str, change: Change, now_us: int, waiting: Waiting, *, failed: Change | None = None
) -> PendingChange:
    """The change with the reason why it still waits; ``failed``: the oldest change of its row that failed."""
    if change.mutation_id is not None:
        why = "was sent, and its answer has not been seen"
    elif waiting.stays:
        why = 'stays here: its resource has direction="pull"'
    elif change.hold is not None:
        why = sentence(change.hold)
    elif failed is not None and (failed.seq < change.seq or not change.seq):
        is_given_up = failed.hold == DISCARDED
        why = "waits for an earlier change of its row, which " + (
            "was given up: retry or revert that" if is_given_up else "failed: retry, discard or revert that"
        )
    elif change.due_at_us > now_us:
        why = f"is sent again at {iso(change.due_at_us)}" + (f": {change.error}" if change.error else "")
    else:
        why = _why_together(resource, waiting)
    return PendingChange(resource=resource, key=change.key, change=change, why=why)


def _why_together(resource: str, waiting: Waiting) -> str:
    origin, trouble, kept_from = waiting.origin, waiting.trouble, waiting.kept_from
    if waiting.paused:
        return f"waits until {resource} is resumed: it is paused"
    if origin is not None and origin.state != "ok":
        return f"waits for {origin.origin}, which is {origin.state}: {origin.reason}"
    if trouble is not None:
        again = "" if trouble.until_us is None else f", and is tried again at {iso(trouble.until_us)}"
        return f"waits, since the push is failing{again}: {trouble.reason}"
    if kept_from is not None:
        return f"waits for the push, which cannot start: {kept_from}"
    return "is sent with the next push"


def dead_letter_of(resource: str, change: Change) -> DeadLetter:
    """The dead letter of a failed change."""
    problem: Any = change.problem
    if problem is not None:
        try:
            problem = msgspec.json.decode(problem)
        except msgspec.DecodeError:
            # The server sent no JSON: its text, then.
            problem = change.problem
    return DeadLetter(
        resource=resource, key=change.key, change=change, error=change.error or "", problem=problem
    )

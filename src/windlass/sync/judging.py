"""A remote's verdict on a change, in local form: what ``reconcile.settle`` is told."""

from __future__ import annotations

import random

from windlass.change import Change, RemoteRow
from windlass.errors import RemoteError
from windlass.sync.cycle import Cycle
from windlass.sync.mapping import Unmappable
from windlass.sync.reconcile import Answer, Failing, Met, Refused, Took, Waiting
from windlass.sync.remote import Accepted, Document, Faulty, Gone, Rejected, Stale, Undelivered, Verdict
from windlass.sync.straight import Sealed


def answer_of(cycle: Cycle, one: Sealed, verdict: Verdict) -> Answer:
    """The verdict in local form. Never raises: what cannot be read is an answer, too (P3)."""
    change = one.change
    match verdict:
        case Accepted():
            return _accepted(cycle, one, verdict)
        case Stale():
            return _met(cycle, one, verdict.current)
        case Gone():
            return Took() if change.op == "delete" else Met(RemoteRow(_remote_id(one), None))
        case Rejected():
            return Refused(verdict.reason, verdict.problem)
        case Faulty():
            applied = None if one.resend else verdict.applied
            return Failing(verdict.reason, _due_at_us(cycle, change, verdict.after_s), applied)
        case Undelivered():
            return Waiting(None if one.resend else verdict.applied)


def _accepted(cycle: Cycle, one: Sealed, verdict: Accepted) -> Answer:
    change = one.change
    remote_id = verdict.remote_id
    if cycle.settings.ids == "server" and change.captured and change.op == "insert" and not remote_id:
        return Refused(
            "the remote accepted the row and did not say by which id it knows it: let its answer name "
            'one, or declare the resource with ids="client"'
        )
    if verdict.document is None or change.op == "delete":
        return Took(None, verdict.version, remote_id)
    told = Document(remote_id or _remote_id(one), verdict.document, verdict.version)
    try:
        row = _local(cycle, one, cycle.mapper.row(told), landed=True)
    except Unmappable:
        # It was accepted, whatever came back: the next pull shows, and quarantines, what it made of it.
        return Took(None, verdict.version, remote_id)
    return Took(row.row, row.version, remote_id, row.extra)


def _met(cycle: Cycle, one: Sealed, current: Document | None) -> Answer:
    try:
        if current is None:
            current = cycle.remote.fetch(_remote_id(one))
        return Met(_local(cycle, one, cycle.mapper.row(current), landed=False))
    except Unmappable as error:
        return Refused(f"the remote holds a newer version, which cannot be read here: {error}")
    except RemoteError:
        # Known not to have been applied; which version it met is asked the next time.
        return Failing(
            "it met a newer version, which could not be fetched", _due_at_us(cycle, one.change, None), False
        )


def _local(cycle: Cycle, one: Sealed, row: RemoteRow, *, landed: bool) -> RemoteRow:
    """``landed``: the remote has the change, so that what it tells is that, first of all."""
    if cycle.mapper.json:
        shadow, data = one.standing.shadow, one.change.data
        there = None if shadow is None else shadow.row
        sides = (data, there) if landed else (there, data)
        row = cycle.mapper.in_words_of(row, *sides, one.standing.row)
    if row.row is None or not cycle.parents:
        return row
    changed = dict(row.row)
    for column, known in cycle.local_form([row.row]).items():
        changed[column] = known.get(changed.get(column), changed.get(column))
    return row._replace(row=changed)


def _remote_id(one: Sealed) -> str:
    shadow = one.standing.shadow
    return shadow.remote_id if shadow and shadow.remote_id else str(one.change.key)


def _due_at_us(cycle: Cycle, change: Change, after_s: float | None) -> int:
    wait_us = cycle.settings.backoff.delay_us(max(change.attempts, 1), chance=random.random())
    if after_s is not None:
        wait_us = int(after_s * 1_000_000)
    return cycle.clock.wall_us() + wait_us

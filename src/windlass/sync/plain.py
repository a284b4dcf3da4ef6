"""The shortest way: updates of which nothing is odd, as a table from the journal to their answers.

What is said of one edit in ``straight.py`` is said here of a column: what changed, the documents, the seal,
the new shadows. A change becomes an object for the remote alone, if that asks for one; it gives each its
verdict. Edits go the other ways where one of them is an insert, a delete, queued or in conflict,
where columns or hooks tell something else than what is kept, and where rows refer to others; and so does
each change to which the remote says anything but that it took it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, compress, count
from operator import ne
from typing import Any, NamedTuple, cast

import msgspec

from windlass.change import Change, Edits, Key, Row, Seals, Shadow, Standing, Taken
from windlass.store.ledger import Hold
from windlass.sync.cycle import Cycle
from windlass.sync.identity import mutation_ids
from windlass.sync.mapping import Mapper
from windlass.sync.merge import same
from windlass.sync.remote import Accepted, Updates, Verdict
from windlass.sync.straight import Sealed

_TOLD = frozenset((str, int, type(None)))
"""Kinds of values that are told as they are."""
_VALUES = cast("Callable[[Any], Iterable[Any]]", dict.values)  # pyright: ignore[reportUnknownMemberType]


class Plain(NamedTuple):
    """Updates that are sent together, and are sealed in one record."""

    edits: Edits
    landed: Sequence[Sequence[Any]]
    """What the remote will hold in each column once it took them."""
    outgoing: Updates
    batch: int
    sealed_at_us: int

    def sealed(self, place: int, changed: Row) -> Sealed:
        """One of them as the other ways know it."""
        edits, change = self.edits, self.outgoing[place]
        row = dict(zip(edits.columns, [column[place] for column in edits.values], strict=True))
        extra = _fields(edits.extras[place : place + 1])[0]
        was = dict(zip(edits.columns, [column[place] for column in edits.known], strict=True))
        shadow = Shadow(was, edits.versions[place], edits.remote_ids[place], extra)
        return Sealed(
            Standing(change.key, row, shadow),
            Change(
                key=change.key, op="update", data=changed, created_at_us=self.sealed_at_us,
                mutation_id=change.mutation_id, base_version=change.base_version, attempts=1,
            ),
            False,
        )  # fmt: skip


def seal_plain(
    cycle: Cycle,
    hold: Hold,
    limit: int,
    *,
    is_tired: Callable[[Sequence[Key]], bool],
    behind: Edits | None = None,
) -> Plain | None:
    """Seals the oldest edits, where all of them are plain updates; otherwise None, and nothing was done.

    ``behind``: those of a batch that is sealed and not settled yet. None where one of them comes again.
    """
    ledger, now_us = cycle.ledger, cycle.clock.wall_us()
    if cycle.parents or not cycle.mapper.tells_plainly:
        return None
    edits = ledger.edits(cycle.name, limit, after=0 if behind is None else behind.span[1])
    if edits is None or is_tired(edits.keys):
        return None
    if behind is not None and not set(behind.keys).isdisjoint(edits.keys):
        return None
    if (difference := changes_of(edits)) is None:
        return None
    changed, landed = difference
    mutations = mutation_ids(len(changed))
    outgoing = _outgoing(cycle, edits, changed, landed, mutations)
    if outgoing is None:
        return None
    # Before anything else sees what changed: a remote may do with it what it likes.
    seals = Seals(edits.keys, ["update"] * len(changed), changed, mutations, edits.versions)
    batch = ledger.seal_batch(hold, edits.mark, seals)
    return None if batch is None else Plain(edits, landed, outgoing, batch, now_us)


def changes_of(edits: Edits) -> tuple[list[dict[str, Any]], list[Sequence[Any]]] | None:
    """``difference`` of each row and its shadow, and the columns with it; None: one of them is as it was."""
    changed: list[dict[str, Any]] = [{} for _ in edits.keys]
    landed: list[Sequence[Any]] = []
    for name, here, there in zip(edits.columns, edits.values, edits.known, strict=True):
        kinds = list(map(type, here))
        if kinds == list(map(type, there)) and float not in kinds:
            # Of one type, equal is the same.
            for place in compress(count(), map(ne, here, there)):
                changed[place][name] = here[place]
            landed.append(here)
            continue
        column = list(here)
        for place, (mine, known) in enumerate(zip(here, there, strict=True)):
            if same(mine, known):
                column[place] = known
            else:
                changed[place][name] = mine
        landed.append(column)
    return (changed, landed) if all(changed) else None


def documents_of(mapper: Mapper, rows: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]] | None:
    """``Mapper.document`` of each, of a mapper that ``tells_plainly``: the rows themselves, where nothing in
    them stays here. None: a value is to be looked at."""
    if not set(map(type, chain.from_iterable(map(_VALUES, rows)))) <= _TOLD:
        return None
    if not mapper.unsent:
        return rows
    return [{name: value for name, value in row.items() if name not in mapper.unsent} for row in rows]


def _outgoing(
    cycle: Cycle,
    edits: Edits,
    changed: Sequence[dict[str, Any]],
    landed: Sequence[Sequence[Any]],
    mutations: Sequence[str],
) -> Updates | None:
    """The changes as the remote needs them; None: one of them is not plain."""
    parts = whole = documents_of(cycle.mapper, changed)
    if getattr(cycle.remote, "wants_whole", True):
        rows = [dict(zip(edits.columns, row, strict=True)) for row in zip(*landed, strict=True)]
        whole = documents_of(cycle.mapper, rows)
    if parts is None or whole is None:
        return None
    if whole is not parts and any(edits.extras):
        whole = [{**extra, **row} for extra, row in zip(_fields(edits.extras), whole, strict=True)]
    remote_ids: Sequence[str | None] = edits.remote_ids
    if cycle.settings.ids == "client":
        remote_ids = [
            str(key) if told is None else told for told, key in zip(remote_ids, edits.keys, strict=True)
        ]
    return Updates(edits.keys, mutations, remote_ids, parts, whole, edits.versions)


def _fields(texts: Sequence[str | None]) -> list[dict[str, Any]]:
    """The objects of JSON texts; an empty one where there is none."""
    return msgspec.json.decode(f"[{','.join([text or '{}' for text in texts])}]")


def settle_plain(
    cycle: Cycle, hold: Hold, plain: Plain, verdicts: Sequence[Verdict]
) -> list[tuple[Sealed, Verdict]]:
    """Settles those that the remote took, and whose rows were not edited meanwhile; gives back the others.

    Those are sealed changes of the queue afterwards.
    """
    edits, landed = plain.edits, plain.landed
    keys, versions = edits.keys, [getattr(told, "version", None) for told in verdicts]
    _, _, remote_ids, *_ = plain.outgoing.columns
    took = list(map(_is_plain, verdicts, remote_ids))
    span = edits.span if all(took) else None
    if span is None:
        keys, versions = list(compress(keys, took)), list(compress(versions, took))
        landed = [list(compress(column, took)) for column in landed]
    taken = Taken(keys, edits.columns, landed, versions, span)
    left = set(cycle.ledger.settle_batch(hold, edits.mark, plain.batch, taken))
    if not left and span is not None:
        return []
    changed, _ = cast("tuple[list[Row], Any]", changes_of(edits))
    return [
        (plain.sealed(place, changed[place]), verdicts[place])
        for place, key in enumerate(edits.keys)
        if key in left or not took[place]
    ]


def _is_plain(told: Verdict, remote_id: str | None) -> bool:
    """It took it, and says nothing else that was not known."""
    return type(told) is Accepted and told.document is None and told.remote_id in (None, remote_id)

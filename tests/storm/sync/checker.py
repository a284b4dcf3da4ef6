"""Judges a storm of sync: was anything lost, done twice, or done blindly, and are all equal in the end?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.storm.checker import Verdict, Violation
from tests.storm.sync.history import History, Place, Request, Write
from tests.storm.sync.lost import Losses
from tests.storm.sync.shape import FIELDS, differences

KINDS = (
    "not equal",
    "not drained",
    "lost",
    "applied twice",
    "another mutation id",
    "unknown base version",
    "blind write",
    "echo",
    "parent unknown",
    "database damaged",
)
"""Everything that can be wrong with a history."""


class Checker:
    """Runs every rule over one history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._writes = history.by_place()
        self._verdict = Verdict()
        self._decided: set[Place] = {(one.table, one.uid) for one in history.decisions}

    def check(self) -> Verdict:
        losses = Losses(self._history)
        for kind, found in (
            ("not equal", self._unequal()),
            (
                "not drained",
                (f"replica {number}: {left}" for number, left in self._history.left.items() if left),
            ),
            ("lost", losses.find()),
            ("applied twice", self._applied_twice()),
            ("another mutation id", self._resent_as_another()),
            ("unknown base version", self._unknown_bases()),
            ("blind write", self._blind()),
            ("echo", self._echoes()),
            ("parent unknown", self._orphans()),
            ("database damaged", (t for t in self._history.damage.values() if t != "ok")),
        ):
            self._verdict.violations += [Violation(kind, text) for text in found]
        self._figures(losses)
        return self._verdict

    # ── the end ──────────────────────────────────────────────────────────────────────────────────
    def _unequal(self) -> Iterator[str]:
        server = self._history.server()
        for number, rows in self._history.finals.items():
            for text in differences(server, rows):
                yield f"replica {number} ({self._history.traits[number].policy}): {text}"

    # ── one effect ───────────────────────────────────────────────────────────────────────────────
    def _applied_twice(self) -> Iterator[str]:
        keys = Counter(write.key for write in self._history.writes if write.key is not None)
        for key, count in keys.items():
            if count > 1:
                yield f"the mutation {key} had {count} effects"
        for (table, uid), writes in self._writes.items():
            makers: dict[str, int | None] = {}
            was_deleted = False
            for write in writes:
                others = [maker for id_, maker in makers.items() if id_ != write.id]
                # What was deleted there is made anew, by another id, by each who edits it.
                if write.fields is not None and others and not (was_deleted and write.replica not in others):
                    yield f"{table} {uid} was made as {write.id} while it was {', '.join(makers)}"
                    break
                if write.fields is None:
                    makers.pop(write.id, None)
                    was_deleted = True
                else:
                    makers.setdefault(write.id, write.replica)
            # Without remembered keys nobody can know whether what is gone has ever been there.
            dedupes = all(one.dedupes for one in self._history.traits.values())
            if dedupes and (table, uid) not in self._decided:
                yield from self._came_back(writes)

    @staticmethod
    def _came_back(writes: Sequence[Write]) -> Iterator[str]:
        """Values that were overwritten, and set again by somebody who had sent them before."""
        gone: set[tuple[str, object]] = set()
        before: Write | None = None
        for write in writes:
            if write.fields is None or before is None or before.fields is None:
                gone.clear()
            else:
                for column in FIELDS:
                    old, new = before.fields[column], write.fields[column]
                    if old != new:
                        gone.add((column, old))
                        if new is not None and (column, new) in gone:
                            what = f"{write.table} {write.uid}: {column} = {new!r}"
                            yield f"{what} came back in version {write.version}"
            before = write

    def _resent_as_another(self) -> Iterator[str]:
        """P2. Values are never set twice, so a request like another one is that one's resend."""
        first: dict[tuple[object, ...], Request] = {}
        for one in self._history.requests:
            if one.key is None or one.replayed:
                continue
            what = (one.replica, one.method, one.table, one.id, repr(one.body), one.match, one.none_match)
            before = first.get(what)
            if before is not None and before.key != one.key:
                yield (
                    f"replica {one.replica}: {one.method} {one.table}/{one.id} took effect as {before.key} "
                    f"and was sent again as {one.key}"
                )
            if one.status < 300:
                first[what] = one

    # ── with open eyes ───────────────────────────────────────────────────────────────────────────
    def _unknown_bases(self) -> Iterator[str]:
        versions: dict[tuple[str, str], set[str]] = defaultdict(set)
        for write in self._history.writes:
            versions[write.table, write.id].add(f'"{write.version}"')
        for one in self._history.requests:
            if one.match is not None and one.match not in versions[one.table, one.id]:
                what = f"{one.method} {one.table}/{one.id}"
                yield f"replica {one.replica}: {what} upon {one.match}, which never was"

    def _blind(self) -> Iterator[str]:
        for one in self._history.requests:
            if one.method != "POST" and one.match is None and one.none_match is None:
                what = f"{one.method} {one.table}/{one.id}"
                yield f"replica {one.replica}: {what} says of no version that it has seen it"

    def _echoes(self) -> Iterator[str]:
        """Nobody sends as his own edit what he was told, and nothing that changes nothing."""
        own: set[tuple[int, Place, str, object]] = set()
        for edit in self._history.edits:
            own.update((edit.replica, edit.place, name, value) for name, value in edit.values.items())
        uids = {(write.table, write.id): write.uid for write in self._history.writes}
        died = {place for place, writes in self._writes.items() if any(one.fields is None for one in writes)}
        for one in self._history.requests:
            place = (one.table, uids.get((one.table, one.id), one.id))
            # A row that was deleted there and edited here is made anew, with all that it had.
            if one.method != "PATCH" or place in died or place in self._decided:
                continue
            for column in FIELDS:
                value = (one.body or {}).get(column)
                if value is not None and (one.replica, place, column, value) not in own:
                    yield f"replica {one.replica} sent {place} {column} = {value!r}, which it was told"
        for (table, uid), writes in self._writes.items():
            for before, after in pairwise(writes):
                if before.id == after.id and before.fields == after.fields and after.fields is not None:
                    yield f"replica {after.replica} wrote {table} {uid} in version {after.version} as it was"

    def _orphans(self) -> Iterator[str]:
        for write in self._history.writes:
            crate = str((write.fields or {}).get("crate"))
            if crate.startswith("no crate"):
                yield f"replica {write.replica} wrote notes {write.uid} in version {write.version}: {crate}"

    def _figures(self, losses: Losses) -> None:
        history = self._history
        figures = self._verdict.figures
        figures["edits of rows"] = len(history.edits)
        figures["… acknowledged"] = sum(edit.acked for edit in history.edits)
        figures["writes asked"] = len(history.requests)
        figures["… that took effect"] = len(history.writes)
        figures["… answered from memory"] = sum(one.replayed for one in history.requests)
        figures["… that met a newer version"] = sum(one.status == 412 for one in history.requests)
        figures["values that lost a conflict"] = losses.overruled
        figures["values set in one of two twins"] = losses.of_two
        figures["conflicts that were asked about"] = len(history.decisions) // 2
        figures["rows in the end"] = sum(len(rows) for rows in history.server().values())


def check(history: History) -> Verdict:
    """The verdict on a history."""
    return Checker(history).check()

"""Was every edit heard? Each value that was acknowledged came to the server, or there is a reason why not.

Reasons are: a later edit or delete of the same row at the same replica; a decision of a person; a change of
the same column by somebody else which the editor could not have seen, where the replica's policy lets it win.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.storm.sync.history import Edit, History, Place, Write
from tests.storm.sync.shape import policy_of


class Losses:
    """Looks for edits that went nowhere."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._writes = history.by_place()
        self._heard: dict[Place, set[tuple[str, object]]] = defaultdict(set)
        for write in history.writes:
            self._heard[write.table, write.uid].update((write.fields or {}).items())
        self._edits: dict[tuple[int, Place], list[Edit]] = defaultdict(list)
        for edit in history.edits:
            self._edits[edit.replica, edit.place].append(edit)
        self._decided: dict[tuple[int, Place], list[tuple[int, frozenset[str]]]] = defaultdict(list)
        for one in history.decisions:
            self._decided[one.replica, (one.table, one.uid)].append((one.t, one.overruled))
        self.overruled = 0
        """Values that lost a conflict."""
        self.of_two = 0
        """Values that were set in one of two rows which then turned out to be one."""

    def find(self) -> Iterator[str]:
        """Every loss, in words."""
        for (replica, place), edits in self._edits.items():
            policy = self._history.traits[replica].policy
            for index, edit in enumerate(edits):
                if not edit.acked:
                    continue
                if edit.op == "delete":
                    yield from self._lost_delete(policy, edits, index)
                else:
                    yield from self._lost_values(policy, place, edits, index)

    def _lost_values(self, policy: str, place: Place, edits: Sequence[Edit], index: int) -> Iterator[str]:
        edit, later = edits[index], edits[index + 1 :]
        for column, value in edit.values.items():
            if value is None or (column, value) in self._heard[place]:
                continue
            if any(one.op != "update" or column in one.values for one in later):
                continue
            if self._is_of_two(edits, edit, column):
                self.of_two += 1
                continue
            if self._is_decided(edit, column) or self._is_overruled(policy, column, edits, index):
                self.overruled += 1
                continue
            yield (
                f"{edit.table} {edit.uid}: {column} = {value!r} of replica {edit.replica} ({policy}) never "
                f"came to the server"
            )

    def _lost_delete(self, policy: str, edits: Sequence[Edit], index: int) -> Iterator[str]:
        edit = edits[index]
        if len(edits) > index + 1:
            # It was made anew: then its values are looked for.
            return
        writes = self._writes.get(edit.place, [])
        before = [write for write in writes if write.t <= edit.t]
        if not before or before[-1].fields is None or any(w.fields is None and w.t > edit.t for w in writes):
            return
        if self._is_decided(edit, "stamp"):
            self.overruled += 1
            return
        if self._never_left(edits[:index], edit.place):
            # The row that was deleted was its own, of which the server has never heard.
            return
        unseen = self._since(writes, edits, index, "stamp", first=True)
        if policy not in ("client", "ask") and any(w.replica != edit.replica and w.fields for w in unseen):
            self.overruled += 1
            return
        who = f"replica {edit.replica} ({policy})"
        yield f"{edit.table} {edit.uid}: the delete by {who} never came to the server"

    def _never_left(self, before: Sequence[Edit], place: Place) -> bool:
        """True where the row began as an insert here, and nothing of it came to the server."""
        for one in reversed(before):
            if one.op == "delete" or ("stamp", one.values.get("stamp")) in self._heard[place]:
                return False
            if one.op == "insert":
                return True
        return False

    @staticmethod
    def _is_of_two(edits: Sequence[Edit], edit: Edit, column: str) -> bool:
        return any(one.key != edit.key and (one.op == "delete" or column in one.values) for one in edits)

    def _is_decided(self, edit: Edit, column: str) -> bool:
        return any(
            t >= edit.t and column in overruled
            for t, overruled in self._decided.get((edit.replica, edit.place), ())
        )

    def _is_overruled(self, policy: str, column: str, edits: Sequence[Edit], index: int) -> bool:
        edit = edits[index]
        word = policy_of(policy, column)
        if word in ("client", "ask"):
            return False
        known, stamp = self._base(edits, index, column), edit.values.get("stamp") or 0
        # Also where it is an edit of a row that was made here, and of which the server has heard nothing.
        was_deleted = edit.before is None or self._never_left(edits[:index], edit.place)
        for write in self._since(self._writes.get(edit.place, []), edits, index, column):
            if write.replica == edit.replica:
                continue
            if write.fields is None:
                if policy == "server":
                    return True
                was_deleted = True
            # Of a row that was made anew both sides know nothing: whatever differs is contested.
            elif (was_deleted or write.fields[column] != known) and (
                word == "server" or write.fields["stamp"] >= stamp
            ):
                return True
        return False

    def _base(self, edits: Sequence[Edit], index: int, column: str) -> object:
        """What the column was when the first of the edits that the server never heard was made."""
        edit = edits[index]
        base = (edit.before or {}).get(column)
        for one in reversed(edits[:index]):
            if one.op == "delete" or (column in one.values and (column, base) in self._heard[edit.place]):
                break
            if column in one.values:
                base = (one.before or {}).get(column)
        return base

    def _since(
        self, writes: Sequence[Write], edits: Sequence[Edit], index: int, column: str, *, first: bool = False
    ) -> Sequence[Write]:
        """The writes that the editor cannot have seen; some that it can where ``first`` is set."""
        edit, base = edits[index], self._base(edits, index, column)
        if edit.before is None:
            seen = [at for at, one in enumerate(writes) if one.fields is None and one.t <= edit.t]
        else:
            there = [at for at, one in enumerate(writes) if one.fields and one.fields[column] == base]
            # A person may bring an old value back later; one of his own may come there only after the edit.
            seen = [at for at in there if writes[at].t <= edit.t] or ([] if base is None else there[:1])
        if not seen:
            return writes
        return writes[(seen[0] if first else seen[-1]) + 1 :]

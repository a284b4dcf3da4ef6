"""A row on all sides, for whoever has to decide about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from windlass.change import Row, Standing
from windlass.sync.merge import Asks, same, three_way

Whose = Literal["same", "mine", "theirs", "contested"]
"""Whose change a column has: of one side's the merge takes that side; what is contested, a person decides."""


class Sides(NamedTuple):
    """A row as it was when both sides agreed, as it is here, and as the remote last said it.

    None: there is no such row; it was deleted, or never was.
    """

    base: Row | None
    mine: Row | None
    theirs: Row | None

    def columns(self, key: Sequence[str] = ()) -> dict[str, Whose]:
        """Whose change each column has; ``key`` names the primary key's, which never change.

        >>> was = {"id": 1, "title": "tea", "done": 0}
        >>> Sides(was, {**was, "title": "green tea"}, {**was, "title": "coffee", "done": 1}).columns(["id"])
        {'id': 'same', 'title': 'contested', 'done': 'theirs'}
        """
        merged = three_way(self.base, self.mine, self.theirs, "ask", key=key)
        contested = merged.fields if isinstance(merged, Asks) else ()
        base, mine, theirs = self.base or {}, self.mine or {}, self.theirs or {}
        found: dict[str, Whose] = {}
        for name in dict.fromkeys((*mine, *theirs)):
            if name in contested:
                found[name] = "contested"
            elif name in key or name not in theirs or same(mine.get(name), theirs.get(name)):
                found[name] = "same"
            else:
                found[name] = "theirs" if same(mine.get(name), base.get(name)) else "mine"
        return found


def sides_of(standing: Standing) -> Sides:
    """The row as it stands now: in a conflict, it may have been edited since that was raised."""
    theirs = None if standing.shadow is None else standing.shadow.row
    base = theirs if standing.conflict is None else standing.conflict.base
    return Sides(base, standing.row, theirs)

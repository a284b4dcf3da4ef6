"""Figures, as they are written and as they grow older.

What a dispatcher counted is added to the row of its minute, so it does not matter how late it comes, or
whether its clock was set back meanwhile. Once a minute is over, its rows are moved on: into the spans that
hold it and into the totals, in the commit that deletes them. So each figure is in the totals or in a row of
its minute, never in both, and whoever reads the two in one statement misses none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from windlass.store.activity import SPANS_KEPT, Figures, Total
from windlass.store.relational.engine import Connection
from windlass.store.relational.statements import SQL
from windlass.store.totals import TOTALS_MOST, Adding, Pair, from_long_bytes, placed, to_long_bytes

_ROWS_MOST = 50
"""Moved on in one commit: more would hold the write lock for longer than others should wait."""
_SPAN_PAIRS_MOST = 200
"""Queues and keys told apart in one span."""


def keep(connection: Connection, figures: Sequence[Figures]) -> None:
    """Adds them to those that are kept, and moves on what is older than the newest of them."""
    for row in figures:
        found = connection.execute(SQL["activity_row"], row[:4]).fetchone()
        connection.execute(SQL["put_activity"], row if found is None else _added(row, Figures._make(found)))
    _move_on(connection, max(row.minute for row in figures))


def total_of(row: Any) -> Total:
    """A row of totals."""
    return Total(row[0], row[1], tuple(row[2:9]), from_long_bytes(row[9]), from_long_bytes(row[10]))


def _added(row: Figures, before: Figures) -> Figures:
    adding = Adding(row.queue, row.key)
    adding.add(before)
    adding.add(row)
    return adding.figures(row.minute, row.owner)


def _move_on(connection: Connection, minute: int) -> None:
    # The minute before that one may still get what others counted in its last second.
    found = connection.execute(SQL["old_activity"], (minute - 1, _ROWS_MOST)).fetchall()
    if not found:
        return
    rows = list(map(Figures._make, found))
    for minutes, kept in SPANS_KEPT.items():
        _add_to_spans(connection, minutes, rows)
        connection.execute(SQL["forget_activity_spans"], (minutes, minute - kept))
    _add_to_totals(connection, rows)
    connection.executemany(SQL["forget_activity"], [row[:4] for row in rows])


def _add_to_spans(connection: Connection, minutes: int, rows: Sequence[Figures]) -> None:
    spans: dict[int, list[Figures]] = {}
    for row in rows:
        spans.setdefault(row.minute // minutes * minutes, []).append(row)
    for first, some in spans.items():
        place = (minutes, first)
        count = connection.execute(SQL["count_activity_span"], place).fetchone()[0]

        def find(pair: Pair, place: tuple[int, int] = place) -> Adding | None:
            found = connection.execute(SQL["activity_span"], (*place, *pair)).fetchone()
            if found is None:
                return None
            adding = Adding(*pair)
            adding.add(Figures._make(found))
            return adding

        grown = _Growing(find, count, _SPAN_PAIRS_MOST).by(some)
        connection.executemany(SQL["put_activity_span"], [(*place, *one.figures(first)[2:]) for one in grown])


def _add_to_totals(connection: Connection, rows: Sequence[Figures]) -> None:
    def find(pair: Pair) -> Adding | None:
        found = connection.execute(SQL["activity_total"], pair).fetchone()
        return None if found is None else Adding(*pair, total_of(found))

    count = connection.execute(SQL["count_activity_totals"]).fetchone()[0]
    for one in _Growing(find, count, TOTALS_MOST).by(rows):
        total = one.total()
        sketches = to_long_bytes(total.waits), to_long_bytes(total.runs)
        connection.execute(SQL["put_activity_total"], (total.queue, total.key, *total.outcomes, *sketches))


class _Growing:
    """Rows of a table that figures are added to: one for each queue and key, up to so many."""

    def __init__(self, find: Callable[[Pair], Adding | None], count: int, most: int) -> None:
        self._find = find
        self._count = count
        self._most = most
        self._adding: dict[Pair, Adding] = {}

    def by(self, rows: Iterable[Figures]) -> Iterable[Adding]:
        """The rows that have grown, whole."""
        for row in rows:
            pair = placed((row.queue, row.key), self._is_known, self._count, self._most)
            if not self._is_known(pair):
                self._adding[pair] = Adding(*pair)
                self._count += 1
            self._adding[pair].add(row)
        return self._adding.values()

    def _is_known(self, pair: Pair) -> bool:
        if pair not in self._adding:
            found = self._find(pair)
            if found is None:
                return False
            self._adding[pair] = found
        return True

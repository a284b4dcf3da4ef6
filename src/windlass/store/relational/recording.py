"""Figures of what was done, and looks at what went wrong and what waits: for whoever looks on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from windlass.clock import from_us
from windlass.store.activity import Failed, Figures, Lease, LongestWait, Total
from windlass.store.protocol import Lane
from windlass.store.relational import rolling
from windlass.store.relational.engine import Connection
from windlass.store.relational.laning import Laning
from windlass.store.relational.rows import moment
from windlass.store.relational.statements import SQL
from windlass.store.totals import add_up

_LANES_MOST = 200
_PRIORITIES_MOST = 20
"""Looked at in one lane; of more, those beyond the highest are not asked for their oldest job."""
_HIGHEST = 2**63 - 1


class Recording(Laning):
    """The verbs of ``windlass.store.activity``."""

    def seal(self, activity: Sequence[Figures] = ()) -> None:
        if not activity:
            self.database.seal()
            return
        # The one commit serves both. Where everything is sealed, figures alone are not worth a sync.
        with self.database.write(full=self.database.is_unsealed) as connection:
            rolling.keep(connection, activity)

    def activity(self, first_minute: int, last_minute: int, *, minutes: int = 1) -> Iterator[Figures]:
        with self.database.read() as connection:
            rows = connection.execute(SQL["activity"], (first_minute, last_minute, minutes)).fetchall()
        return map(Figures._make, rows)

    def totals(self) -> list[Total]:
        with self.database.read() as connection:
            rows = connection.execute(SQL["all_activity"]).fetchall()
        before = [rolling.total_of(row[2:]) for row in rows if row[0] == -1]
        return add_up((Figures._make(row) for row in rows[len(before) :]), before)

    def leases(self, *, owner: int | None = None, limit: int = 100) -> list[Lease]:
        with self.database.read() as connection:
            return list(map(Lease._make, connection.execute(SQL["leases"], (owner, limit))))

    def failures(self, limit: int = 500) -> list[Failed]:
        with self.database.show() as connection:
            rows = connection.execute(SQL["failures"], (limit,)).fetchall()
        return [
            Failed(
                job_id=row[0], key=str(row[1]), queue=str(row[2]), reason=row[3],
                message=str(row[4] or "").partition("\n")[0],
                at=from_us(row[5]) if isinstance(row[5], int) else None,
            )
            for row in rows
        ]  # fmt: skip

    def longest_waits(self, limit: int = 10, *, count_to: int = 10_000) -> list[LongestWait]:
        oldest: dict[tuple[str, str], tuple[str, int]] = {}
        lanes: dict[tuple[str, str], list[Lane]] = {}
        for lane in self.lanes()[:_LANES_MOST]:
            pair = (lane.queue, lane.key)
            lanes.setdefault(pair, []).append(lane)
            with self.database.read() as connection:
                found = _oldest(connection, lane)
            if found is not None and (pair not in oldest or found < oldest[pair]):
                oldest[pair] = found
        first = sorted(oldest.items(), key=lambda one: one[1])[:limit]
        return [self._wait_of(pair, *found, lanes[pair], count_to) for pair, found in first]

    def _wait_of(
        self, pair: tuple[str, str], since: str, job_id: int, lanes: Sequence[Lane], count_to: int
    ) -> LongestWait:
        ready = 0
        with self.database.read() as connection:
            for lane in lanes:
                name = "count_lane" if lane.constraints is None else "count_conditioned_lane"
                given = (*lane[:3], count_to + 1 - ready, *lane[3:])
                ready += connection.execute(
                    SQL[name], given if lane.constraints is not None else given[:4]
                ).fetchone()[0]
        return LongestWait(
            job_id=job_id, queue=pair[0], key=pair[1], since=moment(since), ready=min(ready, count_to),
            ready_is_least=ready > count_to,
        )  # fmt: skip


def waited_us(now_us: int, since: str) -> int | None:
    """How long a row has been as it is, going by its ``updated_at``; None where that cannot be read."""
    found = moment(since)
    # By way of a float, which is exact enough for milliseconds, and the quickest there is.
    return None if found is None else now_us - int(found.timestamp() * 1e6)


def _oldest(connection: Connection, lane: Lane) -> tuple[str, int] | None:
    """When the oldest job of a lane became ready, and its id: that of each priority is the first by id."""
    found: tuple[str, int] | None = None
    below = _HIGHEST
    for _ in range(_PRIORITIES_MOST):
        alone, queue, key, constraints = lane
        name = "longest_ready" if constraints is None else "longest_conditioned"
        given = (alone, queue, key, below) if constraints is None else (alone, queue, key, below, constraints)
        row = connection.execute(SQL[name], given).fetchone()
        if row is None:
            break
        below = row[0]
        if isinstance(row[2], str) and (found is None or (row[2], row[1]) < found):
            found = row[2], row[1]
        if not isinstance(below, int):
            break
    return found

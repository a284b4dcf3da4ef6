"""Job keys, queues and tags in use: from the small tables, the lanes, and the jobs that came last."""

from __future__ import annotations

from windlass.store.listing import Field
from windlass.store.relational.engine import Connection
from windlass.store.relational.laning import Laning
from windlass.store.relational.statements import SQL


class Suggesting(Laning):
    """What somebody may be typing."""

    def suggest(self, field: Field, prefix: str, *, limit: int = 20) -> list[str]:
        with self.database.show() as connection:
            found = _seen(connection, f"seen_{field}s")
        if field != "tag":
            found |= {lane.key if field == "key" else lane.queue for lane in self.lanes()}
        typed = prefix.casefold()
        places = ((name.casefold().find(typed), name) for name in found)
        # What begins so comes before what has it further in.
        return [name for _, name in sorted((at > 0, name) for at, name in places if at >= 0)][:limit]


def _seen(connection: Connection, statement: str) -> set[str]:
    return {row[0] for row in connection.execute(SQL[statement]) if isinstance(row[0], str) and row[0]}

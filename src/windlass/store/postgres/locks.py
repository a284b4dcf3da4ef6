"""By which kind of lock the programs of a database take their turns: advisory ones, or rows'.

Those of one kind keep nobody out who takes the other. So it is no matter of each program's own: the first one
that writes notes the kind by its ``windlass_hints``, and everybody goes by the note. Both kinds hold for a
transaction, also behind a pooler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windlass.store.postgres.database import Database
    from windlass.store.postgres.statements import Statements

CLASS = 0x57494E44
"""The first number of all our advisory locks; the second is the schema's."""
NOTE = "locks"
"""Its name in ``windlass_meta``."""
ADVISORY, ROWS = "advisory", "rows"


class Locks:
    """The kind of one database, asked once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: bool | None = None

    @property
    def are_advisory(self) -> bool:
        """Turns are advisory locks; else a row of ``windlass_meta`` is locked. Notes it where nobody has."""
        if self._known is None:
            self._known = self._agreed()
        return self._database.location.hints if self._known is None else self._known

    def noted(self) -> bool | None:
        """The same as it is noted; None: nobody has, or there are no tables yet. Writes nothing."""
        with self._database.read() as connection:
            return _noted(connection) if _has_notes(connection) else None

    def _agreed(self) -> bool | None:
        database = self._database
        if not database.is_own:
            # What a caller's transaction notes nobody else sees yet.
            return self.noted()
        with database.alone() as connection:
            if not _has_notes(connection):
                return None
            found = _noted(connection)
            if found is None:
                kind, source = ROWS, "(SELECT) AS nothing"
                if database.location.hints:
                    # Where there are no such locks this fails, and nothing is noted.
                    lock = f"pg_try_advisory_xact_lock({CLASS}, {database.connections.facts.lock})"
                    kind, source = ADVISORY, f"(SELECT {lock}) AS tried"
                made = f"INSERT INTO windlass_meta (name, value) SELECT '{NOTE}', '{kind}' FROM {source}"  # noqa: S608
                connection.execute(f"{made} ON CONFLICT DO NOTHING")
                found = _noted(connection)
            return found


def _has_notes(connection: Statements) -> bool:
    return connection.execute("SELECT to_regclass('windlass_meta') IS NOT NULL").fetchone()[0]


def _noted(connection: Statements) -> bool | None:
    row = connection.execute("SELECT value FROM windlass_meta WHERE name = ?", (NOTE,)).fetchone()
    return None if row is None else row[0] == ADVISORY

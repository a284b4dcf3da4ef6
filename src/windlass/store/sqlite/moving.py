"""What a move asks of SQLite: triggers that keep a list of changes, and triggers that refuse them."""

from __future__ import annotations

from collections.abc import Sequence

from windlass.store.relational.carrying import Row, Table, put_over
from windlass.store.relational.engine import Connection
from windlass.store.relational.noting import ARRIVING

_SHUT = {
    "background_service_jobs": ("INSERT", "UPDATE", "DELETE"),
    "windlass_schedules": ("INSERT", "UPDATE", "DELETE"),
    "windlass_dispatchers": ("INSERT",),
}
_WHEN = f"WHEN EXISTS (SELECT 1 FROM windlass_meta WHERE name = '{ARRIVING}')"  # noqa: S608


class SqliteMovable:
    """The verbs of ``windlass.store.relational.sides.Movable``."""

    def keep_changes(self, connection: Connection, tables: Sequence[Table]) -> None:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS windlass_moving "
            "(seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, key TEXT NOT NULL)"
        )
        for table in tables:
            old, new = (_key_of(row, table) for row in ("OLD", "NEW"))
            note = f"INSERT INTO windlass_moving (name, key) SELECT '{table.name}', "
            for verb, noted in (
                ("INSERT", f"{note} {new};"),
                # Of a row whose key changes, both.
                ("UPDATE", f"{note} {new}; {note} {old} WHERE {old} IS NOT {new};"),
                ("DELETE", f"{note} {old};"),
            ):
                name = _noting(table.name, verb)
                connection.execute(f"DROP TRIGGER IF EXISTS {name}")
                connection.execute(f"CREATE TRIGGER {name} AFTER {verb} ON {table.name} BEGIN {noted} END")

    def forget_changes(self, connection: Connection, tables: Sequence[Table]) -> None:
        for table in tables:
            for verb in ("INSERT", "UPDATE", "DELETE"):
                connection.execute(f"DROP TRIGGER IF EXISTS {_noting(table.name, verb)}")
        connection.execute("DROP TABLE IF EXISTS windlass_moving")

    def shut(self, connection: Connection, saying: str, *, while_arriving: bool) -> None:
        told = saying.replace("'", "''")
        for table, verbs in _SHUT.items():
            for verb in verbs:
                connection.execute(
                    f"CREATE TRIGGER IF NOT EXISTS {_shutting(table, verb)} BEFORE {verb} ON {table} "
                    f"{_WHEN if while_arriving else ''} BEGIN SELECT RAISE(ABORT, 'windlass: {told}'); END"
                )

    def open_up(self, connection: Connection) -> None:
        for table, verbs in _SHUT.items():
            for verb in verbs:
                connection.execute(f"DROP TRIGGER IF EXISTS {_shutting(table, verb)}")

    def take_time(self, connection: Connection, *, whole: bool) -> None:
        """Nothing to do: nobody ends a transaction here but its own program."""

    def put(self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
        put_over(connection, table, columns, rows)

    def last_ids(self, connection: Connection, tables: Sequence[str]) -> dict[str, int]:
        found = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        return {table: found[table] for table in tables if table in found}

    def count_on_from(self, connection: Connection, table: str, last: int) -> None:
        made = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        if "AUTOINCREMENT" not in made[0]:
            # It counts on from its rows.
            return
        counted = connection.execute(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, table)
        ).rowcount
        if not counted:
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, last))


def _key_of(row: str, table: Table) -> str:
    return f"json_array({', '.join(f'{row}.{column}' for column in table.key)})"


def _noting(table: str, verb: str) -> str:
    return f"windlass_moving_{table}_{verb.lower()}"


def _shutting(table: str, verb: str) -> str:
    return f"windlass_shut_{table}_{verb.lower()}"
